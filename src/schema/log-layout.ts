import type { DType } from "./dtype.ts";

/**
 * How a column is prepared for zstd. `shuffle` groups the bytes of equal significance; `delta-shuffle` first takes
 * differences of consecutive elements (for row numbers); `next-of` stores a row only where it is not the observation of the
 * same env's next row.
 */
export type Filter = "none" | "shuffle" | "delta-shuffle" | "next-of";

/** One column of a log. Element counts are per row. */
export interface Column {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one row; [] for a scalar. */
  readonly shape: readonly number[];
  readonly elementsPerRow: number;
  readonly bytesPerRow: number;
  /** Where the column starts in every block of the log, in bytes; a multiple of 8. */
  readonly offset: number;
  readonly filter: Filter;
  /** For `next-of`: the name of the observation column that the next row repeats. */
  readonly nextOf?: string;
}

/**
 * The layout of one log's blocks: columns one after another, `rowsPerBlock` rows each.
 *
 * ```
 *  block = | column 0: row 0, row 1, … | pad to 8 | column 1: row 0, row 1, … | pad to 8 | …
 *  row r of the log lies in segment floor(r / rowsPerBlock), at place r mod rowsPerBlock
 * ```
 */
export interface LogLayout {
  /** "transitions", or "frames/" or "slices/" and the observation field's name. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rowsPerBlock: number;
  readonly rowBytes: number;
  readonly blockBytes: number;
}

/** A view of rows [from, to) of a column, which must lie in one block. Rows count from the start of the log. */
export function columnBytes(
  layout: LogLayout,
  column: Column,
  memory: ArrayBufferLike,
  from: number,
  to: number,
): Uint8Array {
  const place = from % layout.rowsPerBlock;
  return new Uint8Array(memory, column.offset + place * column.bytesPerRow, (to - from) * column.bytesPerRow);
}
