import { CorruptError, InvalidArgumentError, isVarveError } from "../errors.ts";
import { parseCheckpointName } from "../manifest/names.ts";
import { arrayConstructors, type DType, type TypedArray } from "../schema/dtype.ts";
import { type FieldsDeclaration, parseFields } from "../schema/fields.ts";
import { idsColumn, inlineColumn, layOut, slicesColumn } from "../schema/layouts.ts";
import type {
  CheckpointReader,
  OpenCheckpointOptions,
  RowBatch,
  RowsOptions,
  SavedBufferInfo,
  SavedColumn,
  SavedFrames,
  SavedTensor,
} from "./checkpoint-reader.ts";
import type { DescribedCheckpoint, ReadRows, SelectedBuffer, SelectedCheckpoint } from "./messages.ts";
import { assertKnownKeys } from "./save-request.ts";
import type { SaverLink } from "./saver-link.ts";
import { numberTensors } from "./state-paths.ts";

const BATCH_BYTES = 8 * 1024 * 1024;

/** What a reader asks of the saver's thread. */
type Ask = Pick<SaverLink, "call">;

/** Chooses a checkpoint as `restore` does, and reads nothing of its rows yet. */
export async function openCheckpoint(link: Ask, options: OpenCheckpointOptions): Promise<CheckpointReader | null> {
  assertKnownKeys("openCheckpoint()", options, ["step", "sequence", "after", "signal"]);
  const { step = null, sequence = null, after = null, signal } = options;
  for (const [name, value] of Object.entries({ step, sequence })) {
    if (value !== null) assertCount(name, value);
  }
  if (after !== null && parseCheckpointName(after) === undefined) {
    throw new InvalidArgumentError("after", "the name of a checkpoint", after);
  }
  const selected = await link.call<SelectedCheckpoint | null>({ method: "select", step, sequence, after }, { signal });
  if (selected === null) return null;
  const { manifest } = selected;
  const described = await link.call<DescribedCheckpoint>({ method: "describe", manifest }, { signal });
  return new OpenCheckpoint(link, selected, described);
}

class OpenCheckpoint implements CheckpointReader {
  readonly name: string;
  readonly hash: string;
  readonly run: string;
  readonly step: number;
  readonly sequence: number;
  readonly metrics: CheckpointReader["metrics"];
  readonly skipped: CheckpointReader["skipped"];
  readonly buffers: Readonly<Record<string, SavedBufferInfo>>;
  readonly state: unknown;
  readonly tensors: readonly SavedTensor[];
  /** Of each tensor, the numbers of the pieces that it is stored in. */
  readonly #pieces: readonly (readonly number[])[];
  readonly #link: Ask;

  constructor(link: Ask, selected: SelectedCheckpoint, { run, hash, state, tensors }: DescribedCheckpoint) {
    this.#link = link;
    this.name = selected.manifest;
    this.step = selected.step;
    this.sequence = selected.sequence;
    this.metrics = selected.metrics;
    this.skipped = selected.skipped;
    this.run = run;
    this.hash = hash;
    this.buffers = Object.fromEntries(
      Object.entries(selected.buffers).map(([name, saved]) => [name, describeBuffer(selected.manifest, saved)]),
    );
    const numbered = numberTensors(state, tensors, selected.manifest);
    this.state = numbered.state;
    this.tensors = numbered.tensors.map(({ path, dtype, length }) => ({ path, dtype, length }));
    this.#pieces = numbered.tensors.map(({ pieces }) => pieces);
  }

  async *rows(options: RowsOptions = {}): AsyncGenerator<RowBatch> {
    const { buffer = "default", observations = "whole" } = options;
    const { transitions } = this.#buffer(buffer);
    yield* this.#read(buffer, 0, transitions, options, observations === "whole");
  }

  async *frames(field: string, options: Omit<RowsOptions, "observations"> = {}): AsyncGenerator<RowBatch> {
    const { buffer = "default" } = options;
    const { frames } = this.#buffer(buffer);
    const index = frames.findIndex(({ name }) => name === field);
    if (index < 0) {
      const names = frames.map(({ name }) => name).join(", ");
      throw new InvalidArgumentError("field", `an observation that is stored as frames (${names || "none is"})`, field);
    }
    yield* this.#read(buffer, 1 + index, (frames[index] as SavedFrames).count, options, false);
  }

  async *tensor(
    index: number,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<TypedArray> {
    const tensor = this.tensors[index];
    if (tensor === undefined) throw new InvalidArgumentError("index", `below ${this.tensors.length}`, index);
    for (const piece of this.#pieces[index] ?? []) {
      const call = { method: "tensor", manifest: this.name, index: piece } as const;
      yield new arrayConstructors[tensor.dtype](await this.#link.call<ArrayBuffer>(call, { signal }));
    }
  }

  async *#read(
    buffer: string,
    log: number,
    count: number,
    options: Omit<RowsOptions, "observations">,
    asWindows: boolean,
  ): AsyncGenerator<RowBatch> {
    const { from = 0, to = count, maxBatchBytes = BATCH_BYTES, signal } = options;
    for (const [name, value] of Object.entries({ from, to, maxBatchBytes })) assertCount(name, value);
    if (from > to || to > count)
      throw new InvalidArgumentError("from, to", `rows of 0 to ${count}`, `${from} to ${to}`);
    for (let row = from; row < to; ) {
      const call = { method: "rows", manifest: this.name, buffer, log, from: row, to, asWindows } as const;
      const rows = await this.#link.call<ReadRows>({ ...call, maxBytes: maxBatchBytes }, { signal });
      yield { from: rows.from, to: rows.to, columns: toArrays(rows) };
      row = rows.to;
    }
  }

  #buffer(name: string): SavedBufferInfo {
    const found = Object.hasOwn(this.buffers, name) ? this.buffers[name] : undefined;
    if (found !== undefined) return found;
    const names = Object.keys(this.buffers).join(", ");
    throw new InvalidArgumentError("buffer", `one of the checkpoint's buffers (${names || "none"})`, name);
  }
}

function toArrays({ columns }: ReadRows): Record<string, TypedArray> {
  return Object.fromEntries(columns.map(({ name, dtype, bytes }) => [name, asArray(dtype, bytes)]));
}

function asArray(dtype: DType, bytes: Uint8Array): TypedArray {
  const { BYTES_PER_ELEMENT: width } = arrayConstructors[dtype];
  return new arrayConstructors[dtype](bytes.buffer, bytes.byteOffset, bytes.byteLength / width);
}

function describeBuffer(manifest: string, saved: SelectedBuffer): SavedBufferInfo {
  const fields = believing(manifest, () => parseFields(saved.fields));
  const [transitions, ...frameLogs] = saved.bounds;
  const layout = believing(manifest, () => layOut(fields, saved.capacity))[0];
  const columns = (layout?.columns ?? []).map(({ name, dtype, shape }): SavedColumn => ({ name, dtype, shape }));
  const interned = fields.observations.filter((field) => field.interned !== null);
  const priority: readonly SavedColumn[] =
    saved.prioritized === null ? [] : [{ name: "priority.scaled", dtype: "float64", shape: [] }];
  const windows = interned.flatMap((field) =>
    [false, true].map((next) => ({
      ...{ stored: slicesColumn(field, next), dtype: field.dtype, shape: field.shape },
      ...{ name: inlineColumn(field, next), ids: idsColumn(field, next), frames: field.interned?.frames ?? 1 },
    })),
  );
  const withIds = columns.map((column): SavedColumn => {
    const window = windows.find(({ stored }) => stored === column.name);
    return window === undefined ? column : { name: window.ids, dtype: "uint32", shape: [window.frames] };
  });
  return {
    fields: fields.declaration satisfies FieldsDeclaration,
    capacity: saved.capacity,
    transitions: (transitions?.head ?? 0) - (transitions?.tail ?? 0),
    columns: [
      ...columns.filter(({ name }) => windows.every(({ stored }) => stored !== name)),
      ...windows.map(({ name, dtype, shape }): SavedColumn => ({ name, dtype, shape })),
      ...priority,
    ],
    columnsWithIds: [...withIds, ...priority],
    frames: interned.map((field, index): SavedFrames => {
      const { tail = 0, head = 0 } = frameLogs[index] ?? {};
      return { name: field.path, dtype: field.dtype, shape: field.interned?.frameShape ?? [], count: head - tail };
    }),
  };
}

/** What a manifest says about a buffer is not the caller's argument: where it cannot be, the manifest is wrong. */
function believing<T>(manifest: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isVarveError(error, "VARVE_INVALID_ARGUMENT")) throw error;
    throw new CorruptError(manifest, error.message, error);
  }
}

function assertCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError(name, "a non-negative integer", value);
}
