import { describe, expect, it } from "vitest";
import { Backlog, type BacklogEntry } from "../../../src/checkpoint/saver/backlog.ts";

const entry = (name: string, packs: Record<string, number>, sinceMs = 5): BacklogEntry => ({
  ...{ name, sinceMs, manifestBytes: 10, result: null, isRepair: false, isAwaited: false, problem: null },
  packs: Object.entries(packs).map(([pack, bytes]) => ({ name: pack, bytes })),
});

describe("what the store lacks", () => {
  it("is counted once, however many checkpoints name it, until it has arrived", () => {
    const backlog = new Backlog();
    backlog.markPresent(["old"]);
    backlog.add(entry("2", { old: 1000, a: 100, b: 50 }, 20));
    backlog.add(entry("1", { a: 100, c: 7 }, 30));
    backlog.add(entry("1", { a: 100, c: 7 }, 30));
    expect(backlog.bytes).toBe(100 + 50 + 7 + 2 * 10);
    expect(backlog.entries().map(({ name }) => name)).toEqual(["1", "2"]);
    expect(backlog.sinceMs).toBe(20);
    backlog.markPresent(["a"]);
    expect(backlog.bytes).toBe(50 + 7 + 20);
    backlog.remove("1");
    expect(backlog.bytes).toBe(50 + 10);
    backlog.remove("2");
    expect([backlog.bytes, backlog.size, backlog.sinceMs]).toEqual([0, 0, null]);
  });

  it("counts again what was deleted from the store, and only if it was there", () => {
    const backlog = new Backlog();
    backlog.add(entry("1", { a: 100, b: 1 }));
    backlog.add(entry("2", { a: 100 }));
    backlog.markPresent(["a"]);
    backlog.forget(["a", "b", "never"]);
    expect(backlog.bytes).toBe(101 + 20);
    backlog.remove("1");
    expect(backlog.bytes).toBe(100 + 10);
    backlog.remove("2");
    expect(backlog.bytes).toBe(0);
    backlog.forget(["a"]);
    expect(backlog.bytes).toBe(0);
  });
});
