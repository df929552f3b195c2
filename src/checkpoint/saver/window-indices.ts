import { CorruptError } from "../../errors.ts";
import { sliceColumns } from "../../schema/layouts.ts";
import { type DecodedRows, type OpenLog, rowOf } from "./read-log.ts";

/** The logs of an interned observation field, and how many frames a window of it has. */
export interface WindowLogs {
  readonly frames: OpenLog;
  readonly slices: OpenLog;
  readonly length: number;
}

/** Decoded rows of a log, that of the given row among them. */
type ReadRows = (log: OpenLog, row: number) => Promise<DecodedRows>;

/**
 * Puts windows together from their slices.
 *
 * @param firsts - for each window, which slice it begins with, as its transition has it
 * @returns the frames of one window after another, as indices that count from the oldest frame held
 * @throws CorruptError where slices or frames are not there, or do not make up a window
 */
export async function readWindowIndices(
  { frames, slices, length }: WindowLogs,
  firsts: Uint32Array,
  read: ReadRows,
): Promise<Uint32Array> {
  const indices = new Uint32Array(firsts.length * length);
  let at = 0;
  let reader: SliceReader | null = null;
  for (const first of firsts) {
    let slice = rowOf(slices, first);
    for (const end = at + length; at < end; slice++) {
      if (!reader?.has(slice)) {
        if (slice >= slices.head) throw corrupt(slices, `slice ${slice} is named and not held`);
        reader = new SliceReader(await read(slices, slice), slice);
      }
      const { start, count, step } = reader.at(slice);
      if (count === 0 || at + count > end) throw corrupt(slices, `slice ${slice} does not end where its window does`);
      const row = rowOf(frames, start);
      const last = row + (count - 1) * step;
      if (last < frames.tail || last >= frames.head) throw corrupt(frames, `row ${last} is named and not held`);
      for (let i = 0; i < count; i++) indices[at + i] = row + i * step - frames.tail;
      at += count;
    }
  }
  return indices;
}

/** The slices of decoded rows, from the row on that they were read for: only that far their pack counts. */
class SliceReader {
  readonly #rows: DecodedRows;
  readonly #from: number;
  readonly #start: DataView;
  readonly #count: DataView;
  readonly #step: DataView;

  constructor(rows: DecodedRows, from: number) {
    this.#rows = rows;
    this.#from = from;
    const view = (name: string): DataView => {
      // What was stored as it is lies in its pack wherever that had room, which need not be a multiple of 4.
      const { buffer, byteOffset, byteLength } = rows.columns.get(name) as Uint8Array;
      return new DataView(buffer, byteOffset, byteLength);
    };
    this.#start = view(sliceColumns.start);
    this.#count = view(sliceColumns.count);
    this.#step = view(sliceColumns.step);
  }

  has(slice: number): boolean {
    return this.#from <= slice && slice < this.#rows.to;
  }

  at(slice: number): { readonly start: number; readonly count: number; readonly step: number } {
    const place = slice - this.#rows.from;
    return {
      start: this.#start.getUint32(4 * place, true),
      count: this.#count.getUint16(2 * place, true),
      step: this.#step.getInt16(2 * place, true),
    };
  }
}

function corrupt({ name, manifest }: OpenLog, what: string): CorruptError {
  return new CorruptError(`${name} of checkpoint ${manifest.sequence}`, what);
}
