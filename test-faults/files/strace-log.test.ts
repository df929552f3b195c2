import { describe, expect, it } from "vitest";
import { repeatedSyncs } from "./strace-log.ts";

const log = (...lines: readonly string[]): string => `${lines.join("\n")}\n`;

describe("the log of a tracer", () => {
  it("shows a descriptor that is synced again after a failed fsync", () => {
    const lines = ["7 fsync(20) = -1 EIO (Input/output error) (INJECTED)", "7 fsync(20) = 0"];
    expect(repeatedSyncs(log(...lines))).toHaveLength(1);
  });

  it("shows it also where another thread's calls come between", () => {
    const failing = ["7 fsync(20 <unfinished ...>", "8 close(9) = 0", "7 <... fsync resumed>) = -1 EIO (INJECTED)"];
    expect(repeatedSyncs(log(...failing, "8 fsync(20) = 0"))).toHaveLength(1);
  });

  it("takes a descriptor that was closed, and one that never failed, for what they are", () => {
    const closed = ["7 fsync(20) = -1 EIO (INJECTED)", "7 close(20) = 0", '7 openat(3, "x") = 20', "7 fsync(20) = 0"];
    expect(repeatedSyncs(log(...closed, "7 fsync(21) = 0", "7 fsync(21) = 0"))).toEqual([]);
  });
});
