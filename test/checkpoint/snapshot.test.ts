import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Save, stateHash } from "../../src/index.ts";
import { addInline, addWindows, inlineBuffer, observedStore, open, temporaryFolder, windowBuffer } from "./support.ts";

type Step =
  | { readonly kind: "add" | "sample" | "yield"; readonly count: number }
  | { readonly kind: "priorities"; readonly error: number }
  | { readonly kind: "clear" | "save" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), count: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("save" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("priorities" as const),
      error: fc.double({ min: 0, max: 9, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("sample" as const, "yield" as const),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

const runs = fc.array(step, { minLength: 4, maxLength: 25 });

describe("a save holds the instant at which it was asked for", () => {
  it.each(["a store that stalls", "little memory to pin"])(
    "rules 1 and 2: whatever is done afterwards, with %s",
    async (what) => {
      const isSlow = what === "a store that stalls";
      const { store, faulty } = observedStore();
      const checkpointer = await open(
        isSlow
          ? { store, onBacklog: "queue" }
          : { store: await temporaryFolder(), onBacklog: "queue", maxPinnedBytes: 1024 },
      );
      await fc.assert(
        fc.asyncProperty(runs, async (steps) => {
          const buffers = { inline: inlineBuffer({ prioritized: {} }), windows: windowBuffer({ capacity: 40 }) };
          const weights = new Float64Array(50);
          const saves: { save: Save; hash: string }[] = [];
          if (isSlow) faulty.faults.add({ kind: "stall", method: "put" });
          for (const action of steps) {
            if (action.kind === "add") {
              addInline(buffers.inline, action.count);
              addWindows(buffers.windows, action.count);
            }
            if (action.kind === "clear") buffers.inline.clear();
            if (action.kind === "sample" && buffers.inline.size > 0) buffers.inline.sample(action.count);
            if (action.kind === "yield") await new Promise(setImmediate);
            if (action.kind === "priorities" && buffers.inline.size > 0) {
              const { indices } = buffers.inline.sample(8);
              buffers.inline.updatePriorities(indices, new Float64Array(8).fill(action.error));
            }
            if (action.kind !== "save") continue;
            weights.fill(saves.length);
            const state = { weights, list: [saves.length] };
            const hash = stateHash({ buffer: buffers, state });
            saves.push({ save: checkpointer.save({ step: saves.length, buffer: buffers, state }), hash });
            weights.fill(-1);
            state.list.push(-1);
          }
          faulty.faults.release();
          for (const { save, hash } of saves) {
            const { sequence } = await save.committed;
            const copies = { inline: inlineBuffer({ prioritized: {} }), windows: windowBuffer({ capacity: 40 }) };
            const restored = await checkpointer.restore({ sequence, buffer: copies });
            expect(stateHash({ buffer: copies, state: restored?.state })).toBe(hash);
          }
        }),
        { numRuns: 20 },
      );
      expect(checkpointer.status()).toMatchObject({ failed: 0, pending: 0 });
    },
  );
});

describe("stateHash", () => {
  const base = { seed: 7, capacity: 64 };

  it("rule 12: is equal for equal content, whatever blocks, ids and saves lie behind it", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const one = windowBuffer({ ...base, prioritized: {} });
    const other = windowBuffer({ ...base, prioritized: {}, internal: { blockBytes: 100_000, firstFrame: 12_345 } });
    addWindows(one, 100);
    await checkpointer.save({ step: 1, buffer: one }).committed;
    addWindows(one, 60);
    addWindows(other, 160);
    one.updatePriorities([150], [3]);
    other.updatePriorities([150], [3]);
    expect(stateHash({ buffer: one })).toBe(stateHash({ buffer: other }));
    await checkpointer.save({ step: 2, buffer: one, state: { a: 1 } }).committed;
    const copy = windowBuffer({ capacity: 64, seed: 1, prioritized: {} });
    const restored = await checkpointer.restore({ buffer: copy });
    expect(stateHash({ buffer: copy, state: restored?.state })).toBe(stateHash({ buffer: other, state: { a: 1 } }));
    expect(copy.sample(5)).toEqual(other.sample(5));
  });

  it("is another one for every kind of difference", () => {
    const build = (change: (buffer: ReturnType<typeof inlineBuffer>) => void, add = 20): string => {
      const buffer = inlineBuffer({ ...base, prioritized: {} });
      addInline(buffer, add);
      change(buffer);
      return stateHash({ buffer });
    };
    const row = {
      observation: new Float32Array(3),
      action: 1,
      reward: 1,
      nextObservation: new Float32Array(3),
      terminated: false,
      truncated: false,
    };
    const hashes = [
      build(() => undefined),
      build(() => undefined, 21),
      build((buffer) => buffer.sample(1)),
      build((buffer) => buffer.updatePriorities([3], [0.5])),
      build((buffer) => buffer.updatePriorities([3], [0.25])),
      build((buffer) => buffer.clear()),
      ...[
        row,
        { ...row, action: 2 },
        { ...row, reward: 2 },
        { ...row, terminated: true },
        { ...row, truncated: true },
        { ...row, observation: Float32Array.of(0, 0, 1) },
        { ...row, observation: Float32Array.of(0, 0, -0) },
        { ...row, nextObservation: Float32Array.of(0, 0, 1) },
      ].map((added) => build((buffer) => buffer.add(added))),
      build((buffer) => buffer.add(row, { env: 5 })),
      stateHash({ state: { a: 1 } }),
      stateHash({ state: { a: "1" } }),
      stateHash({ state: { a: 1n } }),
      stateHash({ state: { a: -0 } }),
      stateHash({ state: { a: 0 } }),
      stateHash({ state: [1] }),
      stateHash({ state: Float32Array.of(1) }),
      stateHash({ state: Float64Array.of(1) }),
      stateHash({ state: [Float32Array.of(1), Float32Array.of(2, 3)] }),
      stateHash({ state: [Float32Array.of(1, 2), Float32Array.of(3)] }),
      stateHash({ buffer: { a: inlineBuffer(base) } }),
      stateHash({ buffer: { b: inlineBuffer(base) } }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
