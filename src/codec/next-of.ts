import { Scratch } from "./scratch.ts";

/**
 * The filter for inline next observations: most of them are the observation of the same env's next row, and are not
 * stored. The relation looks no further than the rows of its own section, and compares bytes, so that NaN and -0
 * survive. The result is
 *
 *   bitmap, ceil(rows / 8) bytes: bit (r mod 8) of byte floor(r / 8) is 1 where row r is stored
 *   the stored rows, one after another
 */
export interface NextOfRows {
  readonly rows: number;
  readonly rowBytes: number;
  readonly observation: Uint8Array;
  readonly env: Uint16Array;
}

const ENV_COUNT = 65_536;
const scratch = new Scratch();
const aheadScratch = new Scratch();
/** For every env, one more than the row of it that was met last; 0 = none yet. */
const latestRow = new Int32Array(ENV_COUNT);

export function bitmapBytes(rows: number): number {
  return Math.ceil(rows / 8);
}

/** How many rows a bitmap marks as stored; bits beyond the last row count too, so that a wrong one is noticed. */
export function countStored(bitmap: Uint8Array): number {
  let count = 0;
  for (const byte of bitmap) {
    for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  }
  return count;
}

/**
 * @param next - the next observations of the rows
 * @returns the bitmap and the stored rows; `stored` is scratch memory, valid until the next call
 */
export function encodeNextOf(
  next: Uint8Array,
  { rows, rowBytes, observation, env }: NextOfRows,
): { bitmap: Uint8Array; stored: Uint8Array } {
  const bitmap = new Uint8Array(bitmapBytes(rows));
  const { left, right, width } = inCells(next, observation, rowBytes);
  const ahead = howFarAhead(env, rows);
  for (let row = 0; row < rows; row++) {
    const distance = ahead[row] as number;
    if (distance === 0 || !isSameRow(left, row * width, right, (row + distance) * width, width)) {
      bitmap[row >>> 3] = (bitmap[row >>> 3] as number) | (1 << (row & 7));
    }
  }
  const stored = scratch.take(countStored(bitmap) * rowBytes);
  let offset = 0;
  eachStoredRun(bitmap, rows, (from, to) => {
    stored.set(next.subarray(from * rowBytes, to * rowBytes), offset);
    offset += (to - from) * rowBytes;
  });
  return { bitmap, stored };
}

/**
 * Rebuilds the next observations.
 *
 * @returns false if the bitmap leaves out a row that no later row of its env can give; `target` is then half done
 */
export function decodeNextOf(bitmap: Uint8Array, stored: Uint8Array, source: NextOfRows, target: Uint8Array): boolean {
  const { rows, rowBytes, observation, env } = source;
  const { left, right, width } = inCells(target, observation, rowBytes);
  const ahead = howFarAhead(env, rows);
  for (let row = 0; row < rows; ) {
    const distance = ahead[row] as number;
    const from = row++;
    if (isMarked(bitmap, from)) continue;
    if (distance === 0) return false;
    while (row < rows && ahead[row] === distance && !isMarked(bitmap, row)) row += 1;
    copyCells(right, (from + distance) * width, left, from * width, (row - from) * width);
  }
  let offset = 0;
  eachStoredRun(bitmap, rows, (from, to) => {
    const length = (to - from) * rowBytes;
    target.set(stored.subarray(offset, offset + length), from * rowBytes);
    offset += length;
  });
  return true;
}

/** For every row, how many rows later that of the same env comes which is next; 0 where none does. Scratch memory. */
function howFarAhead(env: Uint16Array, rows: number): Int32Array {
  const memory = aheadScratch.take(rows * 4);
  const ahead = new Int32Array(memory.buffer, 0, rows);
  latestRow.fill(0);
  for (let row = rows - 1; row >= 0; row--) {
    const of = env[row] as number;
    const following = latestRow[of] as number;
    ahead[row] = following === 0 ? 0 : following - 1 - row;
    latestRow[of] = row + 1;
  }
  return ahead;
}

function isMarked(bitmap: Uint8Array, row: number): boolean {
  return (((bitmap[row >>> 3] as number) >>> (row & 7)) & 1) === 1;
}

type Cells = Uint8Array | Int32Array;

/** Both arrays in words of 4 bytes where lengths and addresses allow, else in bytes; `width` is that of a row. */
function inCells(a: Uint8Array, b: Uint8Array, rowBytes: number): { left: Cells; right: Cells; width: number } {
  const isEven = rowBytes % 4 === 0 && a.byteOffset % 4 === 0 && b.byteOffset % 4 === 0;
  if (!isEven) return { left: a, right: b, width: rowBytes };
  const toWords = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return { left: toWords(a), right: toWords(b), width: rowBytes / 4 };
}

/** Up to so many a loop beats a call into native code: where envs step in turns all rows are copied in one. */
const LOOP_CELLS = 64;

function isSameRow(left: Cells, at: number, right: Cells, from: number, width: number): boolean {
  for (let i = 0; i < width; i++) if (left[at + i] !== right[from + i]) return false;
  return true;
}

function copyCells(source: Cells, from: number, target: Cells, to: number, count: number): void {
  if (count > LOOP_CELLS) target.set(source.subarray(from, from + count), to);
  else for (let i = 0; i < count; i++) target[to + i] = source[from + i] as number;
}

/** Calls back with every run [from, to) of rows that the bitmap marks as stored. */
function eachStoredRun(bitmap: Uint8Array, rows: number, visit: (from: number, to: number) => void): void {
  let from = -1;
  for (let row = 0; row < rows; row++) {
    if (isMarked(bitmap, row)) {
      if (from < 0) from = row;
    } else if (from >= 0) {
      visit(from, row);
      from = -1;
    }
  }
  if (from >= 0) visit(from, rows);
}
