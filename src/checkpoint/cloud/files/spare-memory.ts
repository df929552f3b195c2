import { freeMemory } from "../../../base/memory.ts";

/** Files of about the same size get memory of the same size. */
const STEP_BYTES = 1024 * 1024;

/**
 * Memory of files that were sent, for those that come next. V8 marks the heap for every 64 MiB that are allocated, with
 * threads that have the priority of training: for files of 16 MiB, eight times a second. Kept only while other files are
 * under way, and no more pieces than those have.
 */
export class SpareMemory {
  readonly #spare: ArrayBuffer[] = [];
  #taken = 0;

  /** Memory of this length for one user, with whatever was in it; ends with `giveBack` or `drop`. */
  take(byteLength: number): Uint8Array<ArrayBuffer> {
    const capacity = Math.ceil(byteLength / STEP_BYTES) * STEP_BYTES;
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
    // As many as are in use at most: those of a size that comes no more go first.
    while (this.#spare.length > this.#taken) freeMemory(this.#spare.shift() as ArrayBuffer);
  }
}
