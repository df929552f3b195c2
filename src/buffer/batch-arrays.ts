import { InvalidArgumentError } from "../errors.ts";
import { arrayConstructors, type DType, dtypeOf, type TypedArray } from "../schema/dtype.ts";
import type { Field, FieldSet } from "../schema/fields.ts";
import { valueSlots } from "./value-slots.ts";

/** The arrays of a batch, flat: what fills them need not know how they are nested. */
export interface BatchArrays {
  /** In the order of {@link valueSlots}. */
  readonly values: readonly TypedArray[];
  readonly reward: Float32Array;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
  readonly indices: Float64Array;
  readonly weights: Float32Array | null;
  /** The batch as its user sees it. */
  readonly batch: object;
}

type Nested = Record<string, unknown>;

/** Allocates a batch of n rows in ordinary memory, which GPU libraries accept. */
export function allocateBatch(fields: FieldSet, n: number, withWeights: boolean): BatchArrays {
  const allocate = (field: Field): TypedArray => new arrayConstructors[field.dtype](n * field.elements);
  const observed = (): unknown => {
    const record = Object.fromEntries(fields.observations.map((field) => [field.key, allocate(field)]));
    return fields.isRecord ? record : record["observation"];
  };
  const batch: Nested = {
    observation: observed(),
    action: allocate(fields.action),
    reward: new Float32Array(n),
    nextObservation: observed(),
    terminated: new Uint8Array(n),
    truncated: new Uint8Array(n),
    ...Object.fromEntries(fields.extras.map((field) => [field.key, allocate(field)])),
    indices: new Float64Array(n),
    ...(withWeights ? { weights: new Float32Array(n) } : {}),
  };
  return flatten(fields, batch, withWeights);
}

/**
 * Takes a batch that the caller passes in again.
 *
 * @throws InvalidArgumentError naming the array that is missing, of another dtype or of another length
 */
export function acceptBatch(fields: FieldSet, out: unknown, n: number, withWeights: boolean): BatchArrays {
  const batch = asRecord("out", out);
  const check = (path: string, value: unknown, dtype: DType, elements: number): void => {
    if (dtypeOf(value) === dtype && (value as TypedArray).length === n * elements) return;
    const array = new arrayConstructors[dtype](0)[Symbol.toStringTag];
    throw new InvalidArgumentError(path, `${array} of length ${n * elements}`, value);
  };
  for (const name of ["observation", "nextObservation"]) {
    const observed = fields.isRecord ? asRecord(`out.${name}`, batch[name]) : batch;
    for (const { key, dtype, elements } of fields.observations) {
      if (fields.isRecord) check(`out.${name}.${key}`, observed[key], dtype, elements);
      else check(`out.${name}`, batch[name], dtype, elements);
    }
  }
  for (const { key, dtype, elements } of [fields.action, ...fields.extras])
    check(`out.${key}`, batch[key], dtype, elements);
  check("out.reward", batch["reward"], "float32", 1);
  check("out.terminated", batch["terminated"], "uint8", 1);
  check("out.truncated", batch["truncated"], "uint8", 1);
  check("out.indices", batch["indices"], "float64", 1);
  if (withWeights) check("out.weights", batch["weights"], "float32", 1);
  return flatten(fields, batch, withWeights);
}

function flatten(fields: FieldSet, batch: Nested, withWeights: boolean): BatchArrays {
  const values = valueSlots(fields).map(({ field, kind, isNext }) => {
    const name = isNext ? "nextObservation" : "observation";
    if (kind === "plain") return batch[field.key];
    return fields.isRecord ? (batch[name] as Nested)[field.key] : batch[name];
  });
  return {
    values: values as TypedArray[],
    reward: batch["reward"] as Float32Array,
    terminated: batch["terminated"] as Uint8Array,
    truncated: batch["truncated"] as Uint8Array,
    indices: batch["indices"] as Float64Array,
    weights: withWeights ? (batch["weights"] as Float32Array) : null,
    batch,
  };
}

function asRecord(path: string, value: unknown): Nested {
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)) {
    return value as Nested;
  }
  throw new InvalidArgumentError(path, "a batch that sample() returned before", value);
}
