const BLOCKS = "▁▂▃▄▅▆▇█";

/** A row of blocks, one for each value, or for the mean of neighbours where there are more values than columns. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = resample(values, width);
  const { low, high } = boundsOf(shown);
  return shown
    .map((value) => {
      if (!Number.isFinite(value)) return " ";
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(share * BLOCKS.length))];
    })
    .join("");
}

/** @param share - 0..1; what lies outside is drawn as the nearest */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}

/** A dot of braille by its place in the cell: 2 columns, 4 rows. */
const DOTS: readonly (readonly number[])[] = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];
const EMPTY_CELL = 0x2800;

/**
 * Draws values over their index as lines of dots, 2 × 4 to a character. Values that are not finite leave a gap.
 *
 * @param width - in characters
 * @param height - in rows of characters
 * @param bounds - of the axis; those of the values by default
 */
export function linePlot(
  values: readonly number[],
  width: number,
  height: number,
  bounds: { readonly low: number; readonly high: number } = boundsOf(values),
): string[] {
  const [columns, rows] = [2 * width, 4 * height];
  const cells = Array.from({ length: height }, () => new Uint8Array(width));
  const heightOf = (value: number): number => {
    const share = bounds.high > bounds.low ? (value - bounds.low) / (bounds.high - bounds.low) : 0.5;
    return Math.min(rows - 1, Math.max(0, Math.round((1 - share) * (rows - 1))));
  };
  let before: number | null = null;
  for (const [column, value] of stretch(values, columns).entries()) {
    const row = Number.isFinite(value) ? heightOf(value) : null;
    if (row !== null) {
      // A steep step is a vertical line, not two dots far apart.
      const from = before === null || before === row ? row : before + Math.sign(row - before);
      for (let y = Math.min(from, row); y <= Math.max(from, row); y++) setDot(cells, column, y);
    }
    before = row;
  }
  return cells.map((cell) => String.fromCharCode(...Array.from(cell, (dots) => EMPTY_CELL + dots)));
}

function setDot(cells: readonly Uint8Array[], x: number, y: number): void {
  const cell = cells[y >> 2] as Uint8Array;
  cell[x >> 1] = (cell[x >> 1] as number) | ((DOTS[y & 3] as readonly number[])[x & 1] as number);
}

/** The smallest and largest finite value; 0 and 0 where there is none. */
export function boundsOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** One value for each column: the mean of those that fall on it, or the nearest. */
function stretch(values: readonly number[], columns: number): number[] {
  if (values.length === 0) return [];
  if (values.length > columns) return resample(values, columns);
  const last = values.length - 1;
  return Array.from({ length: columns }, (_, column) => {
    const at = (column / Math.max(1, columns - 1)) * last;
    const [low, high] = [values[Math.floor(at)] as number, values[Math.ceil(at)] as number];
    return low + (high - low) * (at - Math.floor(at));
  });
}

function resample(values: readonly number[], columns: number): number[] {
  if (values.length <= columns) return [...values];
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.floor(((column + 1) * values.length) / columns);
    const some = values.slice(from, to).filter((value) => Number.isFinite(value));
    return some.length === 0 ? Number.NaN : some.reduce((sum, value) => sum + value, 0) / some.length;
  });
}
