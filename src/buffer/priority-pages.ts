import type { PriorityPagesMemory } from "./contract.ts";
import type { Savers } from "./savers.ts";

/*
 * Leaves of the sum-tree in shared pages, copied once before the first write after a snapshot.
 *
 *   live     | page 0        | page 1        | page 2        | …     the training thread writes, savers read
 *   shadow   | page 0        | page 1        | page 2        | …     what each page held at snapshot tags[page]
 *   tags     |   7           |   0           |   9           | …
 *
 *   training thread, first write to page P after       saver, for snapshot k
 *   the newest snapshot k
 *     1. shadow of P still needed? (tagged t, and        1. copy live page P
 *        a saver has not captured t yet) → wait          2. full barrier
 *     2. copy live page P to its shadow                  3. tags[P] >= k ?  → take the shadow instead
 *     3. tags[P] = k, full barrier                       4. after all pages: captured = k
 *     4. write the leaf
 *
 * Why it holds. If the saver's copy of live saw any part of a write that came after snapshot k, then step 3 of the
 * writer came before that write, and the saver, reading the tag after its copy, sees tags[P] >= k. The shadow is then
 * what P held at k: the first writer after k put it there, and no later snapshot overwrites it before this saver has
 * captured k (step 1 of the writer). A tag t > k is as good as k: the page was not written between the two, or the
 * shadow of k would have had to be given up first. `full` notices carry no priorities and do not count here.
 *
 * A saver that keeps what it copied for snapshot j need not copy a page again for k while written[P] < j: the training
 * thread stores there the newest snapshot before it writes. What was written before k was stored before the saver heard
 * of k. What comes later may or may not be seen, and does not matter: then the page is copied as above.
 */

export const LEAVES_PER_PAGE = 4096;

/** How long one sleep of the training thread lasts at most while it waits for a saver, in ms. */
const WAIT_STEP_MS = 2;
/** How often the owner of a saver is asked whether it is still alive, in ms. */
const ASK_EVERY_MS = 50;

/** The training thread's side: every write to a leaf goes through here. */
export class PriorityPages {
  readonly memory: PriorityPagesMemory;
  readonly #savers: Savers;
  readonly #pinnedBytes: () => number;
  readonly #live: Float64Array;
  readonly #shadow: Float64Array;
  readonly #tags: Int32Array;
  /** Per page, the newest snapshot after which it was written: until the next one, it may be written again. */
  readonly #written: Int32Array;

  /** @param pinnedBytes - for savers without `onCaptureWait` */
  constructor(leafCount: number, savers: Savers, pinnedBytes: () => number) {
    const pageCount = Math.ceil(leafCount / LEAVES_PER_PAGE);
    this.#savers = savers;
    this.#pinnedBytes = pinnedBytes;
    this.memory = {
      leafCount,
      leavesPerPage: LEAVES_PER_PAGE,
      live: new SharedArrayBuffer(leafCount * 8),
      shadow: new SharedArrayBuffer(leafCount * 8),
      tags: new SharedArrayBuffer(pageCount * 4),
      written: new SharedArrayBuffer(pageCount * 4),
    };
    this.#live = new Float64Array(this.memory.live);
    this.#shadow = new Float64Array(this.memory.shadow);
    this.#tags = new Int32Array(this.memory.tags);
    this.#written = new Int32Array(this.memory.written);
  }

  get residentBytes(): number {
    const { live, shadow, tags, written } = this.memory;
    return live.byteLength + shadow.byteLength + tags.byteLength + written.byteLength;
  }

  write(leaf: number, value: number): void {
    const page = Math.floor(leaf / LEAVES_PER_PAGE);
    if (this.#written[page] !== this.#savers.newestSnapshot) this.#preserve(page);
    this.#live[leaf] = value;
  }

  /** Writes all leaves. */
  writeAll(leaves: Float64Array): void {
    for (let page = 0; page < this.#written.length; page++) {
      this.#preserve(page);
      const [from, to] = pageRange(this.memory, page);
      this.#live.set(leaves.subarray(from, to), from);
    }
  }

  #preserve(page: number): void {
    const newest = this.#savers.newestSnapshot;
    if (this.#written[page] !== newest && this.#savers.uncaptured(newest).length > 0) {
      this.#waitUntilCaptured(this.#tags[page] as number);
      const [from, to] = pageRange(this.memory, page);
      this.#shadow.set(this.#live.subarray(from, to), from);
      // An exchange, not a store: the write that follows must not become visible before the tag.
      Atomics.exchange(this.#tags, page, newest);
    }
    this.#written[page] = newest;
  }

  #waitUntilCaptured(tag: number): void {
    let waitedMs = 0;
    for (;;) {
      const saver = this.#savers.uncaptured(tag)[0];
      if (saver === undefined) return;
      Atomics.wait(saver.captured, 0, Atomics.load(saver.captured, 0), WAIT_STEP_MS);
      waitedMs += WAIT_STEP_MS;
      if (waitedMs % ASK_EVERY_MS === 0) saver.pressForCapture(waitedMs, this.#pinnedBytes());
    }
  }
}

/** Leaves [from, to) of a page; the last page may be short. */
export function pageRange(memory: PriorityPagesMemory, page: number): readonly [from: number, to: number] {
  const from = page * memory.leavesPerPage;
  return [from, Math.min(from + memory.leavesPerPage, memory.leafCount)];
}

/**
 * A saver's side: copies one page as it was at a snapshot that it has not captured yet.
 *
 * @param out - f64, at least as long as the page; filled from its start
 * @returns the number of leaves copied
 */
export function capturePriorityPage(
  memory: PriorityPagesMemory,
  page: number,
  snapshot: number,
  out: Float64Array,
): number {
  const [from, to] = pageRange(memory, page);
  out.set(new Float64Array(memory.live, from * 8, to - from));
  // A read-modify-write, not a load: the copy above must be complete before the tag is looked at.
  const tag = Atomics.add(new Int32Array(memory.tags), page, 0);
  if (tag >= snapshot) out.set(new Float64Array(memory.shadow, from * 8, to - from));
  return to - from;
}
