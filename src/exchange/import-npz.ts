import { type AnyBuffer, ConfigError, ReplayBuffer, type TypedArray } from "../index.ts";
import { dtypeNames } from "./dtypes.ts";
import { withFileErrors } from "./file-errors.ts";
import { findColumns, type ImportColumns, isUsualName, MAX_ENV } from "./import-columns.ts";
import { cannotHold } from "./npy.ts";
import { type NpzArray, type NpzFile, openNpz } from "./npz-reader.ts";

export interface ImportOptions {
  /** Of the buffer; as many as there are transitions by default, and no fewer. */
  readonly capacity?: number | undefined;
  /** How many frames a window observation has, by field; under "" for the only one. */
  readonly frames?: ReadonlyMap<string, number> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void) | undefined;
}

export interface Imported {
  readonly buffer: AnyBuffer;
  readonly transitions: number;
  readonly columns: ImportColumns;
  /** What a person should know of how the file was read. */
  readonly notes: readonly string[];
}

/** Bytes of all columns that are read at once. */
const BATCH_BYTES = 8 * 1024 * 1024;

/**
 * Reads an npz file of the usual fields of a replay buffer into a buffer, oldest transition first.
 *
 * @throws ConfigError naming the array and what is wrong with it; StoreError where the file cannot be read
 * Cost: the buffer's memory, and 16 MiB; the file is read once, and every CRC-32 checked.
 */
export async function importNpz(path: string, options: ImportOptions = {}): Promise<Imported> {
  return withFileErrors("read", path, async () => {
    const file = await openNpz(path);
    const needed = file.unheld.find(({ name }) => isUsualName(name));
    if (needed !== undefined) throw cannotHold(needed.name, needed.descr);
    const columns = findColumns(file.arrays, options.frames ?? new Map());
    const { transitions, fields } = columns;
    if (transitions === 0) throw new ConfigError(`${path} holds no transitions`);
    const { capacity = transitions } = options;
    if (capacity < transitions) {
      throw new ConfigError(`The file holds ${transitions} transitions, the capacity is ${capacity}`, {
        hint: "Give a capacity that holds them all, or leave it out.",
      });
    }
    // oxlint-disable-next-line no-explicit-any -- the fields are only known when the file has been read
    const buffer = new ReplayBuffer<any>({ capacity, fields });
    await fill(buffer, file, columns, options);
    return { buffer, transitions, columns, notes: notesOf(columns, file) };
  });
}

async function fill(
  buffer: AnyBuffer,
  file: NpzFile,
  columns: ImportColumns,
  { signal, onProgress }: ImportOptions,
): Promise<void> {
  const used = arraysOf(columns);
  const bytesTotal = used.reduce((sum, { bytes }) => sum + bytes, 0);
  const rowBytes = bytesTotal / columns.transitions;
  // Whole steps of all environments.
  const rowsAtOnce = Math.max(1, Math.floor(BATCH_BYTES / rowBytes / columns.envs)) * columns.envs;
  const readers = new Map(
    used.map((array) => [
      array,
      file.elements(array, (rowsAtOnce * array.bytes) / dtypeNames[array.dtype].bytes / columns.transitions),
    ]),
  );
  try {
    for (let from = 0; from < columns.transitions; from += rowsAtOnce) {
      signal?.throwIfAborted();
      const rows = Math.min(rowsAtOnce, columns.transitions - from);
      const batch = new Map<NpzArray, TypedArray>();
      for (const [array, reader] of readers) batch.set(array, await nextOf(array, reader));
      addRows(buffer, columns, batch, from, rows);
      onProgress?.({ bytesDone: Math.round((from + rows) * rowBytes), bytesTotal });
    }
    // Only the end of an array tells whether all of it was what had been written.
    for (const [array, reader] of readers) {
      if (!(await reader.next()).done) throw new ConfigError(`"${array.name}" has more elements than its shape says`);
    }
  } finally {
    for (const reader of readers.values()) await reader.return(undefined);
  }
}

async function nextOf({ name }: NpzArray, reader: AsyncGenerator<TypedArray>): Promise<TypedArray> {
  const { done, value } = await reader.next();
  if (done === true) throw new ConfigError(`"${name}" ends before its shape says`);
  return value;
}

function addRows(
  buffer: AnyBuffer,
  columns: ImportColumns,
  batch: ReadonlyMap<NpzArray, TypedArray>,
  from: number,
  rows: number,
): void {
  const { observations, action, reward, extras, env, envs } = columns;
  const valuesOf = (array: NpzArray): TypedArray => batch.get(array) as TypedArray;
  const sideOf = (side: "now" | "next"): unknown => {
    const [first] = observations;
    if (first?.field === null) return valuesOf(first[side]);
    return Object.fromEntries(observations.map((each) => [each.field, valuesOf(each[side])]));
  };
  const flagsAt = flagsOf(columns, batch, from, rows);
  const envsOfRows =
    env === null ? Uint32Array.from({ length: rows }, (_, row) => row % envs) : envIds(env, valuesOf(env), from);
  buffer.addBatch(
    {
      ...{ observation: sideOf("now"), nextObservation: sideOf("next"), action: valuesOf(action) },
      reward: rewards(reward, valuesOf(reward), from),
      ...flagsAt,
      ...Object.fromEntries(extras.map((array) => [array.name, valuesOf(array)])),
    },
    { envs: envsOfRows },
  );
}

/** `done` means an end of either kind: what is not said to be truncated is terminated. */
function flagsOf(
  { terminated, truncated, done }: ImportColumns,
  batch: ReadonlyMap<NpzArray, TypedArray>,
  from: number,
  rows: number,
): { readonly terminated: Uint8Array; readonly truncated: Uint8Array } {
  const read = (array: NpzArray | null): Uint8Array =>
    array === null ? new Uint8Array(rows) : flags(array, batch.get(array) as TypedArray, from);
  const truncations = read(truncated);
  if (terminated !== null) return { terminated: read(terminated), truncated: truncations };
  const ends = read(done);
  return { terminated: ends.map((end, row) => (truncations[row] === 1 ? 0 : end)), truncated: truncations };
}

function flags({ name }: NpzArray, values: TypedArray, from: number): Uint8Array {
  return Uint8Array.from({ length: values.length }, (_, row) => {
    const value = Number(values[row]);
    if (value === 0 || value === 1) return value;
    throw new ConfigError(`Expected "${name}" to be 0 or 1, got ${value} at row ${from + row}`);
  });
}

/** Checked before it is converted: as an integer of 32 bits 1.5 would be 1, and -1 the largest of all. */
function envIds({ name }: NpzArray, values: TypedArray, from: number): Uint32Array {
  return Uint32Array.from({ length: values.length }, (_, row) => {
    const value = Number(values[row]);
    if (Number.isInteger(value) && value >= 0 && value <= MAX_ENV) return value;
    throw new ConfigError(
      `Expected "${name}" to be an integer from 0 to ${MAX_ENV}, got ${values[row]} at row ${from + row}`,
      { hint: "env numbers the environment that a row came from. Number them from 0, or leave the array out." },
    );
  });
}

/** Those beyond float32 would be infinite in the buffer. */
function rewards({ name }: NpzArray, values: TypedArray, from: number): Float64Array {
  return Float64Array.from({ length: values.length }, (_, row) => {
    const value = Number(values[row]);
    if (Number.isFinite(Math.fround(value)) || !Number.isFinite(value)) return value;
    throw new ConfigError(
      `Expected "${name}" to be numbers that float32 holds, got ${values[row]} at row ${from + row}`,
    );
  });
}

function arraysOf(columns: ImportColumns): NpzArray[] {
  const { observations, action, reward, terminated, truncated, done, env, extras } = columns;
  // Where `terminated` is there, `done` says nothing more.
  const ends = terminated ?? done;
  const all = [
    ...observations.flatMap(({ now, next }) => [now, next]),
    action,
    reward,
    ends,
    truncated,
    env,
    ...extras,
  ];
  return all.filter((array) => array !== null);
}

function notesOf(
  { terminated, truncated, done, reward, leftOut }: ImportColumns,
  { unheld, others }: NpzFile,
): string[] {
  const notes = leftOut.map((why) => `left out ${why}`);
  for (const { name, descr } of unheld)
    notes.push(`left out ${name}: a buffer cannot hold its type ${descr || "none"}`);
  if (others.length > 0) notes.push(`left out ${others.join(", ")}: no array`);
  if (terminated === null && truncated === null) {
    notes.push(`"${done?.name}" is taken for terminated: nothing says which ends were truncations`);
  }
  if (terminated === null && truncated !== null) {
    notes.push(`"${done?.name}" is taken for terminated where "${truncated.name}" is 0`);
  }
  if (terminated !== null && done !== null) notes.push(`left out ${done.name}: "${terminated.name}" says it`);
  if (reward.dtype !== "float32") notes.push(`rewards are stored as float32, the file has ${reward.dtype}`);
  return notes;
}
