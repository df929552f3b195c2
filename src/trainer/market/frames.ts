/** Mean and standard deviation of every column of a frame, fixed for a whole run. */
export interface FrameStatistics {
  /** [columns] */
  readonly mean: Float64Array;
  /** [columns]; 1 where a column never changes */
  readonly deviation: Float64Array;
}

/**
 * Measures the columns of `values` over days [from, to); NaN is left out.
 *
 * @param values - [days × columns]
 */
export function measureFrames(values: Float64Array, columns: number, from: number, to: number): FrameStatistics {
  const mean = new Float64Array(columns);
  const deviation = new Float64Array(columns);
  for (let column = 0; column < columns; column += 1) {
    let count = 0;
    let sum = 0;
    for (let day = from; day < to; day += 1) {
      const value = values[day * columns + column] as number;
      if (Number.isNaN(value)) continue;
      count += 1;
      sum += value;
    }
    const average = count === 0 ? 0 : sum / count;
    let squares = 0;
    for (let day = from; day < to; day += 1) {
      const value = values[day * columns + column] as number;
      if (!Number.isNaN(value)) squares += (value - average) ** 2;
    }
    mean[column] = average;
    deviation[column] = Math.sqrt(squares / Math.max(1, count)) || 1;
  }
  return { mean, deviation };
}

/**
 * Normalises every day by the same statistics, so that a day is the same frame in every window that holds it.
 * NaN becomes 0, the mean.
 *
 * @returns [days × columns] f32
 */
export function normalizeFrames(values: Float64Array, columns: number, statistics: FrameStatistics): Float32Array {
  const frames = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const column = at % columns;
    const value =
      ((values[at] as number) - (statistics.mean[column] as number)) / (statistics.deviation[column] as number);
    frames[at] = Number.isNaN(value) ? 0 : value;
  }
  return frames;
}
