/** Adds up what one part of the crash tests did, and tells it in one line when it is over. */
export class Summary {
  readonly #title: string;
  readonly #unit: string;
  readonly #seed: number | null;
  readonly #startedMs = performance.now();
  #count = 0;

  /** @param unit - what is counted, such as "kill points" */
  constructor(title: string, unit: string, seed: number | null = null) {
    this.#title = title;
    this.#unit = unit;
    this.#seed = seed;
  }

  get count(): number {
    return this.#count;
  }

  add(count: number): void {
    this.#count += count;
  }

  tell(skips = 0): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    const seed = this.#seed === null ? "no seed: every one" : `seed ${this.#seed}`;
    console.log(`SUMMARY ${this.#title}: ${this.#count} ${this.#unit}, ${seconds} s, ${skips} skips, ${seed}`);
  }
}
