import { freeMemory } from "../../../base/memory.ts";

/** What is sent next to each other is mostly of about the same size: all of it gets memory of the same size. */
const LEAST_STEP_BYTES = 64 * 1024;

/** One is given back before the next is taken: more would lie about where sizes change. */
const MOST_SPARE = 2;

/**
 * Memory of files that were sent, for those that come next. V8 marks the heap for every 64 MiB that are allocated, with
 * threads that have the priority of training: for files of 16 MiB, eight times a second. Kept only while others are under
 * way.
 */
export class SpareMemory {
  readonly #spare: ArrayBuffer[] = [];
  #taken = 0;

  /** Memory of this length for one user, with whatever was in it; ends with `giveBack` or `drop`. */
  take(byteLength: number): Uint8Array<ArrayBuffer> {
    const capacity = roundUp(byteLength);
    const index = this.#spare.findIndex((memory) => memory.byteLength === capacity);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    const bytes = new Uint8Array(spare ?? Buffer.allocUnsafeSlow(capacity).buffer, 0, byteLength);
    this.#taken++;
    return bytes;
  }

  /** Nobody reads it any more. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#spare.push(buffer);
    this.drop();
  }

  /** A connection may still hold some of it: it is left to V8. */
  drop(): void {
    this.#taken--;
    // Those of a size that comes no more go first.
    while (this.#spare.length > Math.min(this.#taken, MOST_SPARE)) freeMemory(this.#spare.shift() as ArrayBuffer);
  }
}

/** To a quarter of the power of two that it holds. */
function roundUp(byteLength: number): number {
  const step = Math.max(2 ** Math.floor(Math.log2(Math.max(byteLength, 1))) / 4, LEAST_STEP_BYTES);
  return Math.ceil(byteLength / step) * step;
}
