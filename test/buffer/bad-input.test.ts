import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import type { AnyStore } from "./saver-double.ts";

const fields = {
  observation: { camera: { dtype: "uint8", shape: [4, 2], frames: 4 }, pose: { dtype: "float32", shape: [2] } },
  action: { dtype: "int8", shape: [] },
  goal: { dtype: "float64", shape: [3] },
  count: { dtype: "uint64", shape: [] },
} as const;

const good = {
  observation: { camera: new Uint8Array(8), pose: new Float32Array(2) },
  nextObservation: { camera: new Uint8Array(8), pose: new Float32Array(2) },
  action: -128,
  goal: new Float64Array(3),
  count: 2n ** 64n - 1n,
  reward: 1,
  terminated: false,
  truncated: true,
};

function storeOfThree(): AnyStore {
  const store: AnyStore = new TransitionStore({ capacity: 10, fields, prioritized: {}, seed: 3 });
  for (let i = 0; i < 3; i++) store.add(good, { env: i });
  return store;
}

/** Everything that could change, as one value. */
function contentOf(store: AnyStore): unknown {
  const { from, to } = store.rowRange();
  return [store.stats(), store.meta(), store.readRows(from, to), store.readLeaves(from, to)];
}

function expectRefused(act: (store: AnyStore) => unknown, argument: string): void {
  const store = storeOfThree();
  const before = contentOf(store);
  expect(() => act(store)).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument }));
  expect(contentOf(store)).toEqual(before);
}

const withPose = (pose: unknown) => ({ ...good, nextObservation: { ...good.nextObservation, pose } });
const { goal: _, ...withoutGoal } = good;

describe("add() refuses, and changes nothing", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, "transition"],
    ["a field that is missing", withoutGoal, "transition.goal"],
    ["a field that is unknown", { ...good, gaol: 1 }, "transition.gaol"],
    [
      "an observation field that is unknown",
      { ...good, observation: { ...good.observation, lidar: 1 } },
      "transition.observation.lidar",
    ],
    [
      "an observation that is an array where a record is declared",
      { ...good, observation: new Uint8Array(8) },
      "transition.observation",
    ],
    ["a wrong length", withPose(new Float32Array(3)), "transition.nextObservation.pose"],
    ["a wrong dtype", withPose(new Float64Array(2)), "transition.nextObservation.pose"],
    ["a plain array", withPose([0, 0]), "transition.nextObservation.pose"],
    ["null", withPose(null), "transition.nextObservation.pose"],
    ["an integer out of range", { ...good, action: 128 }, "transition.action"],
    ["a fraction where integers are declared", { ...good, action: 0.5 }, "transition.action"],
    ["an array where a scalar is declared", { ...good, action: Int8Array.of(1) }, "transition.action"],
    ["a number where bigint is declared", { ...good, count: 1 }, "transition.count"],
    ["a bigint out of range", { ...good, count: -1n }, "transition.count"],
    ["a reward that is not a number", { ...good, reward: "1" }, "transition.reward"],
    ["a flag that is not a boolean", { ...good, terminated: 1 }, "transition.terminated"],
    ["a flag that is missing", { ...good, truncated: undefined }, "transition.truncated"],
  ])("%s", (_what, transition, argument) => {
    expectRefused((store) => store.add(transition), argument);
  });

  it.each([-1, 0.5, 65_536, Number.NaN, "0"])("env %j", (env) => {
    expectRefused((store) => store.add(good, { env: env as number }), "env");
  });
});

const goodBatch = {
  observation: { camera: new Uint8Array(16), pose: new Float32Array(4) },
  nextObservation: { camera: new Uint8Array(16), pose: new Float32Array(4) },
  action: new Int8Array(2),
  goal: new Float64Array(6),
  count: new BigUint64Array(2),
  reward: [1, 2],
  terminated: [false, true],
  truncated: Uint8Array.of(0, 1),
};

describe("addBatch() refuses, and adds no row", () => {
  it.each<[string, unknown, object, string]>([
    ["a column of another length", { ...goodBatch, goal: new Float64Array(5) }, {}, "batch.goal"],
    ["rewards that are no numbers", { ...goodBatch, reward: ["1", 2] }, {}, "batch.reward"],
    ["flags of another length", { ...goodBatch, terminated: [false] }, {}, "batch.terminated"],
    ["an unknown field", { ...goodBatch, done: [false, false] }, {}, "batch.done"],
    ["envs of another length", goodBatch, { envs: [0] }, "envs"],
    ["an env that cannot be", goodBatch, { envs: [0, -1] }, "envs[1]"],
    ["a mask of another length", goodBatch, { mask: [true] }, "mask"],
    ["a mask of numbers", goodBatch, { mask: [1, 0] }, "mask"],
  ])("%s", (_what, batch, options, argument) => {
    expectRefused((store) => store.addBatch(batch, options), argument);
  });
});

describe("sample() refuses, and draws nothing", () => {
  it.each<[string, (store: AnyStore) => unknown, string]>([
    ["no rows", (store) => store.sample(0), "n"],
    ["a fraction of a row", (store) => store.sample(1.5), "n"],
    ["beta beyond 1", (store) => store.sample(2, { beta: 1.1 }), "beta"],
    ["out of another size", (store) => store.sample(2, { out: storeOfThree().sample(3) }), "out.observation.camera"],
    [
      "out without weights",
      (store) => store.sample(2, { out: { ...storeOfThree().sample(2), weights: undefined } }),
      "out.weights",
    ],
    ["out that is no batch", (store) => store.sample(2, { out: 5 }), "out"],
  ])("%s", (_what, act, argument) => {
    expectRefused(act, argument);
  });

  it("beta where the buffer is not prioritised", () => {
    const store: AnyStore = new TransitionStore({ capacity: 10, fields });
    store.add(good);
    expect(() => store.sample(1, { beta: 0.5 })).toThrow(expect.objectContaining({ argument: "beta" }));
  });

  it("more rows than there are, where none may come twice", () => {
    const error = { code: "VARVE_NOT_ENOUGH_DATA", asked: 4, held: 3 };
    expect(() => storeOfThree().sample(4, { replace: false })).toThrow(expect.objectContaining(error));
    const empty = new TransitionStore({ capacity: 10, fields });
    expect(() => empty.sample(1)).toThrow(expect.objectContaining({ ...error, asked: 1, held: 0 }));
  });
});

describe("updatePriorities() refuses, and changes no priority", () => {
  it.each<[string, unknown, unknown, string]>([
    ["NaN", [0, 1], [2, Number.NaN], "tdErrors[1]"],
    ["infinity", [0, 1], [2, Number.POSITIVE_INFINITY], "tdErrors[1]"],
    ["lengths that differ", [0, 1], [2], "tdErrors"],
    ["a row that never was", [0, 3], [2, 2], "indices[1]"],
    ["a negative row", [0, -1], [2, 2], "indices[1]"],
    ["something that is no array", 0, [2], "indices"],
  ])("%s", (_what, indices, tdErrors, argument) => {
    expectRefused((store) => store.updatePriorities(indices as number[], tdErrors as number[]), argument);
  });

  it("a buffer that is not prioritised", () => {
    const store: AnyStore = new TransitionStore({ capacity: 10, fields });
    store.add(good);
    expect(() => store.updatePriorities([0], [1])).toThrow(expect.objectContaining({ argument: "prioritized" }));
  });
});

describe("a buffer is not made with", () => {
  const make = (options: object) => () => new TransitionStore({ capacity: 10, fields, ...options });

  it.each<[string, object, string]>([
    ["no capacity", { capacity: 0 }, "capacity"],
    ["a fraction of a transition", { capacity: 1.5 }, "capacity"],
    // 4 frames a window, two windows a transition, two turnovers: 2^32 ids are enough for 268,434,432 transitions.
    ["a capacity beyond the range of ids", { capacity: 268_434_433 }, "capacity"],
    ["a seed that is no integer", { seed: 0.5 }, "seed"],
    ["alpha beyond 1", { prioritized: { alpha: 2 } }, "prioritized.alpha"],
    ["beta that is no number", { prioritized: { beta: Number.NaN } }, "prioritized.beta"],
    ["fields that are none", { fields: { observation: 5 } }, "fields.observation"],
  ])("%s", (_what, options, argument) => {
    expect(make(options)).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument }));
  });

  it("says which capacity is possible", () => {
    expect(make({ capacity: 2 ** 30 })).toThrow("an integer from 1 to 268434432");
  });
});
