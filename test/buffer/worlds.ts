import { arrayConstructors, type TypedArray } from "../../src/schema/dtype.ts";
import type { FieldSpec, FieldsDeclaration } from "../../src/schema/fields.ts";
import { ModelBuffer, type ModelRow } from "./model.ts";
import type { AnyStore } from "./saver-double.ts";

export type WorldName = "window" | "inline" | "scalar" | "whole" | "record";

/** Declarations that between them use every way of storing a field. */
export const declarations: Readonly<Record<WorldName, FieldsDeclaration>> = {
  window: {
    observation: { dtype: "float32", shape: [3, 2], frames: 3 },
    action: { dtype: "int32", shape: [] },
  },
  inline: {
    observation: { dtype: "float32", shape: [3] },
    action: { dtype: "float64", shape: [2] },
    goal: { dtype: "uint8", shape: [3] },
  },
  scalar: {
    observation: { dtype: "uint16", shape: [] },
    action: { dtype: "float32", shape: [20] },
    count: { dtype: "int64", shape: [] },
  },
  whole: {
    observation: { dtype: "int16", shape: [150] },
    action: { dtype: "uint8", shape: [] },
  },
  record: {
    observation: {
      camera: { dtype: "uint8", shape: [4, 2, 2], frames: 4 },
      pose: { dtype: "float64", shape: [2] },
      colour: { dtype: "uint8", shape: [6, 5], frames: 3 },
    },
    action: { dtype: "float32", shape: [1] },
    mask: { dtype: "int8", shape: [5] },
  },
};

/** A step of an env that looks at moments [at, at + window) of an endless, repeating film. */
export interface Step {
  readonly env: number;
  /** Where the observation's window starts. */
  readonly at: number;
  /** How far the next observation is from it: 1 in ordinary episodes. */
  readonly move: number;
  readonly reward: number;
  readonly end: "terminated" | "truncated" | null;
}

/** The value of a field at a moment: every frame is told by its moment, which repeats every `period`. */
function valueAt(spec: FieldSpec, moment: number, period: number): number[] {
  const frames = spec.frames ?? 1;
  const elements = spec.shape.reduce((product, n) => product * n, 1);
  const perFrame = elements / frames;
  return Array.from({ length: elements }, (_, i) => {
    const frame = (moment + Math.floor(i / perFrame)) % period;
    return (frame * 3 + (i % perFrame)) % 120;
  });
}

function toInput(spec: FieldSpec, values: readonly number[]): TypedArray | number | bigint {
  const isBig = spec.dtype === "int64" || spec.dtype === "uint64";
  if (spec.shape.length === 0) return isBig ? BigInt(values[0] ?? 0) : (values[0] ?? 0);
  const array = new arrayConstructors[spec.dtype](values.length);
  for (const [i, value] of values.entries()) (array as Float64Array)[i] = value;
  return array;
}

function isSpec(declaration: object): declaration is FieldSpec {
  return "dtype" in declaration && typeof declaration.dtype === "string";
}

/** The values of one step by path, as the model keeps them. */
export function valuesOf(fields: FieldsDeclaration, step: Step, period: number): ModelRow["values"] {
  const values: Record<string, number[]> = {};
  for (const [name, declaration] of Object.entries(fields)) {
    if (name !== "observation") {
      values[name] = valueAt(declaration as FieldSpec, step.at + step.env, 97);
      continue;
    }
    const specs: [string, FieldSpec][] = isSpec(declaration)
      ? [["", declaration]]
      : Object.entries(declaration).map(([key, spec]) => [`.${key}`, spec]);
    for (const [suffix, spec] of specs) {
      values[`observation${suffix}`] = valueAt(spec, step.at, period);
      values[`nextObservation${suffix}`] = valueAt(spec, step.at + step.move, period);
    }
  }
  return values;
}

/** The same step as `add()` takes it. */
export function transitionOf(fields: FieldsDeclaration, step: Step, values: ModelRow["values"]): object {
  const nested = (name: "observation" | "nextObservation"): unknown => {
    const declaration = fields.observation;
    if (isSpec(declaration)) return toInput(declaration, values[name] ?? []);
    const entries = Object.entries(declaration).map(([key, spec]) => [
      key,
      toInput(spec, values[`${name}.${key}`] ?? []),
    ]);
    return Object.fromEntries(entries);
  };
  const plain = Object.entries(fields).filter(([name]) => name !== "observation");
  return {
    ...Object.fromEntries(plain.map(([name, spec]) => [name, toInput(spec as FieldSpec, values[name] ?? [])])),
    observation: nested("observation"),
    nextObservation: nested("nextObservation"),
    reward: step.reward,
    terminated: step.end === "terminated",
    truncated: step.end === "truncated",
  };
}

/** Puts transitions side by side, as `addBatch()` takes them. */
export function stack(fields: FieldsDeclaration, transitions: readonly Record<string, unknown>[]): object {
  const join = (spec: FieldSpec, values: readonly unknown[]): TypedArray => {
    const flat = values.flatMap((value) => (ArrayBuffer.isView(value) ? [...(value as Float64Array)] : [value]));
    return (arrayConstructors[spec.dtype] as unknown as { from(values: unknown[]): TypedArray }).from(flat);
  };
  const column = (declaration: FieldsDeclaration[string], values: readonly unknown[]): unknown =>
    isSpec(declaration)
      ? join(declaration, values)
      : Object.fromEntries(
          Object.entries(declaration).map(([key, spec]) => [
            key,
            join(
              spec,
              values.map((value) => (value as Record<string, unknown>)[key]),
            ),
          ]),
        );
  const all = (name: string): unknown[] => transitions.map((transition) => transition[name]);
  return {
    ...Object.fromEntries(Object.entries(fields).map(([name, declaration]) => [name, column(declaration, all(name))])),
    nextObservation: column(fields.observation, all("nextObservation")),
    reward: all("reward"),
    terminated: all("terminated"),
    truncated: all("truncated"),
  };
}

/** Adds one step to both. */
export function addBoth(
  store: AnyStore,
  model: ModelBuffer,
  fields: FieldsDeclaration,
  step: Step,
  period: number,
): void {
  const values = valuesOf(fields, step, period);
  store.add(transitionOf(fields, step, values), { env: step.env });
  model.add(step.env, step.reward, step.end === "terminated", step.end === "truncated", values);
}

/** Rows of a batch as the model would have them. */
export function rowsOf(batch: Record<string, unknown>): ModelRow[] {
  const columns = new Map<string, ArrayLike<number | bigint>>();
  for (const [name, value] of Object.entries(batch)) {
    if (ArrayBuffer.isView(value)) columns.set(name, value as unknown as ArrayLike<number>);
    else
      for (const [key, inner] of Object.entries(value as object))
        columns.set(`${name}.${key}`, inner as ArrayLike<number>);
  }
  const indices = columns.get("indices") as Float64Array;
  const builtIn = ["indices", "weights", "reward", "terminated", "truncated", "env", "episodeStart"];
  return Array.from(indices, (row, i) => {
    const scalar = (name: string): number => Number(columns.get(name)?.[i] ?? -1);
    const values: Record<string, number[]> = {};
    for (const [name, column] of columns) {
      if (builtIn.includes(name)) continue;
      const length = column.length / indices.length;
      values[name] = Array.from({ length }, (_, k) => Number(column[i * length + k]));
    }
    return {
      row,
      env: scalar("env"),
      episodeStart: scalar("episodeStart"),
      reward: scalar("reward"),
      terminated: scalar("terminated"),
      truncated: scalar("truncated"),
      values,
    };
  });
}
