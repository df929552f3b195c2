import { InvalidArgumentError } from "../errors.ts";
import type { PrioritizedDescription } from "./contract.ts";
import { PriorityPages } from "./priority-pages.ts";
import type { Savers } from "./savers.ts";
import { SumTree } from "./sum-tree.ts";

/** Settings of prioritised replay. */
export interface PrioritizedOptions {
  /** How much priorities count: 0 (uniform) to 1 (proportional); 0.6 by default. */
  readonly alpha?: number | undefined;
  /** How much importance weights correct for it: 0 (not) to 1 (fully); 0.4 by default. */
  readonly beta?: number | undefined;
}

/** Keeps a row with a TD error of 0 reachable. Source: Schaul et al. 2016, section 3.3, proportional variant. */
const PRIORITY_EPSILON = 1e-6;
/** Beyond it training has diverged; up to it, sums stay finite and importance weights do not round to 0. */
const MAX_TD_ERROR = 1e30;
const FIRST_PRIORITY = 1;

/** Priorities of the rows in a buffer: the sum-tree, its shared mirror, and what new rows get. */
export class Priorities {
  readonly alpha: number;
  readonly beta: number;
  readonly #capacity: number;
  readonly #tree: SumTree;
  readonly #pages: PriorityPages;
  #max = FIRST_PRIORITY;
  #maxLeaf = FIRST_PRIORITY;
  #ignored = 0;

  constructor(options: PrioritizedOptions, capacity: number, savers: Savers, pinnedBytes: () => number) {
    this.alpha = assertUnit("prioritized.alpha", options.alpha ?? 0.6);
    this.beta = assertUnit("prioritized.beta", options.beta ?? 0.4);
    this.#capacity = capacity;
    this.#tree = new SumTree(capacity);
    this.#pages = new PriorityPages(capacity, savers, pinnedBytes);
  }

  get tree(): SumTree {
    return this.#tree;
  }

  /** The largest priority so far, not raised to alpha. */
  get max(): number {
    return this.#max;
  }

  /** Updates ignored because their rows were gone. */
  get ignored(): number {
    return this.#ignored;
  }

  get description(): PrioritizedDescription {
    return { alpha: this.alpha, beta: this.beta, pages: this.#pages.memory };
  }

  get residentBytes(): number {
    return this.#tree.residentBytes + this.#pages.residentBytes;
  }

  /** Gives a new row the largest priority so far, so that it is seen at least once. */
  admit(row: number): void {
    this.#setLeaf(row % this.#capacity, this.#maxLeaf);
  }

  /** @param head - of the transitions; rows in [0, tail) are ignored and counted */
  update(indices: ArrayLike<number>, tdErrors: ArrayLike<number>, tail: number, head: number): void {
    assertUpdate(indices, tdErrors, head);
    for (let i = 0; i < indices.length; i++) {
      const row = indices[i] as number;
      if (row < tail) {
        this.#ignored += 1;
        continue;
      }
      const priority = Math.abs(tdErrors[i] as number) + PRIORITY_EPSILON;
      const leaf = priority ** this.alpha;
      if (priority > this.#max) {
        this.#max = priority;
        this.#maxLeaf = leaf;
      }
      this.#setLeaf(row % this.#capacity, leaf);
    }
  }

  clear(): void {
    this.restore(new Float64Array(0), 0, FIRST_PRIORITY, 0);
  }

  /** @param leaves - of rows [tail, tail + leaves.length) */
  restore(leaves: Float64Array, tail: number, max: number, ignored: number): void {
    const all = new Float64Array(this.#capacity);
    for (let i = 0; i < leaves.length; i++) all[(tail + i) % this.#capacity] = leaves[i] as number;
    this.#tree.setAll(all);
    this.#pages.writeAll(all);
    this.#max = max;
    this.#maxLeaf = max ** this.alpha;
    this.#ignored = ignored;
  }

  #setLeaf(leaf: number, value: number): void {
    this.#tree.set(leaf, value);
    this.#pages.write(leaf, value);
  }
}

export function assertUnit(path: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError(path, "a number from 0 to 1", value);
  }
  return value;
}

/** Everything is looked at before anything is changed. */
function assertUpdate(indices: ArrayLike<number>, tdErrors: ArrayLike<number>, head: number): void {
  assertNumbers("indices", indices);
  assertNumbers("tdErrors", tdErrors);
  if (indices.length !== tdErrors.length) {
    throw new InvalidArgumentError("tdErrors", `as long as indices (${indices.length})`, tdErrors);
  }
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number;
    const tdError = tdErrors[i] as number;
    if (!(Number.isSafeInteger(row) && row >= 0 && row < head)) {
      throw new InvalidArgumentError(`indices[${i}]`, `a row number from 0 to ${head - 1}`, row);
    }
    if (typeof tdError !== "number" || !(Math.abs(tdError) <= MAX_TD_ERROR)) {
      throw new InvalidArgumentError(`tdErrors[${i}]`, `a number of at most ${MAX_TD_ERROR} in size`, tdError);
    }
  }
}

function assertNumbers(path: string, value: unknown): void {
  const isNumeric = ArrayBuffer.isView(value) && "length" in value && !value.constructor.name.startsWith("Big");
  if (!isNumeric && !Array.isArray(value)) {
    throw new InvalidArgumentError(path, "a typed array or array of numbers", value);
  }
}
