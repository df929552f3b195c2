import { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { EndGate } from "../../src/base/end-gate.ts";
import { type GatedAction, type GatedStart, STAGE } from "./fixtures/gated.ts";

/** A thread that has gone into its first call and stays there. */
async function threadInside(action: GatedAction) {
  const gate = new EndGate();
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("./fixtures/gated-thread.ts", import.meta.url), {
    execArgv: [],
    workerData: { gate: gate.memory, cells: cells.buffer, action } satisfies GatedStart,
  });
  onTestFinished(async () => void (await worker.terminate()));
  const stage = (): number => Atomics.load(cells, 0);
  await expect.poll(stage, { timeout: 30_000 }).toBe(STAGE.inside);
  const letOut = (): void => {
    Atomics.store(cells, 1, 1);
    Atomics.notify(cells, 1);
  };
  return { gate, worker, stage, letOut };
}

describe("the gate that threads are held back at before they are ended", () => {
  it("is not quiet while a thread is inside, and says so after the limit", async () => {
    const { gate } = await threadInside("wait");
    expect(gate.isQuiet).toBe(false);
    gate.close();
    gate.waitUntilQuiet(20);
    expect(gate.isQuiet).toBe(false);
    await gate.whenQuiet(20);
    expect(gate.isQuiet).toBe(false);
  });

  it("wakes who waits for it without an event loop", async () => {
    const { gate, letOut } = await threadInside("wait");
    gate.close();
    letOut();
    gate.waitUntilQuiet(100_000);
    expect(gate.isQuiet).toBe(true);
  });

  it("forgets a thread that died inside", async () => {
    const { gate, worker } = await threadInside("wait");
    await worker.terminate();
    expect(gate.isQuiet).toBe(false);
    gate.leave(1);
    expect(gate.isQuiet).toBe(true);
  });

  it.each(["compress", "decompress", "decompressAsync"] as const)(
    "lets nobody %s once it is closed",
    async (action) => {
      const { gate, worker, stage, letOut } = await threadInside(action);
      const quiet = gate.whenQuiet(30_000);
      gate.close();
      letOut();
      await quiet;
      // Woken, it stays: whoever waits at a closed gate is counted each time.
      const waiting = (): number => Atomics.notify(new Int32Array(gate.memory), 0);
      await expect.poll(waiting, { timeout: 30_000 }).toBe(1);
      await expect.poll(waiting, { timeout: 30_000 }).toBe(1);
      expect(gate.isQuiet).toBe(true);
      await worker.terminate();
      expect(stage()).toBe(STAGE.before);
    },
  );

  it.each(["compress", "decompress", "decompressAsync"] as const)(
    "lets a thread %s while it is open",
    async (action) => {
      const { gate, stage, letOut } = await threadInside(action);
      letOut();
      await expect.poll(stage, { timeout: 30_000 }).toBe(STAGE.after);
      expect(gate.isQuiet).toBe(true);
    },
  );

  it("lets an error out, and the thread with it", () => {
    const gate = new EndGate();
    const fail = (): never => gate.run(0, () => raise());
    expect(fail).toThrow("no");
    expect(gate.isQuiet).toBe(true);
  });
});

function raise(): never {
  throw new Error("no");
}
