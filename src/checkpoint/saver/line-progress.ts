/**
 * Bytes that move on the line to a store, as a sign that it is well although no request has ended yet.
 *
 * From a failure to the next answer none count: a store that takes every upload to its end and then refuses it moves bytes
 * for ever, and gets nowhere.
 */
export class LineProgress {
  readonly #movedBytes: () => number;
  #seenBytes: number;
  #countedBytes = 0;
  #isFailing = false;

  constructor(movedBytes: () => number) {
    this.#movedBytes = movedBytes;
    this.#seenBytes = movedBytes();
  }

  answered(): void {
    this.#skip();
    this.#isFailing = false;
  }

  failed(): void {
    this.#skip();
    this.#isFailing = true;
  }

  /** Never less than before. */
  bytes(): number {
    const moved = this.#movedBytes();
    if (!this.#isFailing) this.#countedBytes += Math.max(0, moved - this.#seenBytes);
    this.#seenBytes = moved;
    return this.#countedBytes;
  }

  #skip(): void {
    this.#seenBytes = this.#movedBytes();
  }
}
