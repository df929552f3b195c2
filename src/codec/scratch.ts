/** What is kept between calls: enough for the sections of 4 MiB that savers make. Anything larger is given back. */
const KEPT_BYTES = 8 * 1024 * 1024;

/**
 * Working memory of one thread that grows to what was asked for and is used again. One call's content is gone with
 * the next: never hold on to it, and never across an `await`.
 */
export class Scratch {
  #memory: ArrayBuffer = new ArrayBuffer(0);

  /** Memory of at least the given length, aligned to 8, with whatever was in it before. */
  take(byteLength: number): Uint8Array<ArrayBuffer> {
    if (byteLength > KEPT_BYTES) return new Uint8Array(byteLength);
    if (this.#memory.byteLength < byteLength) this.#memory = new ArrayBuffer(Math.max(byteLength, 64 * 1024));
    return new Uint8Array(this.#memory, 0, byteLength);
  }
}
