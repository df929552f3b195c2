import { describe, expect, it, onTestFinished, vi } from "vitest";
import { EndGate } from "../../src/base/end-gate.ts";
import { allocateShared, frozen, SaverCrashedError, stateHash } from "../../src/index.ts";
import { startLink, watchThreads } from "./link-of-test.ts";
import {
  actionsOf,
  addInline,
  inlineBuffer,
  namesIn,
  numbersFrom,
  observedStore,
  open,
  temporaryFolder,
} from "./support.ts";

/** Opens a run, makes one checkpoint, and lets the saver's thread crash under the next one. */
async function crashDuringSecondSave() {
  const threads = watchThreads();
  const { store, faulty } = observedStore();
  const checkpointer = await open({ store });
  const buffer = inlineBuffer();
  addInline(buffer, 30);
  const state = { weights: Float32Array.from(numbersFrom(0, 50_000), Math.sin) };
  await checkpointer.save({ step: 1, buffer, state }).committed;
  faulty.faults.add({ kind: "stall", method: "put" });
  addInline(buffer, 10);
  const lost = checkpointer.save({ step: 2, buffer, state });
  // In the middle of native work a thread that is terminated took the process with it, once in some hundred times.
  await vi.waitUntil(() => faulty.faults.injected.stall > 0, { timeout: 30_000 });
  await threads.at(-1)?.terminate();
  faulty.faults.release();
  return { checkpointer, buffer, state, store, lost };
}

describe("a saver's thread that crashes", () => {
  it("fails the save under way, and the next save works as the same writer", async () => {
    const { checkpointer, buffer, state, store, lost } = await crashDuringSecondSave();
    await expect(lost.durable).rejects.toBeInstanceOf(SaverCrashedError);
    expect(lost.phase).toBe("failed");
    expect(checkpointer.status()).toMatchObject({ completed: 1, failed: 1, pending: 0 });
    addInline(buffer, 5);
    const place = store.length;
    await checkpointer.save({ step: 3, buffer, state }).committed;
    expect(checkpointer.status()).toMatchObject({ completed: 2, failed: 1, pending: 0 });
    expect((await checkpointer.list()).map(({ step, epoch, parent }) => ({ step, epoch, parent }))).toEqual([
      { step: 1, epoch: 1, parent: null },
      { step: 3, epoch: 1, parent: "checkpoints/00000001-000000000001.json" },
    ]);
    expect(await namesIn(store, "writers/")).toEqual(["writers/00000001.json"]);
    const written = store.operations.filter(
      ({ method, calledAt, name }) => method === "put" && calledAt >= place && name.startsWith("packs/"),
    );
    // Rows 30 to 45 only: what the first checkpoint holds, its tensors too, is not stored again.
    expect(written.length).toBe(1);
    const copy = inlineBuffer();
    await checkpointer.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });

  it("does not stop the other methods", async () => {
    const { checkpointer } = await crashDuringSecondSave();
    await new Promise(setImmediate);
    expect(await checkpointer.latestStep()).toBe(1);
    expect((await checkpointer.restore())?.step).toBe(1);
  });

  it("keeps its run after a crash between restore and the first save", async () => {
    const { store } = observedStore();
    const buffer = inlineBuffer();
    addInline(buffer, 30);
    const first = await open({ store });
    await first.save({ step: 1, buffer }).committed;
    await first.close();
    const threads = watchThreads();
    const second = await open({ store });
    const copy = inlineBuffer();
    await second.restore({ buffer: copy });
    await threads.at(-1)?.terminate();
    await new Promise(setImmediate);
    await second.save({ step: 2, buffer: copy }).committed;
    expect((await second.list()).at(-1)).toMatchObject({
      step: 2,
      epoch: 2,
      parent: "checkpoints/00000001-000000000001.json",
    });
  });

  it("is noticed by its heartbeat while training waits for it, and held back from zstd until it is ended", async () => {
    const threads = watchThreads();
    const gateClosed = vi.spyOn(EndGate.prototype, "close");
    onTestFinished(() => gateClosed.mockRestore());
    let crashed: Error | null = null;
    const link = startLink((error) => (crashed = error));
    // The thread is told of in the next turn, and a thread that has not begun yet has no heartbeat to lose.
    await vi.waitUntil(() => link.status.get("heartbeat") > 2, { timeout: 30_000 });
    expect(threads).toHaveLength(1);
    // Not awaited: the event that tells of the end must not be what is noticed.
    void threads[0]?.terminate();
    link.waitUntil(() => false, 30_000);
    expect(link.isRunning).toBe(false);
    expect(crashed).toBeInstanceOf(SaverCrashedError);
    expect(gateClosed).toHaveBeenCalledOnce();
  });

  it("holds no memory of the buffer any more", async () => {
    const threads = watchThreads();
    const checkpointer = await open({ store: await temporaryFolder(), maxPinnedBytes: 256 });
    const buffer = inlineBuffer({ prioritized: {} });
    addInline(buffer, 64);
    await checkpointer.save({ step: 1, buffer }).durable;
    await threads[0]?.terminate();
    buffer.updatePriorities([buffer.rowRange().from], [2]);
    addInline(buffer, 500);
    await checkpointer.save({ step: 2, buffer }).durable;
    const copy = inlineBuffer({ prioritized: {} });
    await checkpointer.restore({ buffer: copy });
    expect(actionsOf(copy)).toEqual(numbersFrom(500, 564));
  });
});

it("is held back from zstd before it is ended by close()", async () => {
  const gateClosed = vi.spyOn(EndGate.prototype, "close");
  onTestFinished(() => gateClosed.mockRestore());
  const checkpointer = await open({ store: observedStore().store });
  await checkpointer.save({ step: 1, state: Int32Array.of(1) }).committed;
  expect(gateClosed).not.toHaveBeenCalled();
  await checkpointer.close();
  expect(gateClosed).toHaveBeenCalledOnce();
});

describe("memory of the state", () => {
  it("saves tensors whose owner forgets them before their turn comes", async () => {
    const { store, faulty } = observedStore();
    const checkpointer = await open({ store, onBacklog: "queue" });
    faulty.faults.add({ kind: "stall", method: "put", name: /varve/ });
    const saves = Array.from({ length: 5 }, (_, step) => {
      const weights = allocateShared("float64", 1000);
      weights.fill(step);
      return checkpointer.save({ step, state: { weights: frozen(weights) } });
    });
    for (let round = 0; round < 20; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    faulty.faults.release();
    for (const [step, save] of saves.entries()) {
      await save.committed;
      const restored = await checkpointer.restore({ step });
      expect(restored?.state.weights).toEqual(new Float64Array(1000).fill(step));
    }
  });

  it("takes more saves than it has arenas, in a loop that does not yield", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store, onBacklog: "queue" });
    const saves = Array.from({ length: 70 }, (_, step) => checkpointer.save({ step, state: Int32Array.of(step, 1) }));
    await saves.at(-1)?.committed;
    expect(checkpointer.status()).toMatchObject({ completed: 70, failed: 0 });
    expect((await checkpointer.restore({ step: 69 }))?.state).toEqual(Int32Array.of(69, 1));
    expect((await checkpointer.restore({ step: 3 }))?.state).toEqual(Int32Array.of(3, 1));
  });
});
