import { InvalidArgumentError } from "../errors.ts";
import { type ArrayConstructor, arrayConstructors, type DType, dtypeOf, type TypedArray } from "../schema/dtype.ts";
import type { Field, FieldSet } from "../schema/fields.ts";
import type { AnyValue } from "../schema/transition-types.ts";
import { assertEnv } from "./env-states.ts";
import { valueSlots } from "./value-slots.ts";

/** Rows of a checked batch, beside its values. */
export interface BatchRows {
  readonly count: number;
  readonly reward: ArrayLike<number>;
  readonly terminated: ArrayLike<number | boolean>;
  readonly truncated: ArrayLike<number | boolean>;
  readonly envs: ArrayLike<number> | null;
  readonly mask: ArrayLike<number | boolean> | null;
}

type Loose = Readonly<Record<string, unknown>>;

const ALWAYS = ["observation", "action", "reward", "nextObservation", "terminated", "truncated"];

/**
 * Checks what comes in at add() and addBatch(), all of it before anything is changed, and lays the values out flat:
 * from here on nothing needs to be looked up by name.
 *
 * Paths for errors are put together only when there is one: this runs for every transition.
 */
export class TransitionInput {
  /** In the order of {@link valueSlots}. */
  readonly values: AnyValue[];
  readonly #isRecord: boolean;
  readonly #names: readonly string[];
  readonly #observationNames: readonly string[];
  readonly #plain: readonly ValueCheck[];
  readonly #observations: readonly ValueCheck[];

  constructor(fields: FieldSet) {
    this.#isRecord = fields.isRecord;
    this.#names = [...ALWAYS, ...fields.extras.map((field) => field.key)];
    this.#observationNames = fields.observations.map((field) => field.key);
    this.#plain = [fields.action, ...fields.extras].map((field) => new ValueCheck(field));
    this.#observations = fields.observations.map((field) => new ValueCheck(field));
    this.values = valueSlots(fields).map(() => 0);
  }

  /** Checks one transition and keeps its values. */
  take(transition: Loose): void {
    if (!this.#isRecord && this.#takeQuickly(transition)) return;
    this.#takeValues("transition", transition, 1, false);
    const { reward, terminated, truncated } = transition;
    if (typeof reward !== "number") throw new InvalidArgumentError("transition.reward", "a number", reward);
    if (typeof terminated !== "boolean") throw notBoolean("transition.terminated", terminated);
    if (typeof truncated !== "boolean") throw notBoolean("transition.truncated", truncated);
  }

  /** Checks n transitions and keeps their values. */
  takeBatch(batch: Loose, envs: unknown, mask: unknown): BatchRows {
    assertObject("batch", batch);
    const reward = numbersOf("batch.reward", batch["reward"]);
    const count = reward.length;
    this.#takeValues("batch", batch, count, true);
    const checkedEnvs = envs === undefined ? null : numbersOf("envs", envs, count);
    for (let i = 0; i < count; i++) assertEnv(`envs[${i}]`, checkedEnvs === null ? i : checkedEnvs[i]);
    return {
      count,
      reward,
      terminated: flagsOf("batch.terminated", batch["terminated"], count),
      truncated: flagsOf("batch.truncated", batch["truncated"], count),
      envs: checkedEnvs,
      mask: mask === undefined ? null : flagsOf("mask", mask, count),
    };
  }

  /**
   * The same checks for what is nearly always the case, in little code, so that the engine compiles add() in one
   * piece: it makes a small add() a third faster. Returns false where anything is unusual or wrong.
   */
  #takeQuickly(transition: Loose): boolean {
    if (typeof transition !== "object" || transition === null) return false;
    const { observation, action, reward, nextObservation, terminated, truncated } = transition;
    if (typeof reward !== "number" || typeof terminated !== "boolean" || typeof truncated !== "boolean") return false;
    const { values } = this;
    const plain = this.#plain;
    const check = this.#observations[0] as ValueCheck;
    if (!check.isUsual(observation) || !check.isUsual(nextObservation)) return false;
    if (!(plain[0] as ValueCheck).isUsual(action)) return false;
    for (let i = 1; i < plain.length; i++) {
      const extra = plain[i] as ValueCheck;
      const value = transition[extra.key];
      if (!extra.isUsual(value)) return false;
      values[i] = value as AnyValue;
    }
    let count = 0;
    for (const _ in transition) count += 1;
    values[0] = action as AnyValue;
    values[plain.length] = observation as AnyValue;
    values[plain.length + 1] = nextObservation as AnyValue;
    return count === this.#names.length;
  }

  #takeValues(path: string, transition: Loose, rows: number, isBatch: boolean): void {
    assertObject(path, transition);
    const plain = this.#plain;
    for (let i = 0; i < plain.length; i++) {
      const check = plain[i] as ValueCheck;
      const value = transition[check.key];
      if (!check.accepts(value, rows, isBatch)) throw check.error(`${path}.${check.key}`, value, rows, isBatch);
      this.values[i] = value as AnyValue;
    }
    this.#takeObservation(path, "observation", transition["observation"], 0, rows, isBatch);
    this.#takeObservation(path, "nextObservation", transition["nextObservation"], 1, rows, isBatch);
    assertNames(path, transition, this.#names);
  }

  #takeObservation(
    path: string,
    name: string,
    observed: unknown,
    offset: number,
    rows: number,
    isBatch: boolean,
  ): void {
    const isRecord = this.#isRecord;
    if (isRecord) assertObject(`${path}.${name}`, observed);
    const checks = this.#observations;
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i] as ValueCheck;
      const value = isRecord ? (observed as Loose)[check.key] : observed;
      if (!check.accepts(value, rows, isBatch)) {
        throw check.error(isRecord ? `${path}.${name}.${check.key}` : `${path}.${name}`, value, rows, isBatch);
      }
      this.values[this.#plain.length + 2 * i + offset] = value as AnyValue;
    }
    if (isRecord) assertNames(`${path}.${name}`, observed as Loose, this.#observationNames);
  }
}

/** What one field's value must be like. */
class ValueCheck {
  readonly key: string;
  readonly #dtype: DType;
  readonly #arrayType: ArrayConstructor<DType>;
  readonly #elements: number;
  readonly #isScalar: boolean;

  constructor(field: Field) {
    this.key = field.key;
    this.#dtype = field.dtype;
    this.#arrayType = arrayConstructors[field.dtype];
    this.#elements = field.elements;
    this.#isScalar = field.isScalar;
  }

  /** Whether it is right for one transition, and of this realm. */
  isUsual(value: unknown): boolean {
    if (this.#isScalar) return isScalar(this.#dtype, value);
    if (!ArrayBuffer.isView(value) || value.constructor !== this.#arrayType) return false;
    return (value as TypedArray).length === this.#elements;
  }

  accepts(value: unknown, rows: number, isBatch: boolean): boolean {
    if (this.#isScalar && !isBatch) return isScalar(this.#dtype, value);
    if (!ArrayBuffer.isView(value)) return false;
    return dtypeOf(value) === this.#dtype && (value as TypedArray).length === rows * this.#elements;
  }

  error(path: string, got: unknown, rows: number, isBatch: boolean): InvalidArgumentError {
    const dtype = this.#dtype;
    if (this.#isScalar && !isBatch) {
      const kind = isBig(dtype) ? "a bigint" : INTEGER_RANGES[dtype] === undefined ? "a number" : "an integer";
      return new InvalidArgumentError(path, `${kind} in the range of ${dtype}`, got);
    }
    const array = new this.#arrayType(0)[Symbol.toStringTag];
    return new InvalidArgumentError(path, `${array} of length ${rows * this.#elements}`, got);
  }
}

function isScalar(dtype: DType, value: unknown): boolean {
  if (typeof value === "bigint") {
    if (dtype === "int64") return value === BigInt.asIntN(64, value);
    return dtype === "uint64" && value === BigInt.asUintN(64, value);
  }
  if (typeof value !== "number" || isBig(dtype)) return false;
  const range = INTEGER_RANGES[dtype];
  return range === undefined || (Number.isInteger(value) && value >= range[0] && value <= range[1]);
}

const INTEGER_RANGES: Partial<Record<DType, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
};

function isBig(dtype: DType): boolean {
  return dtype === "int64" || dtype === "uint64";
}

function assertObject(path: string, value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw new InvalidArgumentError(path, "an object with the fields of the buffer", value);
  }
}

/** All known names were found, so there is an unknown one only if there are more: counting is quicker than looking. */
function assertNames(path: string, value: Loose, names: readonly string[]): void {
  let count = 0;
  for (const _ in value) count += 1;
  if (count === names.length) return;
  for (const name in value) {
    if (!names.includes(name)) {
      throw new InvalidArgumentError(`${path}.${name}`, `absent: the fields are ${names.join(", ")}`, value[name]);
    }
  }
}

function notBoolean(path: string, got: unknown): InvalidArgumentError {
  return new InvalidArgumentError(path, "a boolean", got);
}

function numbersOf(path: string, value: unknown, length?: number): ArrayLike<number> {
  const dtype = dtypeOf(value);
  const isNumeric =
    dtype !== undefined ? !isBig(dtype) : Array.isArray(value) && value.every((n) => typeof n === "number");
  if (!isNumeric || (length !== undefined && (value as ArrayLike<number>).length !== length)) {
    throw new InvalidArgumentError(path, `an array of ${length ?? "n"} numbers, one a row`, value);
  }
  return value as ArrayLike<number>;
}

function flagsOf(path: string, value: unknown, length: number): ArrayLike<number | boolean> {
  const isFlags =
    dtypeOf(value) === "uint8" || (Array.isArray(value) && value.every((flag) => typeof flag === "boolean"));
  if (!isFlags || (value as ArrayLike<number>).length !== length) {
    throw new InvalidArgumentError(path, `a Uint8Array or array of ${length} booleans, one a row`, value);
  }
  return value as ArrayLike<number | boolean>;
}
