import type { FeatureEncoder } from "../environment.ts";

const SPANS = [5, 20, 60] as const;

// Prices drift out of the range of the training years (the index doubled after 2013): what lies beyond carries no more
// than "far outside", and a network never sees numbers of a size that it was not trained on.
const LIMIT = 5;

/**
 * Makes the encoder of a window of frames: the last day, and how far it lies from its means over 5, 20 and 60 days.
 *
 * A dense layer on the whole window would have 31 million weights at 504 × 108 × 9; this one sees 36 numbers an
 * instrument. Spans longer than the window are left out. Every number is clipped to [-5, 5].
 *
 * @param window - days in a window
 * @param columns - numbers a day: instruments × 9
 */
export function createWindowEncoder(window: number, columns: number): FeatureEncoder {
  const spans = SPANS.filter((days) => days <= window);
  const sums = new Float64Array(columns);
  return {
    featureCount: columns * (1 + spans.length),
    encode(observations, at, out, outAt) {
      const lastDay = at + (window - 1) * columns;
      for (let column = 0; column < columns; column += 1) {
        out[outAt + column] = clip(observations[lastDay + column] as number);
      }
      sums.fill(0);
      let days = 0;
      for (const [index, span] of spans.entries()) {
        for (; days < span; days += 1) {
          const day = lastDay - days * columns;
          for (let column = 0; column < columns; column += 1) {
            sums[column] = (sums[column] as number) + (observations[day + column] as number);
          }
        }
        const start = outAt + (1 + index) * columns;
        for (let column = 0; column < columns; column += 1) {
          out[start + column] = clip((observations[lastDay + column] as number) - (sums[column] as number) / span);
        }
      }
    },
  };
}

function clip(value: number): number {
  return Math.min(LIMIT, Math.max(-LIMIT, value));
}
