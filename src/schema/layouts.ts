import { bytesPerElement, type DType } from "./dtype.ts";
import type { Field, FieldSet, ObservationField } from "./fields.ts";
import type { Column, Filter, LogLayout } from "./log-layout.ts";

/** Raw bytes of one block: a section's worth, and little enough to be encoded in a few milliseconds. */
const BLOCK_BYTES = 4 * 2 ** 20;
/** Closing a frames block takes its entries out of the hash table on the training thread: a bounded pause. */
const MAX_FRAMES_PER_BLOCK = 8192;
/** An eighth of the buffer per block keeps what is retired late to an eighth of it. */
const BLOCKS_PER_CAPACITY = 8;
const MIN_ROWS_PER_BLOCK = 16;

/** Ids are row numbers modulo 2^32: more frames than that may never be alive together. */
export const ID_RANGE: number = 2 ** 32;

/** The names of the columns that every transitions log has. */
export const builtIn: Readonly<Record<"reward" | "terminated" | "truncated" | "episodeStart" | "env", string>> = {
  reward: "reward",
  terminated: "terminated",
  truncated: "truncated",
  episodeStart: "episodeStart",
  env: "env",
};

/** The column of an inline observation field: `observation`, `observation.camera`, `nextObservation`, … */
export function inlineColumn(field: ObservationField, next: boolean): string {
  return next ? field.path.replace(/^observation/, "nextObservation") : field.path;
}

/**
 * The column that says with which slice a window begins: `slices.observation`, `slices.nextObservation.camera`, …
 * No extra can have such a name, and no inline column starts with `slices.`.
 */
export function slicesColumn(field: ObservationField, next: boolean): string {
  return `slices.${inlineColumn(field, next)}`;
}

/** What stands in its place where windows are read as ids of frames: `ids.observation`, `ids.nextObservation.camera`. */
export function idsColumn(field: ObservationField, next: boolean): string {
  return `ids.${inlineColumn(field, next)}`;
}

/** The columns of a slices log, by what they hold. */
export const sliceColumns: Readonly<Record<"start" | "count" | "step", string>> = {
  start: "start",
  count: "count",
  step: "step",
};

/**
 * Lays a declaration out in logs: `transitions` first, then the frames of each interned observation field, then the
 * slices of each.
 *
 * ```
 *  transitions:  action | reward f32 | terminated u8 | truncated u8 | episodeStart u8 | env u16 | extras …
 *                | per observation field: observation, nextObservation  (inline)
 *                |                    or: slices.observation, slices.nextObservation  u32  (interned)
 *  frames/name:  frame
 *  slices/name:  start u32 | count u16 | step i16      a window = frames start, start + step, … of slice after slice
 * ```
 *
 * @param capacity - of the buffer, in transitions: small buffers get small blocks
 * @param blockBytes - for tests: raw bytes that a block may hold at most, unless one row has more
 */
export function layOut(fields: FieldSet, capacity: number, blockBytes: number = BLOCK_BYTES): LogLayout[] {
  const share = Math.max(MIN_ROWS_PER_BLOCK, Math.ceil(capacity / BLOCKS_PER_CAPACITY));
  const transitions = makeLayout("transitions", transitionColumns(fields), blockBytes, share);
  const interned = fields.observations.flatMap(({ key, dtype, interned }) =>
    interned === null ? [] : [{ key, dtype, ...interned }],
  );
  const frameLogs = interned.map(({ key, dtype, frames, frameShape }) => {
    // Two windows at least: comparing follows runs of frames, and a run ends with its block.
    const most = Math.min(MAX_FRAMES_PER_BLOCK, Math.max(share, 2 * frames));
    return makeLayout(`frames/${key}`, [makeColumn("frame", dtype, frameShape)], blockBytes, most);
  });
  const sliceLogs = interned.map(({ key }) => makeLayout(`slices/${key}`, sliceDrafts, blockBytes, 4 * share));
  return [transitions, ...frameLogs, ...sliceLogs];
}

/** Frames that can be alive together, at most: those of two turnovers of the buffer (see frame-log.ts). */
export function mostLiveFrames(capacity: number, framesPerWindow: number): number {
  return 2 * capacity * 2 * framesPerWindow + 2 * MAX_FRAMES_PER_BLOCK;
}

/**
 * The largest capacity: row numbers are drawn as 31-bit integers, and ids of live frames must be distinct, as must be
 * the numbers of live slices, of which a window has one per frame at most.
 */
export function mostCapacity(fields: FieldSet): number {
  return fields.observations.reduce(
    (most, { interned }) => {
      if (interned === null) return most;
      return Math.min(most, Math.floor((ID_RANGE - mostLiveFrames(0, 1)) / (4 * interned.frames)));
    },
    2 ** 31 - 1,
  );
}

function transitionColumns(fields: FieldSet): ColumnDraft[] {
  const plain = (field: Field): ColumnDraft => makeColumn(field.path, field.dtype, field.shape);
  return [
    plain(fields.action),
    makeColumn(builtIn.reward, "float32", []),
    makeColumn(builtIn.terminated, "uint8", []),
    makeColumn(builtIn.truncated, "uint8", []),
    makeColumn(builtIn.episodeStart, "uint8", []),
    makeColumn(builtIn.env, "uint16", []),
    ...fields.extras.map(plain),
    ...fields.observations.flatMap(observationColumns),
  ];
}

function observationColumns(field: ObservationField): ColumnDraft[] {
  if (field.interned !== null) {
    return [false, true].map((next) => makeColumn(slicesColumn(field, next), "uint32", [], "delta-shuffle"));
  }
  const observation = makeColumn(inlineColumn(field, false), field.dtype, field.shape);
  const next = makeColumn(inlineColumn(field, true), field.dtype, field.shape, "next-of");
  return [observation, { ...next, nextOf: observation.name }];
}

type ColumnDraft = Omit<Column, "offset">;

const sliceDrafts: readonly ColumnDraft[] = [
  makeColumn(sliceColumns.start, "uint32", [], "delta-shuffle"),
  makeColumn(sliceColumns.count, "uint16", []),
  makeColumn(sliceColumns.step, "int16", []),
];

function makeColumn(name: string, dtype: DType, shape: readonly number[], filter?: Filter): ColumnDraft {
  const elementsPerRow = shape.reduce((product, length) => product * length, 1);
  const size = bytesPerElement(dtype);
  const bytesPerRow = elementsPerRow * size;
  return { name, dtype, shape, elementsPerRow, bytesPerRow, filter: filter ?? (size > 1 ? "shuffle" : "none") };
}

function makeLayout(name: string, drafts: readonly ColumnDraft[], blockBytes: number, mostRows: number): LogLayout {
  const rowBytes = drafts.reduce((sum, column) => sum + column.bytesPerRow, 0);
  const rowsPerBlock = Math.max(1, Math.min(Math.floor(blockBytes / rowBytes), mostRows));
  let offset = 0;
  const columns = drafts.map((draft): Column => {
    const column = { ...draft, offset };
    offset = roundUpTo8(offset + draft.bytesPerRow * rowsPerBlock);
    return column;
  });
  return { name, columns, rowsPerBlock, rowBytes, blockBytes: offset };
}

function roundUpTo8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
