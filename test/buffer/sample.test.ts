import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import { addMoments, addNumbers, inlineStore, windowStore } from "./small-buffers.ts";

describe("sample()", () => {
  it("returns ordinary arrays of the declared dtypes, row by row", () => {
    const store = windowStore();
    addMoments(store, 0, 5);
    const batch = store.sample(3);
    for (const array of [batch.observation, batch.nextObservation, batch.indices, batch.reward]) {
      expect(array.buffer).toBeInstanceOf(ArrayBuffer);
    }
    expect(Object.keys(batch).toSorted()).toEqual([
      "action",
      "indices",
      "nextObservation",
      "observation",
      "reward",
      "terminated",
      "truncated",
    ]);
    const [row = 0] = batch.indices;
    expect([...batch.observation.slice(0, 6)]).toEqual([row, row + 0.5, row + 1, row + 1.5, row + 2, row + 2.5]);
    expect([...batch.nextObservation.slice(0, 2)]).toEqual([row + 1, row + 1.5]);
    expect([batch.action[0], batch.reward[0], batch.terminated[0]]).toEqual([row, row, 0]);
  });

  it("fills and returns what is passed in as out", () => {
    const store = inlineStore(10, {});
    addNumbers(store, 10);
    const out = store.sample(4);
    const again = store.sample(4, { out });
    expect(again).toBe(out);
    expect([...out.action]).toEqual([...out.indices]);
  });

  it("takes out over shared memory and at any offset of a larger array", () => {
    const store = inlineStore(10);
    addNumbers(store, 10);
    const memory = new SharedArrayBuffer(100);
    const out = { ...store.sample(4), terminated: new Uint8Array(memory, 1, 4), action: new Int32Array(memory, 8, 4) };
    store.sample(4, { out });
    expect([...out.action]).toEqual([...out.indices]);
  });

  it("is decided by the seed alone", () => {
    const draws = [1, 1, 2].map((seed) => {
      const store = windowStore({ seed });
      addMoments(store, 0, 20);
      return [...store.sample(12).indices];
    });
    expect(draws[0]).toEqual(draws[1]);
    expect(draws[0]).not.toEqual(draws[2]);
  });

  it("may draw more rows than there are where rows may come twice", () => {
    const store = inlineStore(10);
    addNumbers(store, 1);
    expect([...store.sample(3).indices]).toEqual([0, 0, 0]);
  });

  it("draws all rows without replacement", () => {
    for (const prioritized of [undefined, { alpha: 1 }]) {
      const store = inlineStore(10, prioritized);
      addNumbers(store, 14);
      const { indices } = store.sample(10, { replace: false });
      expect([...indices].toSorted((a, b) => a - b)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    }
  });
});

describe("addBatch()", () => {
  const fields = {
    observation: { pixels: { dtype: "uint8", shape: [2] }, depth: { dtype: "float32", shape: [] } },
    action: { dtype: "float32", shape: [1] },
  } as const;

  function batchOf(values: readonly number[]) {
    const observed = (from: number) => ({
      pixels: Uint8Array.from(values.flatMap((value) => [value + from, value + from])),
      depth: Float32Array.from(values.map((value) => value + from)),
    });
    return {
      observation: observed(0),
      nextObservation: observed(1),
      action: Float32Array.from(values),
      reward: Float64Array.from(values),
      terminated: values.map((value) => value === 3),
      truncated: new Uint8Array(values.length),
    };
  }

  it("adds one row per env, in order, and leaves out what the mask leaves out", () => {
    const store = new TransitionStore({ capacity: 10, fields });
    store.addBatch(batchOf([1, 2, 3]));
    store.addBatch(batchOf([4, 5, 6]), { mask: [true, true, false] });
    store.addBatch(batchOf([7, 8, 9]), { mask: Uint8Array.of(0, 0, 1), envs: [5, 6, 2] });
    const rows = store.readRows(0, 6);
    expect([...rows.action]).toEqual([1, 2, 3, 4, 5, 9]);
    expect([...rows.env]).toEqual([0, 1, 2, 0, 1, 2]);
    // Row 2 ended env 2's episode; the masked row is not one, so row 5 starts the next.
    expect([...rows.episodeStart]).toEqual([1, 1, 1, 0, 0, 1]);
    expect([...rows.terminated]).toEqual([0, 0, 1, 0, 0, 0]);
    expect([...rows.observation.pixels]).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 9, 9]);
    expect([...rows.nextObservation.depth]).toEqual([2, 3, 4, 5, 6, 10]);
  });
});
