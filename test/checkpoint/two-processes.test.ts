import { describe, expect, it } from "vitest";
import { FencedError, StoreError, stateHash } from "../../src/index.ts";
import { addInline, inlineBuffer, observedStore, open, temporaryFolder } from "./support.ts";

const denied = (): StoreError => new StoreError("permission", "put", "pins", "denied");
const NO_GRACE = { gracePeriodMs: 0 };
const weights = (value: number): Float64Array => new Float64Array(100).fill(value);

async function resumedTwice() {
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
  addInline(ofOlder, 3);
  return { older, ofOlder };
}

/** Two processes resumed one run, and the newer one has saved. */
describe("rule 8: a writer that was replaced", () => {
  it("is fenced, also after a look by describe()", async () => {
    const { older, ofOlder } = await resumedTwice();
    await older.describe({});
    await expect(older.save({ step: 3, buffer: ofOlder }).committed).rejects.toBeInstanceOf(FencedError);
  });
  it("is fenced, also after a look by openCheckpoint()", async () => {
    const { older, ofOlder } = await resumedTwice();
    await older.openCheckpoint({});
    await expect(older.save({ step: 3, buffer: ofOlder }).committed).rejects.toBeInstanceOf(FencedError);
  });
});

describe("what another process prunes between a restore and the first save", () => {
  it("is saved again, of each of two checkpoints that were restored", async () => {
    const { store } = observedStore();
    const first = await open({ store });
    const [a, b] = [inlineBuffer(), inlineBuffer()];
    addInline(a, 64);
    addInline(b, 20);
    await first.save({ step: 1, buffer: { a, b } }).committed;
    addInline(a, 64);
    addInline(b, 3);
    await first.save({ step: 2, buffer: { a, b } }).committed;
    await first.close();
    const trainer = await open({ store });
    const [ownA, ownB] = [inlineBuffer(), inlineBuffer()];
    await trainer.restore({ step: 1, buffer: { a: ownA } });
    await trainer.restore({ step: 2, buffer: { b: ownB } });
    const pruner = await open({ store, keepLast: 1, ...NO_GRACE });
    expect((await pruner.prune()).checkpoints).toHaveLength(1);
    await pruner.close();
    addInline(ownA, 5);
    await trainer.save({ step: 3, buffer: { a: ownA, b: ownB } }).committed;
    expect((await trainer.verify({ readData: true })).isIntact).toBe(true);
    const copy = { a: inlineBuffer(), b: inlineBuffer() };
    expect((await trainer.restore({ buffer: copy }))?.step).toBe(3);
    expect(stateHash({ buffer: copy.a })).toBe(stateHash({ buffer: ownA }));
  });

  it("is sent again, where it was the run's store alone that lost it", async () => {
    const { store } = observedStore();
    const local = await temporaryFolder();
    const first = await open({ store, local });
    const buffer = inlineBuffer();
    for (const step of [1, 2]) {
      addInline(buffer, 64);
      await first.save({ step, buffer, state: weights(step) }).committed;
    }
    await first.close();
    const trainer = await open({ store, local });
    const own = inlineBuffer();
    await trainer.restore({ step: 1, buffer: own });
    const pruner = await open({ store, keepLast: 1, ...NO_GRACE });
    expect((await pruner.prune()).checkpoints).toHaveLength(1);
    await pruner.close();
    addInline(own, 5);
    await trainer.save({ step: 3, buffer: own, state: weights(1) }).committed;
    await trainer.close();
    const reader = await open({ store, readOnly: true });
    expect((await reader.verify({ readData: true })).isIntact).toBe(true);
    const copy = inlineBuffer();
    expect((await reader.restore({ buffer: copy }))?.step).toBe(3);
  });
});

describe("pins", () => {
  it("end where another process unpins", async () => {
    const { store } = observedStore();
    const trainer = await open({ store, keepLast: 1 });
    await trainer.save({ step: 1, state: weights(1) }).committed;
    await trainer.pin(1);
    await trainer.save({ step: 2, state: weights(2) }).committed;
    const other = await open({ store });
    await other.unpin(1);
    await other.close();
    for (const step of [3, 4]) await trainer.save({ step, state: weights(step) }).committed;
    await trainer.close();
    const reader = await open({ store, readOnly: true });
    expect((await reader.list()).map(({ step, pinned }) => [step, pinned])).toEqual([[4, false]]);
  });
  it("that could not be written hold nothing", async () => {
    const { store, faulty } = observedStore();
    const trainer = await open({ store, keepLast: 1 });
    await trainer.save({ step: 1, state: weights(1) }).committed;
    faulty.faults.add({ kind: "reject", method: "put", name: /^pins/, error: denied });
    await expect(trainer.pin(1)).rejects.toThrow();
    for (const step of [3, 4, 5]) await trainer.save({ step, state: weights(step) }).committed;
    await trainer.close();
    const reader = await open({ store, readOnly: true });
    expect((await reader.list()).map(({ step, pinned }) => [step, pinned])).toEqual([[5, false]]);
  });
});
