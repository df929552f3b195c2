import { describe, expect, it } from "vitest";
import { allocateShared, FieldMismatchError, frozen, ReplayBuffer, StoreError, stateHash } from "../../src/index.ts";
import {
  actionsOf,
  addInline,
  addWindows,
  inlineBuffer,
  inlineFields,
  numbersFrom,
  observedStore,
  open,
  requestsSince,
  windowBuffer,
} from "./support.ts";

describe("restoring a state", () => {
  it("gives back every kind of value", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const state = {
      numbers: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 1e-320, 2 ** 53],
      bigint: -(10n ** 40n),
      text: 'ü\u{1F600}\0"\ud800',
      nothing: null,
      flags: [true, false],
      empty: { list: [], object: {}, text: "" },
      $tensor: 5,
      $$number: { $bigint: "not one" },
      arrays: {
        float32: Float32Array.of(1.5, Number.NaN, -0),
        float64: Float64Array.of(Math.PI),
        int8: Int8Array.of(-1),
        int16: Int16Array.of(-2),
        int32: Int32Array.of(-3),
        int64: BigInt64Array.of(-4n),
        uint8: Uint8Array.of(255),
        uint16: Uint16Array.of(65_535),
        uint32: Uint32Array.of(2 ** 32 - 1),
        uint64: BigUint64Array.of(2n ** 64n - 1n),
        none: new Float32Array(0),
        view: Float32Array.from({ length: 10 }, (_, i) => i).subarray(3, 5),
        frozen: frozen(allocateShared("int32", 3).fill(7)),
        frozenAndEmpty: frozen(allocateShared("float64", 0)),
      },
    };
    await checkpointer.save({ step: 1, state }).committed;
    const restored = await checkpointer.restore();
    expect(restored?.state).toEqual({
      ...state,
      arrays: { ...state.arrays, frozen: Int32Array.of(7, 7, 7), frozenAndEmpty: new Float64Array(0) },
    });
    expect(Object.is(restored?.state.numbers[3], -0)).toBe(true);
    expect(Object.is(restored?.state.arrays.float32[2], -0)).toBe(true);
  });

  it("gives back a state of nothing but an empty array, and none where none was given", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    await checkpointer.save({ step: 1, state: { a: new Uint8Array(0) } }).committed;
    await checkpointer.save({ step: 2, metrics: { loss: 0.5, bad: Number.NaN } }).committed;
    expect((await checkpointer.restore({ step: 1 }))?.state).toEqual({ a: new Uint8Array(0) });
    expect(await checkpointer.restore()).toEqual({
      step: 2,
      sequence: 2,
      state: null,
      metrics: { loss: 0.5, bad: Number.NaN },
      skipped: [],
    });
  });

  it("gives back arrays that are stored in several parts", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const large = Float64Array.from({ length: 2_200_000 }, (_, i) => i % 1000);
    const state = { large, also: { larger: new Uint8Array(8 * 1024 * 1024 + 1).fill(3) } };
    await checkpointer.save({ step: 1, state }).committed;
    large[2_199_999] = -1;
    await checkpointer.save({ step: 2, state }).committed;
    const restored = await checkpointer.restore();
    expect(Buffer.compare(Buffer.from(restored?.state.large.buffer), Buffer.from(large.buffer))).toBe(0);
    expect(restored?.state.also.larger).toHaveLength(8 * 1024 * 1024 + 1);
    expect((await checkpointer.verify({ readData: true })).isIntact).toBe(true);
  });

  it("refuses what it cannot save, naming its path, before anything is saved", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const unsupported: [state: unknown, path: string][] = [
      [{ agents: [{ act: () => 1 }] }, "state.agents[0].act"],
      [{ a: { b: undefined } }, "state.a.b"],
      [{ list: Array.from({ length: 2 }) }, "state.list[0]"],
      [{ map: new Map() }, "state.map"],
      [{ pixels: new Uint8ClampedArray(1) }, "state.pixels"],
    ];
    for (const [state, path] of unsupported) {
      const error = { code: "VARVE_UNSUPPORTED_STATE", path };
      expect(() => checkpointer.save({ step: 1, state })).toThrow(expect.objectContaining(error));
    }
    // Names that every object has already.
    for (const request of [{ buffer: { constructor: inlineBuffer() } }, { metrics: { valueOf: 1 } }]) {
      const save = (): unknown => checkpointer.save({ step: 1, ...(request as object) });
      expect(save).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }));
    }
    expect(checkpointer.status().pending).toBe(0);
    expect((await checkpointer.save({ step: 1, state: {} }).committed).sequence).toBe(1);
  });
});

describe("restoring a buffer", () => {
  it("takes the newest checkpoint, a step, or a sequence", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer();
    const hashes: string[] = [];
    for (let step = 10; step <= 30; step += 10) {
      addInline(buffer, 25);
      hashes.push(stateHash({ buffer }));
      await checkpointer.save({ step, buffer }).committed;
    }
    const copy = inlineBuffer();
    for (const [options, index] of [
      [{}, 2],
      [{ step: 10 }, 0],
      [{ sequence: 2 }, 1],
    ] as const) {
      const restored = await checkpointer.restore({ ...options, buffer: copy, overwrite: true });
      expect(restored).toMatchObject({ step: 10 * (index + 1), sequence: index + 1 });
      expect(stateHash({ buffer: copy })).toBe(hashes[index]);
    }
    await expect(checkpointer.restore({ step: 15 })).rejects.toMatchObject({
      code: "VARVE_CHECKPOINT_NOT_FOUND",
      message:
        "No checkpoint with step 15; there are: step 10 (sequence 1), step 20 (sequence 2), step 30 (sequence 3)",
    });
    await expect(checkpointer.restore({ sequence: 9 })).rejects.toMatchObject({ code: "VARVE_CHECKPOINT_NOT_FOUND" });
    await expect(checkpointer.restore({ step: -1 })).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
  });

  it("gives null for an empty run, and changes nothing", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer();
    expect(await checkpointer.restore({ buffer })).toBeNull();
    expect(await checkpointer.latestStep()).toBeNull();
    expect(store.operations.filter(({ method }) => method === "put" || method === "delete")).toEqual([]);
  });

  it("takes the newest rows where the capacity is smaller, priorities included", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const inline = inlineBuffer({ prioritized: {} });
    const windows = windowBuffer();
    addInline(inline, 150);
    addWindows(windows, 150);
    inline.updatePriorities(numbersFrom(86, 150), numbersFrom(86, 150));
    await checkpointer.save({ step: 1, buffer: { inline, windows } }).committed;
    const copies = { inline: inlineBuffer({ capacity: 20, prioritized: {} }), windows: windowBuffer({ capacity: 20 }) };
    await checkpointer.restore({ buffer: copies });
    expect(actionsOf(copies.inline)).toEqual(numbersFrom(130, 150));
    expect(copies.inline.readLeaves(130, 150)).toEqual(inline.readLeaves(130, 150));
    expect(copies.windows.readRows(130, 150)).toEqual(windows.readRows(130, 150));
    const larger = inlineBuffer({ capacity: 100, prioritized: {} });
    await checkpointer.restore({ buffer: { inline: larger } });
    addInline(larger, 36);
    expect(actionsOf(larger)).toEqual(numbersFrom(86, 186));
  });

  it("refuses a buffer that is not empty, unless it may be overwritten", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    await checkpointer.save({ step: 1, buffer }).committed;
    addInline(buffer, 5);
    await expect(checkpointer.restore({ buffer })).rejects.toMatchObject({ code: "VARVE_BUFFER_NOT_EMPTY" });
    expect(actionsOf(buffer)).toEqual(numbersFrom(0, 15));
    await checkpointer.restore({ buffer, overwrite: true });
    expect(actionsOf(buffer)).toEqual(numbersFrom(0, 10));
  });

  it("names what is different in the declarations, and changes nothing", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ prioritized: { alpha: 0.6 } });
    addInline(buffer, 10);
    await checkpointer.save({ step: 1, buffer }).committed;
    const other = new ReplayBuffer({
      capacity: 64,
      fields: { ...inlineFields, observation: { dtype: "float64", shape: [4] } },
    });
    await expect(checkpointer.restore({ buffer: other })).rejects.toSatisfy((error: FieldMismatchError) => {
      const differences = error.differences.join("; ");
      return (
        error instanceof FieldMismatchError &&
        /float32.*float64/.test(differences) &&
        /\[3\].*\[4\]/.test(differences) &&
        /prioritized/.test(differences)
      );
    });
    const alpha = inlineBuffer({ prioritized: { alpha: 0.7 } });
    await expect(checkpointer.restore({ buffer: alpha })).rejects.toMatchObject({
      differences: ["prioritized.alpha is 0.6, the buffer has 0.7"],
    });
    await expect(checkpointer.restore({ buffer: { other: buffer }, overwrite: true })).rejects.toThrow(
      'Expected `buffer` to be one of the buffers of checkpoint 1 (default), got "other"',
    );
    await checkpointer.save({ step: 2, state: {} }).committed;
    await expect(checkpointer.restore({ buffer, overwrite: true })).rejects.toThrow("of checkpoint 2 (none), got");
    expect(actionsOf(buffer)).toEqual(numbersFrom(0, 10));
  });

  it("saves and restores buffers that are empty or were cleared", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = windowBuffer({ prioritized: {} });
    await checkpointer.save({ step: 1, buffer }).committed;
    addWindows(buffer, 40);
    await checkpointer.save({ step: 2, buffer }).committed;
    buffer.clear();
    await checkpointer.save({ step: 3, buffer }).committed;
    addWindows(buffer, 3);
    await checkpointer.save({ step: 4, buffer }).committed;
    for (const [step, rows] of [
      [1, []],
      [2, numbersFrom(0, 40)],
      [3, []],
      [4, [40, 41, 42]],
    ] as const) {
      const copy = windowBuffer({ prioritized: {} });
      await checkpointer.restore({ step, buffer: copy });
      expect(actionsOf(copy)).toEqual(rows);
    }
  });

  it("fetches no packs of buffers where none is given", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ prioritized: {} });
    addInline(buffer, 60);
    await checkpointer.save({ step: 1, buffer, state: { weights: new Float32Array(10) } }).committed;
    const place = store.length;
    await checkpointer.restore();
    expect(requestsSince(store, place).filter((line) => line === "get packs/")).toHaveLength(1);
  });

  it("tells its progress and can be cancelled", async () => {
    const { store, faulty } = observedStore();
    const checkpointer = await open({ store });
    const buffer = windowBuffer();
    addWindows(buffer, 60);
    await checkpointer.save({ step: 1, buffer }).committed;
    const copy = windowBuffer();
    const progress: [number, number][] = [];
    await checkpointer.restore({
      buffer: copy,
      onProgress: ({ bytesDone, bytesTotal }) => progress.push([bytesDone, bytesTotal]),
    });
    expect(progress.at(-1)?.[0]).toBe(progress.at(-1)?.[1]);
    expect(progress.length).toBeGreaterThan(1);
    const controller = new AbortController();
    faulty.faults.add({ kind: "stall", method: "get", name: /^packs/, times: Number.POSITIVE_INFINITY });
    const cancelled = checkpointer.restore({ buffer: copy, overwrite: true, signal: controller.signal });
    while (faulty.faults.injected.stall === 0) await new Promise(setImmediate);
    controller.abort(new Error("never mind"));
    await expect(cancelled).rejects.toMatchObject({ code: "VARVE_STORE", kind: "aborted" });
    expect(copy.size).toBe(60);
    faulty.faults.release();
    const opening = new AbortController();
    faulty.faults.add({ kind: "stall", method: "get" });
    const opened = open({ store, signal: opening.signal });
    while (faulty.faults.injected.stall < 2) await new Promise(setImmediate);
    opening.abort();
    await expect(opened).rejects.toBeInstanceOf(StoreError);
  });

  it("sees what was saved before, also what is not committed yet", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store, onBacklog: "queue" });
    for (let step = 1; step <= 5; step++) checkpointer.save({ step, state: step });
    expect((await checkpointer.restore())?.state).toBe(5);
    await checkpointer.save({ step: 6 }).committed;
    expect((await checkpointer.list()).map(({ parent }) => parent?.slice(-6, -5) ?? null)).toEqual([
      null,
      "1",
      "2",
      "3",
      "4",
      "5",
    ]);
  });
});

describe("branches", () => {
  it("rule 4: rows of an abandoned future are never used again", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ capacity: 100 });
    addInline(buffer, 31);
    await checkpointer.save({ step: 1, buffer }).committed;
    addInline(buffer, 31);
    await checkpointer.save({ step: 2, buffer }).committed;
    // Full blocks of these are shipped ahead, into a pack that stays open.
    addInline(buffer, 25);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await checkpointer.restore({ step: 1, buffer, overwrite: true });
    for (let row = 31; row < 80; row++) {
      const values = Float32Array.of(-row, 0, 0);
      buffer.add({
        observation: values,
        action: -row,
        reward: 0,
        nextObservation: values,
        terminated: false,
        truncated: false,
      });
    }
    await checkpointer.save({ step: 2, buffer, state: "branch" }).committed;
    const copy = inlineBuffer({ capacity: 100 });
    const restored = await checkpointer.restore({ step: 2, buffer: copy });
    expect(restored).toMatchObject({ sequence: 3, state: "branch" });
    expect(actionsOf(copy)).toEqual([...numbersFrom(0, 31), ...numbersFrom(31, 80).map((row) => -row)]);
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
    const [, , branch] = await checkpointer.list();
    expect(branch?.parent).toBe("checkpoints/00000001-000000000001.json");
    // Of a step that both branches have, the sequence says which.
    await checkpointer.restore({ step: 2, sequence: 2, buffer: copy, overwrite: true });
    expect(actionsOf(copy)).toEqual(numbersFrom(0, 62));
  });

  it("rule 9: goes on with a sequence higher than any seen when it restored", async () => {
    const { store } = observedStore();
    const late = await open({ store });
    const first = await open({ store });
    for (let step = 1; step <= 3; step++) await first.save({ step }).committed;
    await first.close();
    await late.restore({ step: 1 });
    expect((await late.save({ step: 2 }).committed).sequence).toBe(4);
  });
});
