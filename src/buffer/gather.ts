import type { TypedArray } from "../schema/dtype.ts";
import type { Column } from "../schema/log-layout.ts";
import type { Block } from "./block-pool.ts";
import type { Log } from "./log.ts";

/** Rows longer than this are copied by a native call each, shorter ones in a loop. */
const LOOP_UP_TO_BYTES = 256;

/** Rows of the transitions log, looked up once for all columns. */
export class RowSelection {
  count = 0;
  readonly blocks: Block[] = [];
  places: Int32Array = new Int32Array(256);

  /** @param rows - absolute, each in [tail, head) of the log */
  select(log: Log, rows: ArrayLike<number>): void {
    this.count = rows.length;
    if (this.places.length < rows.length) this.places = new Int32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      this.blocks[i] = log.blockOf(row);
      this.places[i] = row % log.rowsPerBlock;
    }
  }
}

/**
 * Copies a column of the selected rows to `out`, one after another.
 *
 * By 32-bit words or bytes, whatever the dtype: one loop that the engine compiles for one kind of array.
 */
export function gatherColumn(selection: RowSelection, column: Column, out: TypedArray): void {
  const bytes = column.bytesPerRow;
  if (bytes > LOOP_UP_TO_BYTES) gatherLong(selection, column, out);
  else if (bytes % 4 === 0 && out.byteOffset % 4 === 0) gatherWords(selection, column, out);
  else gatherBytes(selection, column, out);
}

/** A view of a typed array's bytes. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function gatherWords({ count, blocks, places }: RowSelection, column: Column, out: TypedArray): void {
  const words = column.bytesPerRow / 4;
  const start = column.offset / 4;
  const target = new Uint32Array(out.buffer, out.byteOffset, count * words);
  if (words === 1) {
    for (let i = 0; i < count; i++) target[i] = (blocks[i] as Block).words[start + (places[i] as number)] as number;
    return;
  }
  let at = 0;
  for (let i = 0; i < count; i++) {
    const source = (blocks[i] as Block).words;
    const from = start + (places[i] as number) * words;
    for (let k = 0; k < words; k++) target[at + k] = source[from + k] as number;
    at += words;
  }
}

function gatherBytes({ count, blocks, places }: RowSelection, column: Column, out: TypedArray): void {
  const { bytesPerRow, offset } = column;
  const target = bytesOf(out);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const source = (blocks[i] as Block).bytes;
    const from = offset + (places[i] as number) * bytesPerRow;
    for (let k = 0; k < bytesPerRow; k++) target[at + k] = source[from + k] as number;
    at += bytesPerRow;
  }
}

function gatherLong({ count, blocks, places }: RowSelection, column: Column, out: TypedArray): void {
  const { bytesPerRow, offset } = column;
  const target = bytesOf(out);
  for (let i = 0; i < count; i++) {
    const from = offset + (places[i] as number) * bytesPerRow;
    (blocks[i] as Block).bytes.copy(target, i * bytesPerRow, from, from + bytesPerRow);
  }
}
