import type { Random } from "../base/random.ts";
import type { Priorities } from "./priorities.ts";

/** Rows [tail, tail + size) of the transitions log, and how to draw from them. */
export interface DrawRange {
  readonly tail: number;
  readonly size: number;
}

/** Draws rows, all equally likely. */
export function drawUniform(random: Random, range: DrawRange, replace: boolean, rows: Float64Array): void {
  if (replace) {
    for (let i = 0; i < rows.length; i++) rows[i] = range.tail + random.int(range.size);
    return;
  }
  // Fisher-Yates on a range of which only the places that were swapped are written down.
  const moved = new Map<number, number>();
  for (let i = 0; i < rows.length; i++) {
    const j = i + random.int(range.size - i);
    rows[i] = range.tail + (moved.get(j) ?? j);
    moved.set(j, moved.get(i) ?? i);
  }
}

/**
 * Draws rows with probability proportional to priority^alpha.
 *
 * With replacement: one row from each of n equal strata of the total, as in the paper; every row still comes with
 * its probability, and the batch varies less. Without: one after another, each from what is left.
 *
 * Source: Schaul et al. 2016, eq. 1 and appendix B.2.1.
 */
export function drawPrioritized(
  random: Random,
  range: DrawRange,
  capacity: number,
  priorities: Priorities,
  replace: boolean,
  rows: Float64Array,
): void {
  const { tree } = priorities;
  const leafOfTail = range.tail % capacity;
  const rowOf = (leaf: number): number => range.tail + ((leaf - leafOfTail + capacity) % capacity);
  if (replace) {
    const stratum = tree.total / rows.length;
    for (let i = 0; i < rows.length; i++) rows[i] = rowOf(tree.find((i + random.uniform()) * stratum));
    return;
  }
  const taken = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const leaf = tree.find(random.uniform() * tree.total);
    rows[i] = rowOf(leaf);
    taken[i] = tree.get(leaf);
    tree.set(leaf, 0);
  }
  for (let i = 0; i < rows.length; i++) tree.set((rows[i] as number) % capacity, taken[i] as number);
}

/**
 * Importance weights (size × P(row))^-beta, divided by the largest of the batch: in (0, 1], the rarest row has 1.
 *
 * Source: Schaul et al. 2016, section 3.4. The size and the total cancel out in the division.
 */
export function weigh(
  priorities: Priorities,
  capacity: number,
  rows: Float64Array,
  beta: number,
  out: Float32Array,
): void {
  const { tree } = priorities;
  let smallest = Number.POSITIVE_INFINITY;
  for (const row of rows) smallest = Math.min(smallest, tree.get(row % capacity));
  for (let i = 0; i < rows.length; i++) out[i] = (smallest / tree.get((rows[i] as number) % capacity)) ** beta;
}
