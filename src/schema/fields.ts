import { describeGot, InvalidArgumentError } from "../errors.ts";
import { bytesPerElement, type DType, dtypes } from "./dtype.ts";

/** One field of a transition: an array of `shape` per row; `[]` is a scalar. */
export interface FieldSpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /**
   * Observations only: entries of the leading axis that are stored once each. It divides the leading axis: a window
   * `[504, 108, 9]` has 504 frames of `[108, 9]`, an RGB stack `[12, 84, 84]` has 4 of `[3, 84, 84]`.
   */
  readonly frames?: number | undefined;
}

/** One field, or a record of named ones (Gymnasium's `Dict`). */
export type ObservationDeclaration = FieldSpec | { readonly [name: string]: FieldSpec };

/**
 * What a buffer's rows consist of, besides reward, terminated and truncated, which every row has.
 *
 * Names: letters, digits and `_`, at most 64 characters; those of the built-in columns are refused.
 */
export interface FieldsDeclaration {
  readonly observation: ObservationDeclaration;
  readonly action: FieldSpec;
  /** Extras: any further named field, without `frames`. */
  readonly [extra: string]: ObservationDeclaration;
}

/** A checked field with its sizes. */
export interface Field {
  /** As in errors and column names: "action", "observation" or, in a record, "observation.camera". */
  readonly path: string;
  /** The key in its object: "action", "observation", "camera". */
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements of one row. */
  readonly elements: number;
  /** Bytes of one row. */
  readonly bytes: number;
  readonly isScalar: boolean;
}

/** An observation field: stored inline in the transitions, or as ids of frames that are stored once. */
export interface ObservationField extends Field {
  /** null: inline. */
  readonly interned: {
    readonly frames: number;
    readonly frameShape: readonly number[];
    readonly frameBytes: number;
  } | null;
  /** Whether the declaration names `frames`. */
  readonly declaresFrames: boolean;
}

/** A checked declaration. */
export interface FieldSet {
  /** The declaration as plain JSON, nothing in it but dtype, shape and frames. */
  readonly declaration: FieldsDeclaration;
  readonly observations: readonly ObservationField[];
  /** Whether observations are records, as opposed to one array. */
  readonly isRecord: boolean;
  readonly action: Field;
  readonly extras: readonly Field[];
  /** What one row holds if stored plainly: both observations, action, reward, both flags, extras. */
  readonly logicalRowBytes: number;
}

/** Whole observations under this size are stored inline: an id would save nothing. */
const INLINE_BELOW_BYTES = 256;
/** Beyond this a row no longer fits the sizes that savers and packs are made for. */
const MAX_FIELD_BYTES = 2 ** 30;
const MAX_AXES = 32;
const MAX_FIELDS = 256;

const NAME = /^[A-Za-z0-9_]{1,64}$/;
const RESERVED: ReadonlySet<string> = new Set([
  "observation",
  "action",
  "reward",
  "terminated",
  "truncated",
  "nextObservation",
  "env",
  "episodeStart",
  "indices",
  "weights",
]);

/**
 * Checks a declaration of fields and works out the sizes.
 *
 * @throws InvalidArgumentError naming the path of what is wrong, such as `fields.observation.shape`
 */
export function parseFields(declaration: unknown): FieldSet {
  const fields = asObject("fields", declaration, "an object with `observation` and `action`");
  const isRecord = !isSpec(fields["observation"]);
  const observations = isRecord
    ? parseRecord(asObject("fields.observation", fields["observation"], "a field or a record of fields"))
    : [parseObservation("observation", "observation", fields["observation"])];
  const action = parsePlain("action", fields["action"]);
  const extras: Field[] = [];
  for (const [name, spec] of Object.entries(fields)) {
    if (name === "observation" || name === "action") continue;
    assertName("fields", name);
    if (RESERVED.has(name)) throw new InvalidArgumentError(`fields.${name}`, "a name that is not reserved", name);
    extras.push(parsePlain(name, spec));
  }
  if (extras.length > MAX_FIELDS)
    throw new InvalidArgumentError("fields", `at most ${MAX_FIELDS} extras`, extras.length);
  const observationBytes = sumBytes(observations);
  return {
    declaration: toDeclaration(observations, isRecord, action, extras),
    observations,
    isRecord,
    action,
    extras,
    logicalRowBytes: 2 * observationBytes + action.bytes + 4 + 2 + sumBytes(extras),
  };
}

function parseRecord(record: Record<string, unknown>): ObservationField[] {
  const entries = Object.entries(record);
  if (entries.length === 0 || entries.length > MAX_FIELDS) {
    throw new InvalidArgumentError("fields.observation", `1 to ${MAX_FIELDS} fields`, record);
  }
  return entries.map(([name, spec]) => {
    assertName("fields.observation", name);
    return parseObservation(`observation.${name}`, name, spec);
  });
}

function parseObservation(path: string, key: string, spec: unknown): ObservationField {
  const field = parseField(path, key, spec);
  const frames = (spec as { frames?: unknown }).frames;
  if (frames === undefined) {
    const whole = { frames: 1, frameShape: field.shape, frameBytes: field.bytes };
    return { ...field, interned: field.bytes < INLINE_BELOW_BYTES ? null : whole, declaresFrames: false };
  }
  const leading = field.shape[0];
  if (typeof frames !== "number" || !Number.isSafeInteger(frames) || frames < 1) {
    throw new InvalidArgumentError(`fields.${path}.frames`, "a positive integer", frames);
  }
  if (leading === undefined || leading % frames !== 0) {
    const expected = `a divisor of the leading axis of [${field.shape.join(", ")}]`;
    throw new InvalidArgumentError(`fields.${path}.frames`, expected, frames);
  }
  const rest = field.shape.slice(1);
  const frameShape = leading === frames ? rest : [leading / frames, ...rest];
  return { ...field, interned: { frames, frameShape, frameBytes: field.bytes / frames }, declaresFrames: true };
}

function parsePlain(name: string, spec: unknown): Field {
  const field = parseField(name, name, spec);
  if ((spec as { frames?: unknown }).frames !== undefined) {
    throw new InvalidArgumentError(`fields.${name}.frames`, "absent: only observations have frames", spec);
  }
  return field;
}

function parseField(path: string, key: string, spec: unknown): Field {
  const { dtype, shape, ...rest } = asObject(`fields.${path}`, spec, "a field: { dtype, shape }");
  if (!dtypes.includes(dtype as DType)) {
    throw new InvalidArgumentError(`fields.${path}.dtype`, `one of ${dtypes.join(", ")}`, dtype);
  }
  if (!Array.isArray(shape) || shape.length > MAX_AXES) {
    throw new InvalidArgumentError(`fields.${path}.shape`, `an array of at most ${MAX_AXES} positive integers`, shape);
  }
  for (const length of shape) {
    if (!Number.isSafeInteger(length) || length < 1) {
      throw new InvalidArgumentError(`fields.${path}.shape`, "an array of positive integers", length);
    }
  }
  for (const name of Object.keys(rest)) {
    if (name !== "frames") {
      throw new InvalidArgumentError(`fields.${path}`, "a field of dtype, shape and frames only", name);
    }
  }
  const elements = shape.reduce((product: number, length: number) => product * length, 1);
  const bytes = elements * bytesPerElement(dtype as DType);
  if (bytes > MAX_FIELD_BYTES) {
    throw new InvalidArgumentError(`fields.${path}.shape`, `at most ${MAX_FIELD_BYTES} bytes a row`, bytes);
  }
  return { path, key, dtype: dtype as DType, shape: [...shape], elements, bytes, isScalar: shape.length === 0 };
}

/** A record may have a field named "dtype": its value is then an object, not a string. */
function isSpec(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { dtype?: unknown }).dtype === "string";
}

function asObject(path: string, value: unknown, expected: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw new InvalidArgumentError(path, expected, value);
  }
  return value as Record<string, unknown>;
}

function assertName(path: string, name: string): void {
  if (name === "__proto__" || !NAME.test(name)) {
    const shown = describeGot(name);
    throw new InvalidArgumentError(path, `a record with names of 1 to 64 letters, digits and _; one is ${shown}`, name);
  }
}

function sumBytes(fields: readonly Field[]): number {
  return fields.reduce((sum, field) => sum + field.bytes, 0);
}

function toDeclaration(
  observations: readonly ObservationField[],
  isRecord: boolean,
  action: Field,
  extras: readonly Field[],
): FieldsDeclaration {
  const plain = ({ dtype, shape }: Field): FieldSpec => ({ dtype, shape });
  const observed = (field: ObservationField): FieldSpec =>
    field.declaresFrames && field.interned !== null ? { ...plain(field), frames: field.interned.frames } : plain(field);
  const first = observations[0] as ObservationField;
  return {
    observation: isRecord
      ? Object.fromEntries(observations.map((field) => [field.key, observed(field)]))
      : observed(first),
    action: plain(action),
    ...Object.fromEntries(extras.map((field) => [field.key, plain(field)])),
  };
}
