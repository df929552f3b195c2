import { describe, expect, it } from "vitest";
import { CorruptError } from "../../src/errors.ts";
import { assertRefusal, type FuzzTarget, fuzz } from "./fuzz.ts";

const target = (attempt: FuzzTarget["attempt"]): FuzzTarget => ({ name: "planted", mostAllocatedBytes: 1024, attempt });
const run = (attempt: FuzzTarget["attempt"]) => fuzz(target(attempt), 300, 5);

/** A parser that is right but for one input in a hundred. */
const once = (wrong: () => void) => run((random) => (random.int(100) === 0 ? (wrong(), "accepted") : "refused"));

describe("planted bugs of a parser are caught, with seed, input and the command that repeats it:", () => {
  it("another exception than one of ours", async () => {
    await expect(once(() => null as unknown as string)).resolves.toMatchObject({ inputs: 300 });
    const failed = once(() => void (null as unknown as string).length);
    await expect(failed).rejects.toThrow(
      /input \d+ of seed 5: .*\n.*\nrepeat: VARVE_SEED=5 VARVE_CASE=\d+ npx vitest/s,
    );
  });

  it("memory on the word of a length, at once or in pieces", async () => {
    await expect(once(() => void new Uint8Array(10_000))).rejects.toThrow("10000 bytes were asked for at once");
    const pieces = (): void => void Array.from({ length: 100 }, () => new SharedArrayBuffer(1000));
    await expect(once(pieces)).rejects.toThrow("100000 bytes were asked for in all");
  });

  it("a prototype that is changed", async () => {
    const pollute = (): void => {
      (Object.prototype as Record<string, unknown>)["polluted"] = 1;
    };
    try {
      await expect(once(pollute)).rejects.toThrow("a prototype that all objects share was changed");
    } finally {
      delete (Object.prototype as Record<string, unknown>)["polluted"];
    }
  });

  it("an error that does not say which object", () => {
    const refusal = { codes: ["VARVE_CORRUPT"], names: "packs/a" };
    expect(() => assertRefusal(new CorruptError("packs/b", "wrong"), refusal)).toThrow("does not name packs/a");
    expect(assertRefusal(new CorruptError("packs/a", "wrong"), refusal)).toBe("refused");
  });
});
