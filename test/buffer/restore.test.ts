import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import { arrayConstructors } from "../../src/schema/dtype.ts";
import type { Column, LogLayout } from "../../src/schema/log-layout.ts";
import { type AnyStore, restoreInto, saveNow } from "./saver-double.ts";
import { addMoments, windowAt, windowStore } from "./small-buffers.ts";

function addFor(store: ReturnType<typeof windowStore>, env: number, at: number, ends = false): void {
  store.add(
    {
      observation: windowAt([at, at + 1, at + 2]),
      nextObservation: windowAt([at + 1, at + 2, at + 3]),
      action: at,
      reward: at,
      terminated: false,
      truncated: ends,
    },
    { env },
  );
}

describe("a restored buffer", () => {
  it("goes on exactly as the saved one: same samples, same weights, same priorities", () => {
    const saved = windowStore({ prioritized: { alpha: 0.7 } });
    addMoments(saved, 0, 33);
    const { indices } = saved.sample(8);
    saved.updatePriorities(
      indices,
      indices.map((row) => row / 3),
    );
    const restored = windowStore({ prioritized: { alpha: 0.7 }, seed: 999, internal: { blockBytes: 4000 } });
    restoreInto(restored, saveNow(saved));
    for (const store of [saved, restored]) addMoments(store, 60, 9);
    const batches = [saved, restored].map((store) => [store.sample(16), store.sample(5, { replace: false })]);
    expect(batches[1]).toEqual(batches[0]);
    expect(restored.readLeaves(22, 42)).toEqual(saved.readLeaves(22, 42));
    expect(restored.meta()).toEqual(saved.meta());
  });

  it("shares frames with what is added after, as if it had never been away", () => {
    const saved = windowStore({ capacity: 50 });
    addMoments(saved, 0, 30);
    const restored = windowStore({ capacity: 50 });
    restoreInto(restored, saveNow(saved));
    expect(restored.stats().uniqueFrames).toBe(33);
    addMoments(restored, 10, 15);
    expect(restored.stats().uniqueFrames).toBe(33);
    addMoments(restored, 25, 10);
    expect(restored.stats().uniqueFrames).toBe(38);
  });

  it("keeps absolute row numbers and the newest rows where its capacity is smaller", () => {
    const saved = windowStore({ capacity: 20 });
    addMoments(saved, 0, 30);
    const restored = windowStore({ capacity: 6 });
    restoreInto(restored, saveNow(saved));
    expect(restored.rowRange()).toEqual({ from: 24, to: 30 });
    expect([restored.size, restored.isFull, restored.totalAdded]).toEqual([6, true, 30]);
    expect([...restored.readRows(24, 30).action]).toEqual([24, 25, 26, 27, 28, 29]);
    // Rows 24..29 see moments 24..32; frames come in blocks of 15, so [15, 30) is the first to stay.
    expect(restored.stats().uniqueFrames).toBe(33 - 15);
  });

  it("has room for more rows where its capacity is larger", () => {
    const saved = windowStore({ capacity: 5 });
    addMoments(saved, 0, 12);
    const restored = windowStore({ capacity: 20 });
    restoreInto(restored, saveNow(saved));
    addMoments(restored, 12, 10);
    expect(restored.rowRange()).toEqual({ from: 7, to: 22 });
  });

  it("knows which episodes go on, also of envs whose rows have all left", () => {
    const saved = windowStore({ capacity: 3 });
    addFor(saved, 9, 0);
    addFor(saved, 8, 0, true);
    for (let i = 0; i < 3; i++) addFor(saved, 2, i);
    const restored = windowStore({ capacity: 10 });
    restoreInto(restored, saveNow(saved));
    for (const env of [9, 8, 2, 7]) addFor(restored, env, 5);
    expect([...restored.readRows(5, 9).episodeStart]).toEqual([0, 1, 0, 1]);
  });

  it("can be empty", () => {
    const restored = windowStore();
    addMoments(restored, 0, 5);
    restoreInto(restored, saveNow(windowStore()));
    expect([restored.size, restored.totalAdded]).toEqual([0, 0]);
    addMoments(restored, 0, 5);
    expect(restored.size).toBe(5);
  });

  it("has a new incarnation", () => {
    const restored = windowStore({
      newId: (() => {
        let n = 0;
        return () => `id ${(n += 1)}`;
      })(),
    });
    restoreInto(restored, saveNow(windowStore()));
    expect(restored.describe().incarnation).toBe("id 2");
  });
});

describe("a restore", () => {
  it("leaves the buffer closed until it is finished", () => {
    const store: AnyStore = windowStore();
    addMoments(store, 0, 5);
    store.beginRestore([
      { tail: 3, head: 8 },
      { tail: 0, head: 9 },
      { tail: 0, head: 10 },
    ]);
    expect(store.size).toBe(0);
    for (const act of [() => store.sample(1), () => addMoments(store, 0, 1), () => saveNow(store)]) {
      expect(act).toThrow(expect.objectContaining({ code: "VARVE_CLOSED" }));
    }
    store.clear();
    addMoments(store, 0, 5);
    expect(store.size).toBe(5);
  });

  it("gives memory for exactly the segments that the rows touch", () => {
    const store: AnyStore = windowStore();
    const targets = store.beginRestore([
      { tail: 3, head: 8 },
      { tail: 7, head: 11 },
      { tail: 6, head: 16 },
    ]);
    // In 120 bytes there is room for 5 rows of 21 bytes, and for 15 frames and slices of 8.
    const rows = store.describe().logs.map(({ rowsPerBlock }) => rowsPerBlock);
    expect(rows).toEqual([5, 15, 15]);
    expect(targets.map(({ segments }) => segments.map(({ segment }) => segment))).toEqual([[0, 1], [0], [0, 1]]);
  });

  const slice = (start: number, count: number, step = 1) => ({ start, count, step });

  it.each([
    ["a frame behind the newest", [slice(0, 3), slice(1, 3)], [0, 1]],
    ["a frame that a step leads to behind the newest", [slice(0, 3), slice(0, 3, 2)], [0, 1]],
    ["a frame that a step leads to before the oldest", [slice(0, 3), slice(1, 3, -1)], [0, 1]],
    ["a frame before the oldest", [slice(0, 3), slice(2 ** 32 - 1, 3)], [0, 1]],
    ["a slice behind the newest", [slice(0, 3), slice(0, 2)], [0, 1]],
    ["a slice before the oldest", [slice(0, 3), slice(0, 3)], [0, 2 ** 32 - 1]],
    ["a slice of no frame", [slice(0, 3), slice(0, 0)], [0, 1]],
    ["slices that are longer than a window", [slice(0, 3), slice(0, 2), slice(0, 2)], [0, 1]],
    ["slices of an earlier observation", [slice(0, 3), slice(0, 3)], [0, 0]],
  ])("refuses a row that names %s, and leaves the buffer empty", (_what, slices, firsts) => {
    const store: AnyStore = windowStore();
    const bounds = [1, 3, slices.length].map((head) => ({ tail: 0, head }));
    const targets = store.beginRestore(bounds);
    const put = (log: number, name: string, values: readonly number[]): void => {
      const layout = store.describe().logs[log] as LogLayout;
      const { dtype, offset } = layout.columns.find((column) => column.name === name) as Column;
      const memory = targets[log]?.segments[0]?.memory as SharedArrayBuffer;
      new arrayConstructors[dtype as "int16"](memory, offset, values.length).set(values);
    };
    for (const name of ["start", "count", "step"] as const)
      put(
        2,
        name,
        slices.map((values) => values[name]),
      );
    put(0, "slices.observation", [firsts[0] as number]);
    put(0, "slices.nextObservation", [firsts[1] as number]);
    const meta = windowStore().meta();
    expect(() => store.finishRestore(meta, null)).toThrow(expect.objectContaining({ code: "VARVE_CORRUPT" }));
    expect(store.size).toBe(0);
    addMoments(store, 0, 4);
    expect(store.size).toBe(4);
  });

  it.each([
    ["a leaf that is NaN", Float64Array.of(1, Number.NaN), {}, "VARVE_CORRUPT"],
    ["a leaf of 0", Float64Array.of(0, 1), {}, "VARVE_CORRUPT"],
    ["too few leaves", Float64Array.of(1), {}, "VARVE_INVALID_ARGUMENT"],
    ["no leaves", null, {}, "VARVE_INVALID_ARGUMENT"],
    ["no largest priority", Float64Array.of(1, 1), { maxPriority: null }, "VARVE_CORRUPT"],
    ["an env that cannot be", Float64Array.of(1, 1), { openEnvs: [70_000] }, "VARVE_CORRUPT"],
  ])("refuses %s", (_what, leaves, meta, code) => {
    const fields = { observation: { dtype: "float32", shape: [1] }, action: { dtype: "int32", shape: [] } } as const;
    const store = new TransitionStore({ capacity: 4, fields, prioritized: {} });
    store.beginRestore([{ tail: 0, head: 2 }]);
    const good = new TransitionStore({ capacity: 4, fields, prioritized: {} }).meta();
    expect(() => store.finishRestore({ ...good, ...meta }, leaves)).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    [
      "more rows than the capacity",
      [
        { tail: 0, head: 21 },
        { tail: 0, head: 5 },
        { tail: 0, head: 5 },
      ],
    ],
    [
      "rows that end before they begin",
      [
        { tail: 5, head: 4 },
        { tail: 0, head: 5 },
        { tail: 0, head: 5 },
      ],
    ],
    [
      "a fraction of a row",
      [
        { tail: 0.5, head: 4 },
        { tail: 0, head: 5 },
        { tail: 0, head: 5 },
      ],
    ],
    [
      "more frames than there are ids",
      [
        { tail: 0, head: 4 },
        { tail: 0, head: 2 ** 32 },
        { tail: 0, head: 5 },
      ],
    ],
    [
      "more slices than there are numbers",
      [
        { tail: 0, head: 4 },
        { tail: 0, head: 5 },
        { tail: 0, head: 2 ** 32 },
      ],
    ],
    ["bounds of too few logs", [{ tail: 0, head: 4 }]],
  ])("refuses %s, and keeps what the buffer holds", (_what, bounds) => {
    const store = windowStore();
    addMoments(store, 0, 5);
    expect(() => store.beginRestore(bounds)).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }));
    expect(store.size).toBe(5);
  });
});
