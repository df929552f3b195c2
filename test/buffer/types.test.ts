import { describe, expect, expectTypeOf, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import type { AnyStore } from "./saver-double.ts";

const store = new TransitionStore({
  capacity: 4,
  fields: {
    observation: { camera: { dtype: "uint8", shape: [2, 2] }, pose: { dtype: "float64", shape: [] } },
    action: { dtype: "int32", shape: [] },
    goal: { dtype: "float32", shape: [2] },
    stamp: { dtype: "int64", shape: [] },
  },
});

const flat = new TransitionStore({
  capacity: 4,
  fields: { observation: { dtype: "float32", shape: [8, 2], frames: 8 }, action: { dtype: "float32", shape: [1] } },
});

type Added = Parameters<typeof store.add>[0];
type Sampled = ReturnType<typeof store.sample>;

describe("types", () => {
  it("of add() follow the declaration", () => {
    expectTypeOf<Added["observation"]["camera"]>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<Added["nextObservation"]["pose"]>().toEqualTypeOf<number>();
    expectTypeOf<Added["action"]>().toEqualTypeOf<number>();
    expectTypeOf<Added["goal"]>().toEqualTypeOf<Float32Array>();
    expectTypeOf<Added["stamp"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Added["terminated"]>().toEqualTypeOf<boolean>();
    expectTypeOf<keyof Added>().toEqualTypeOf<
      "observation" | "nextObservation" | "action" | "reward" | "terminated" | "truncated" | "goal" | "stamp"
    >();
  });

  it("of sample() follow the declaration", () => {
    expectTypeOf<Sampled["observation"]["camera"]>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<Sampled["action"]>().toEqualTypeOf<Int32Array>();
    expectTypeOf<Sampled["stamp"]>().toEqualTypeOf<BigInt64Array>();
    expectTypeOf<Sampled["indices"]>().toEqualTypeOf<Float64Array>();
    expectTypeOf<Sampled["weights"]>().toEqualTypeOf<Float32Array | undefined>();
    expectTypeOf(flat.sample).returns.toHaveProperty("observation").toEqualTypeOf<Float32Array>();
  });

  it("of a buffer of any fields take any buffer", () => {
    expectTypeOf(store).toExtend<AnyStore>();
    expectTypeOf(flat).toExtend<AnyStore>();
  });

  it("refuse what add() would refuse", () => {
    const good = { action: new Float32Array(1), reward: 0, terminated: false, truncated: false };
    const window = new Float32Array(16);
    flat.add({ ...good, observation: window, nextObservation: window });
    // @ts-expect-error -- another dtype
    expect(() => flat.add({ ...good, observation: new Float64Array(16), nextObservation: window })).toThrow();
    // @ts-expect-error -- a number where an array is declared
    expect(() => flat.add({ ...good, action: 1, observation: window, nextObservation: window })).toThrow();
    // @ts-expect-error -- the next observation is missing
    expect(() => flat.add({ ...good, observation: window })).toThrow();
    const fields = { observation: { dtype: "float16", shape: [] }, action: { dtype: "uint8", shape: [] } } as const;
    // @ts-expect-error -- an unknown dtype
    expect(() => new TransitionStore({ capacity: 1, fields })).toThrow();
  });
});
