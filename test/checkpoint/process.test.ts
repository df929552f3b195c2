import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ReplayBuffer, stateHash } from "../../src/index.ts";
import { runFixture } from "./run-fixture.ts";
import { open, temporaryFolder } from "./support.ts";

const fields = { observation: { dtype: "float32", shape: [8] }, action: { dtype: "int32", shape: [] } } as const;

async function train(
  ending: string,
): Promise<{ folder: string; code: number | null; lines: Record<string, unknown>[]; errors: string }> {
  const folder = await temporaryFolder();
  const { code, output, errors } = await runFixture("never-yields.ts", folder, ending);
  return {
    folder,
    code,
    errors,
    lines: output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

async function expectRestorable(folder: string, lines: readonly Record<string, unknown>[]): Promise<void> {
  const checkpointer = await open({ store: folder, readOnly: true });
  for (const { step, hash } of lines.slice(0, 5)) {
    const buffer = new ReplayBuffer({ capacity: 500, fields, prioritized: {} });
    const restored = await checkpointer.restore({ step: Number(step), buffer });
    expect(stateHash({ buffer, state: restored?.state })).toBe(hash);
  }
  expect((await checkpointer.verify({ readData: true })).isIntact).toBe(true);
}

describe("a training loop that never yields", () => {
  it("sees its saves completed while it goes on, and everything can be restored", async () => {
    const { folder, code, lines } = await train("loop");
    expect(code).toBe(0);
    expect(lines[5]).toMatchObject({ completed: 5, pending: 0, failed: 0, current: null });
    await expectRestorable(folder, lines);
  });

  it.each([
    ["at its natural end", "end", 0],
    ["by process.exit", "exit", 3],
    ["by an uncaught error", "throw", 1],
  ])("loses no save when the process ends %s", async (_, ending, expected) => {
    const { folder, code, lines, errors } = await train(ending);
    expect(code).toBe(expected);
    expect(errors.includes("training broke")).toBe(ending === "throw");
    await expectRestorable(folder, lines);
  });

  it("keeps whole checkpoints only when it is killed", async () => {
    const { folder, code } = await train("kill");
    expect(code).toBeNull();
    const checkpointer = await open({ store: folder });
    expect((await checkpointer.verify({ readData: true })).isIntact).toBe(true);
    const restored = await checkpointer.restore();
    const next = (restored?.step ?? 0) + 1;
    await checkpointer.save({ step: next, state: { step: next } }).committed;
    expect(await checkpointer.latestStep()).toBe(next);
  });
});

it("hears of a saver that runs out of memory, although nothing but a save keeps the process alive, and goes on", async () => {
  const { code, output, errors } = await runFixture("saver-out-of-memory.ts", await temporaryFolder());
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(JSON.parse(output)).toEqual({
    ends: ["ERR_WORKER_OUT_OF_MEMORY"],
    failure: expect.stringMatching(/^VARVE_SAVER_CRASHED: .*memory limit/),
    afterwards: { current: null, heldStateBytes: 0, failed: 1, pending: 0 },
    ...{ completed: 2, isIntact: true, step: 3, weights: [3] },
  });
});

describe("a process that ends before its saves, with a log", () => {
  it.each([
    ["exit", 3],
    ["throw", 1],
    ["closing", 3],
  ])("is told which are lost: %s", async (ending, expected) => {
    const { code, errors } = await runFixture("ends-with-saves.ts", ending);
    expect(code).toBe(expected);
    expect(errors).toMatch(/save 2 \(step 2\) FAILED: Save 2 \(step 2\) was not made before the process ended/);
    expect(errors).toMatch(/save 3 \(step 3\) FAILED: Save 3/);
    expect(errors).not.toMatch(/step 1\) FAILED|WARNING/);
  });

  it("is told what the store lacks and the local disk has", async () => {
    const { code, errors } = await runFixture("ends-with-saves.ts", "exit", "local");
    expect(code).toBe(3);
    expect(errors).toMatch(
      /WARNING: 1 checkpoint is durable in file:.* and not in memory:.*: the process ended.*varve sync/,
    );
    expect(errors).toMatch(/save 3 \(step 3\) FAILED/);
    expect(errors).not.toMatch(/step 2\) FAILED/);
  });
});

it("leaves no handle behind that would keep the process alive", async () => {
  const folder = await temporaryFolder();
  const { code, output, errors } = await runFixture(
    "does-not-close.ts",
    join(folder, "run"),
    join(folder, "buffer.varve"),
  );
  expect({ code, output, errors }).toEqual({ code: 0, output: "durable 1\n", errors: "" });
});

describe("the end of a process whose saver lives", () => {
  it("ends no saver that zstd is still open to", async () => {
    expect(await runFixture("ends-with-a-saver.ts")).toMatchObject({ code: 0, output: "closed true\n" });
  });

  it("holds a saver back that comes to zstd meanwhile", async () => {
    const { code, output } = await runFixture("ends-with-a-saver.ts", "exit");
    expect({ code, output }).toEqual({ code: 0, output: "closed true\nat the gate\n" });
  });
});
