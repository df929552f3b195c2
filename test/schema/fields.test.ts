import { describe, expect, it } from "vitest";
import { listFieldDifferences } from "../../src/schema/field-differences.ts";
import { parseFields } from "../../src/schema/fields.ts";

const f32 = (...shape: number[]) => ({ dtype: "float32", shape });
const good = { observation: f32(4), action: f32() };

describe("fields are refused, naming the path", () => {
  it.each<[unknown, string]>([
    [undefined, "fields"],
    [[], "fields"],
    [{ action: f32() }, "fields.observation"],
    [{ observation: {}, action: f32() }, "fields.observation"],
    [{ observation: f32(4) }, "fields.action"],
    [{ ...good, observation: { dtype: "float16", shape: [4] } }, "fields.observation.dtype"],
    [{ ...good, observation: { dtype: "float32" } }, "fields.observation.shape"],
    [{ ...good, observation: f32(4, 0) }, "fields.observation.shape"],
    [{ ...good, observation: f32(2.5) }, "fields.observation.shape"],
    [{ ...good, observation: f32(2 ** 20, 2 ** 20) }, "fields.observation.shape"],
    [{ ...good, observation: { ...f32(6, 2), frames: 4 } }, "fields.observation.frames"],
    [{ ...good, observation: { ...f32(6), frames: 0 } }, "fields.observation.frames"],
    [{ ...good, observation: { ...f32(), frames: 1 } }, "fields.observation.frames"],
    [{ ...good, observation: { ...f32(6), stack: 2 } }, "fields.observation"],
    [{ ...good, observation: { camera: { dtype: "uint8", shape: [-1] } } }, "fields.observation.camera.shape"],
    [{ ...good, observation: { "a.b": f32() } }, "fields.observation"],
    [{ ...good, action: { ...f32(2), frames: 2 } }, "fields.action.frames"],
    [{ ...good, reward: f32() }, "fields.reward"],
    [{ ...good, nextObservation: f32() }, "fields.nextObservation"],
    [{ ...good, episodeStart: f32() }, "fields.episodeStart"],
    [{ ...good, weights: f32() }, "fields.weights"],
    [{ ...good, "log prob": f32() }, "fields"],
    [{ ...good, ["x".repeat(65)]: f32() }, "fields"],
    [
      JSON.parse(`{"observation":{"dtype":"uint8","shape":[1]},"action":{"dtype":"uint8","shape":[]},"__proto__":1}`),
      "fields",
    ],
    [{ ...good, goal: f32() as unknown, other: 5 }, "fields.other"],
  ])("%j", (fields, argument) => {
    expect(() => parseFields(fields)).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument }));
  });
});

describe("fields", () => {
  it("know their frames", () => {
    const shapes = [
      { ...f32(504, 108, 9), frames: 504 },
      { dtype: "uint8", shape: [12, 84, 84], frames: 4 },
      { ...f32(504), frames: 504 },
      f32(64),
    ].map((observation) => parseFields({ observation, action: f32() }).observations[0]?.interned);
    expect(shapes).toEqual([
      { frames: 504, frameShape: [108, 9], frameBytes: 3888 },
      { frames: 4, frameShape: [3, 84, 84], frameBytes: 21_168 },
      { frames: 504, frameShape: [], frameBytes: 4 },
      { frames: 1, frameShape: [64], frameBytes: 256 },
    ]);
  });

  it("are inline under 256 bytes, unless frames are declared", () => {
    const inline = [f32(63), { ...f32(63), frames: 9 }, f32()].map(
      (observation) => parseFields({ observation, action: f32() }).observations[0]?.interned === null,
    );
    expect(inline).toEqual([true, false, true]);
  });

  it("come back as plain JSON", () => {
    const declaration = {
      observation: { camera: { dtype: "uint8", shape: [4, 2], frames: 4 }, dtype: f32(3) },
      action: { dtype: "int8", shape: [] },
      goal: f32(2),
    };
    expect(JSON.parse(JSON.stringify(parseFields(declaration).declaration))).toEqual(declaration);
  });
});

describe("listFieldDifferences()", () => {
  const own = { observation: { ...f32(6, 2), frames: 6 }, action: f32(), goal: f32(2) };

  it("finds none where only the order of names differs", () => {
    const { goal, action, observation } = own;
    expect(listFieldDifferences({ goal, action, observation }, own)).toEqual([]);
  });

  it("names every difference, in both directions", () => {
    const saved = { observation: { dtype: "float64", shape: [6, 2] }, action: f32(1), speed: f32() };
    expect(listFieldDifferences(saved, own)).toEqual([
      'observation.dtype is "float64", the buffer has "float32"',
      "observation.frames is absent, the buffer has 6",
      "action.shape is [1], the buffer has []",
      'speed is {"dtype":"float32","shape":[]}, the buffer has none',
      'goal is absent, the buffer has {"dtype":"float32","shape":[2]}',
    ]);
  });

  it("is not put off by what is no declaration at all", () => {
    expect(listFieldDifferences(null, 5)).toEqual(["fields is null, the buffer has 5"]);
  });
});
