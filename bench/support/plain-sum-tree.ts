/** A sum-tree as it is usually written. */
export class PlainSumTree {
  readonly #width: number;
  readonly #nodes: Float64Array;

  constructor(leafCount: number) {
    this.#width = 2 ** Math.ceil(Math.log2(leafCount));
    this.#nodes = new Float64Array(2 * this.#width);
  }

  get total(): number {
    return this.#nodes[1] as number;
  }

  get(leaf: number): number {
    return this.#nodes[this.#width + leaf] as number;
  }

  set(leaf: number, value: number): void {
    let node = this.#width + leaf;
    this.#nodes[node] = value;
    for (node >>= 1; node >= 1; node >>= 1) {
      this.#nodes[node] = (this.#nodes[2 * node] as number) + (this.#nodes[2 * node + 1] as number);
    }
  }

  find(sum: number): number {
    let rest = sum;
    let node = 1;
    while (node < this.#width) {
      node *= 2;
      const left = this.#nodes[node] as number;
      if (rest < left) continue;
      rest -= left;
      node += 1;
    }
    return node - this.#width;
  }
}
