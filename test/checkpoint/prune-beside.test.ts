import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { FencedError, type Store, stateHash } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { addInline, inlineBuffer, namesIn, observedStore, open, temporaryFolder } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
/** Stands for a run whose packs are older than the grace period. */
const NO_GRACE = { gracePeriodMs: 0 };

const weights = (value: number): Float64Array => new Float64Array(100).fill(value);

/** A run of two checkpoints without a row in common, whose retention is about to delete the first. */
async function aboutToDelete() {
  const { store, faulty, inner } = observedStore();
  const checkpointer = await open({ store, keepLast: 1 });
  const buffer = inlineBuffer();
  addInline(buffer, 64);
  await checkpointer.save({ step: 1, buffer, state: weights(1) }).committed;
  addInline(buffer, 64);
  faulty.faults.add({ kind: "stall", method: "delete", name: /^checkpoints/, ...forEver });
  await checkpointer.save({ step: 2, buffer, state: weights(2) }).committed;
  while (faulty.faults.injected.stall < 1) await sleep(5);
  return { checkpointer, buffer, inner, goOn: () => faulty.faults.release() };
}

describe("rule 10: a prune takes nothing that anyone needs", () => {
  it("nor the last checkpoint that can be read, where a disk damaged the one that was just committed", async () => {
    const inner = createMemoryStore();
    const second = /^checkpoints\/\d+-0+2\.json$/;
    const put: Store["put"] = (name, bytes, options) =>
      inner.put(name, second.test(name) ? bytes.subarray(0, bytes.length / 2) : bytes, options);
    const store = new Proxy(inner, {
      get: (target, name) => {
        const value: unknown = name === "put" ? put : Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const warnings: string[] = [];
    const log = (event: { kind: string; message?: string }) =>
      event.kind === "warning" && warnings.push(`${event.message}`);
    const checkpointer = await open({ store, keepLast: 1, ...NO_GRACE, log });
    const buffer = inlineBuffer();
    for (const step of [1, 2]) {
      addInline(buffer, 64);
      await checkpointer.save({ step, buffer, state: weights(step) }).committed;
    }
    await checkpointer.close();
    expect(warnings).toEqual([expect.stringContaining("old checkpoints were not removed")]);
    const reader = await open({ store: inner });
    expect((await reader.restore({ buffer: inlineBuffer() }))?.step).toBe(1);
  });

  it("nor packs of an earlier process that hold a buffer which the newest save left out", async () => {
    const { store } = observedStore();
    const settings = { store, keepLast: 1, ...NO_GRACE };
    const first = await open(settings);
    const [main, demos] = [inlineBuffer(), inlineBuffer()];
    addInline(main, 20);
    addInline(demos, 30);
    await first.save({ step: 1, buffer: { main, demos } }).committed;
    await first.close();

    const second = await open(settings);
    const again = { main: inlineBuffer(), demos: inlineBuffer() };
    await second.restore({ buffer: again });
    for (const step of [2, 3]) {
      addInline(again.main, 5);
      await second.save({ step, buffer: { main: again.main } }).committed;
    }
    await second.save({ step: 4, buffer: again }).committed;
    const copy = { main: inlineBuffer(), demos: inlineBuffer() };
    expect((await second.restore({ buffer: copy }))?.step).toBe(4);
    expect(stateHash({ buffer: copy.demos })).toBe(stateHash({ buffer: demos }));
    expect((await second.verify({ readData: true })).isIntact).toBe(true);
  });

  it("what another process pruned between a restore and the first save is stored again", async () => {
    const { store } = observedStore();
    const first = await open({ store });
    const buffer = inlineBuffer();
    for (const step of [1, 2]) {
      addInline(buffer, 64);
      await first.save({ step, buffer, state: weights(step) }).committed;
    }
    await first.close();

    const warnings: string[] = [];
    const trainer = await open({ store, log: (event) => event.kind === "warning" && warnings.push(event.message) });
    const own = inlineBuffer();
    await trainer.restore({ step: 1, buffer: own });
    const pruner = await open({ store, keepLast: 1, ...NO_GRACE });
    expect((await pruner.prune()).checkpoints).toHaveLength(1);
    await pruner.close();
    addInline(own, 5);
    await trainer.save({ step: 3, buffer: own, state: weights(1) }).committed;
    expect(warnings).toEqual([expect.stringContaining("is not there any more since it was restored")]);
    const copy = inlineBuffer();
    const restored = await trainer.restore({ buffer: copy });
    expect([restored?.step, restored?.state]).toEqual([3, weights(1)]);
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer: own }));
  });

  it("nor a checkpoint that is restored while it is about to be deleted", async () => {
    const { checkpointer, buffer, goOn } = await aboutToDelete();
    expect((await checkpointer.restore({ step: 1, buffer, overwrite: true }))?.step).toBe(1);
    goOn();
    await sleep(50);
    addInline(buffer, 5);
    await checkpointer.save({ step: 3, buffer, state: weights(1) }).committed;
    const copy = inlineBuffer();
    expect((await checkpointer.restore({ buffer: copy }))?.step).toBe(3);
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });

  it("a pin that is acknowledged holds, and one that comes too late is refused", async () => {
    const { checkpointer, inner, goOn } = await aboutToDelete();
    const pinned = checkpointer.pin(1).then(
      () => true,
      (error: { readonly code: string }) => error.code,
    );
    await sleep(50);
    goOn();
    const steps = async (): Promise<number[]> => (await checkpointer.list()).map(({ step }) => step);
    const isPinned = await pinned;
    await expect.poll(steps).toEqual(isPinned === true ? [1, 2] : [2]);
    expect(isPinned === true || isPinned === "VARVE_CHECKPOINT_NOT_FOUND").toBe(true);
    expect(await namesIn(inner, "pins/")).toHaveLength(isPinned === true ? 1 : 0);
  });
});

describe("rule 8: two that resumed one run", () => {
  it("sends what descends from a checkpoint that the older one made after the newer one had opened the run", async () => {
    const { store } = observedStore();
    const older = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    await older.save({ step: 1, buffer }).committed;
    const newer = await open({ store, local: await temporaryFolder() });
    addInline(buffer, 10);
    await older.save({ step: 2, buffer }).committed;
    const own = inlineBuffer();
    expect((await newer.restore({ buffer: own }))?.step).toBe(2);
    addInline(own, 5);
    // Its packs of before are in the store alone.
    expect((await newer.save({ step: 3, buffer: own }).committed).step).toBe(3);
    const reader = await open({ store, readOnly: true });
    const copy = inlineBuffer();
    expect((await reader.restore({ buffer: copy }))?.step).toBe(3);
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer: own }));
  });

  it.each([false, true])("fences the older one, also where a restore of it has failed since: %s", async (hasTried) => {
    const { store } = observedStore();
    const first = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    await first.save({ step: 1, buffer }).committed;
    await first.close();
    const [older, newer] = [await open({ store }), await open({ store })];
    const [ofOlder, ofNewer] = [inlineBuffer(), inlineBuffer()];
    await older.restore({ buffer: ofOlder });
    await newer.restore({ buffer: ofNewer });
    addInline(ofNewer, 5);
    await newer.save({ step: 2, buffer: ofNewer }).committed;
    if (hasTried)
      await expect(older.restore({ step: 99 })).rejects.toMatchObject({ code: "VARVE_CHECKPOINT_NOT_FOUND" });
    addInline(ofOlder, 3);
    await expect(older.save({ step: 3, buffer: ofOlder }).committed).rejects.toBeInstanceOf(FencedError);
  });
});
