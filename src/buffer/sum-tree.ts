/**
 * A complete binary tree of sums over f64 leaves.
 *
 * ```
 *            1: total
 *        2            3            node i has children 2i and 2i + 1
 *     4     5      6     7         leaf l is node width + l
 * ```
 *
 * A parent is always recomputed as left + right, never adjusted by a difference: so the tree depends on its leaves
 * alone, rounding included, and one that is rebuilt from saved leaves is bit-equal to the one that was saved.
 */
export class SumTree {
  readonly #width: number;
  readonly #nodes: Float64Array;

  constructor(leafCount: number) {
    let width = 1;
    while (width < leafCount) width *= 2;
    this.#width = width;
    this.#nodes = new Float64Array(2 * width);
  }

  get total(): number {
    return this.#nodes[1] as number;
  }

  get residentBytes(): number {
    return this.#nodes.byteLength;
  }

  get(leaf: number): number {
    return this.#nodes[this.#width + leaf] as number;
  }

  /** Cost: O(log leafCount). */
  set(leaf: number, value: number): void {
    const nodes = this.#nodes;
    let node = this.#width + leaf;
    nodes[node] = value;
    for (node >>>= 1; node >= 1; node >>>= 1) {
      nodes[node] = (nodes[2 * node] as number) + (nodes[2 * node + 1] as number);
    }
  }

  setAll(leaves: Float64Array): void {
    const nodes = this.#nodes;
    nodes.fill(0, this.#width);
    nodes.set(leaves, this.#width);
    for (let node = this.#width - 1; node >= 1; node--) {
      nodes[node] = (nodes[2 * node] as number) + (nodes[2 * node + 1] as number);
    }
  }

  /**
   * The leaf at which the running sum of leaves passes `sum`, which lies in [0, total).
   *
   * Never a leaf of 0 as long as total > 0: rounding may carry `sum` to the very end of a subtree, and an empty
   * subtree is not entered.
   */
  find(sum: number): number {
    const nodes = this.#nodes;
    let rest = sum;
    let node = 1;
    while (node < this.#width) {
      const left = nodes[2 * node] as number;
      const right = nodes[2 * node + 1] as number;
      if ((rest < left || right === 0) && left > 0) {
        node = 2 * node;
      } else {
        rest -= left;
        node = 2 * node + 1;
      }
    }
    return node - this.#width;
  }
}
