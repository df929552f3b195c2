import { describe, expect, it } from "vitest";
import { ConsoleOutput } from "../../src/cli/console-output.ts";
import { interruptible } from "../../src/cli/interruptible.ts";
import { StoreError } from "../../src/index.ts";

/** An output that keeps what it is to warn of. */
function keptOutput(): { output: ConsoleOutput; warnings: string[] } {
  const warnings: string[] = [];
  const output = new ConsoleOutput();
  output.warn = (text) => void warnings.push(text);
  return { output, warnings };
}

describe("what can be interrupted", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 75],
  ] as const)("ends after %s with %i, and says how to go on", async (name, code) => {
    const { output, warnings } = keptOutput();
    const listening = process.listenerCount(name);
    const ended = interruptible(output, "Do it again.", async (signal) => {
      process.emit(name);
      signal.throwIfAborted();
      return 0;
    });
    expect(await ended).toBe(code);
    expect(warnings).toEqual(["Interrupted. Do it again."]);
    expect(process.listenerCount(name)).toBe(listening);
  });

  it("takes a request that was cancelled for the same, and any other failure for itself", async () => {
    const { output, warnings } = keptOutput();
    const failing = (kind: "aborted" | "io") =>
      interruptible(output, "", async () => {
        process.emit("SIGINT");
        throw new StoreError(kind, "get", "x", "cancelled");
      });
    expect(await failing("aborted")).toBe(130);
    await expect(failing("io")).rejects.toMatchObject({ kind: "io" });
    await expect(
      interruptible(output, "", async () => {
        throw new StoreError("aborted", "get", "x", "by somebody else");
      }),
    ).rejects.toMatchObject({ kind: "aborted" });
    expect(warnings).toHaveLength(1);
    expect(await interruptible(output, "", async () => 3)).toBe(3);
  });
});
