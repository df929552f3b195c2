import { sha256Hex } from "../../base/hash.ts";
import type { PriorityPagesMemory } from "../../buffer/contract.ts";
import { capturePriorityPage, pageRange } from "../../buffer/priority-pages.ts";
import type { TensorToEncode } from "./encode.ts";

/** One save is made while the next one waits; shared memory that was posted once is not freed soon anyway. */
const MAX_IDLE = 2;

/**
 * Copies the priorities of one buffer as they were at a snapshot, into memory that is used again: what of it was not
 * written since is right already, and has its hash. A save touches some hundred pages; a buffer may have thousands.
 */
export class PriorityCaptures {
  readonly #pages: PriorityPagesMemory;
  readonly #idle: PriorityCapture[] = [];

  constructor(pages: PriorityPagesMemory) {
    this.#pages = pages;
  }

  /** @param snapshot - one that this saver has not captured yet; later than those before */
  capture(snapshot: number): PriorityCapture {
    // The last of them was filled last.
    const capture = this.#idle.pop() ?? new PriorityCapture(this.#pages, (idle) => this.#giveBack(idle));
    capture.fill(snapshot);
    return capture;
  }

  #giveBack(capture: PriorityCapture): void {
    this.#idle.push(capture);
    this.#idle.sort((one, other) => one.snapshot - other.snapshot);
    if (this.#idle.length > MAX_IDLE) this.#idle.shift();
  }
}

/** The leaves of one snapshot, f64[leafCount] in pages. */
export class PriorityCapture {
  readonly #pages: PriorityPagesMemory;
  readonly #giveBack: (capture: PriorityCapture) => void;
  /** Shared, so that whoever encodes a page is handed no copy of them all. */
  readonly #leaves: Float64Array;
  readonly #hashes: (string | null)[];
  #snapshot = 0;
  #isHeld = false;

  constructor(pages: PriorityPagesMemory, giveBack: (capture: PriorityCapture) => void) {
    this.#pages = pages;
    this.#giveBack = giveBack;
    this.#leaves = new Float64Array(new SharedArrayBuffer(pages.leafCount * 8));
    this.#hashes = Array<null>(Math.ceil(pages.leafCount / pages.leavesPerPage)).fill(null);
  }

  /** The snapshot that it holds; 0 before the first. */
  get snapshot(): number {
    return this.#snapshot;
  }

  /** A page is as it was at the snapshot before, unless something was written to it after that: then `written` says so. */
  fill(snapshot: number): void {
    const pages = this.#pages;
    const written = new Int32Array(pages.written);
    for (let page = 0; page < this.#hashes.length; page++) {
      if (Atomics.load(written, page) < this.#snapshot) continue;
      capturePriorityPage(pages, page, snapshot, this.#leaves.subarray(page * pages.leavesPerPage));
      this.#hashes[page] = null;
    }
    this.#snapshot = snapshot;
    this.#isHeld = true;
  }

  /** Each page as a tensor, so that one that did not change is not stored again. Cost: SHA-256 over those that did. */
  tensors(): TensorToEncode[] {
    const memory = this.#leaves.buffer;
    return this.#hashes.map((known, page): TensorToEncode => {
      const [from, to] = pageRange(this.#pages, page);
      const sha256 = known ?? sha256Hex(new Uint8Array(memory, from * 8, (to - from) * 8));
      this.#hashes[page] = sha256;
      return { kind: "tensor", sha256, dtype: "float64", length: to - from, memory, byteOffset: from * 8 };
    });
  }

  /** The last read has been made. May be called more than once. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#giveBack(this);
  }
}
