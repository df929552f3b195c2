import { ID_RANGE } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { LogBounds } from "../schema/snapshot.ts";
import { Block } from "./block-pool.ts";
import { hashFrame } from "./frame-hash.ts";
import { FrameTable } from "./frame-table.ts";
import { Log, type LogHost } from "./log.ts";

/** A block of frames, with what is known of each. */
export class FrameBlock extends Block {
  readonly hashes: Uint32Array;
  /** The id of the frame that followed last time; of a new frame, the next id. */
  readonly successors: Uint32Array;
  /** Transitions that had been added when the oldest frame here that is open to reuse could be stored. */
  openedAt = 0;
  /** The newest transition that references a frame here; -1 = none. */
  lastReferenced = -1;

  constructor(number: number, layout: LogLayout) {
    super(number, layout);
    this.hashes = new Uint32Array(layout.rowsPerBlock);
    this.successors = new Uint32Array(layout.rowsPerBlock);
  }
}

/**
 * The frames of one observation field, each stored once, and which of them may be referenced again.
 *
 * ```
 *       tail                     floor                         head
 *        |  referenced, closed     |  open to reuse              |
 *        |  to reuse: not in the   |  in the table: hash → id    |
 *        |  table any more         |                             |
 *        |   block   |   block   |   block   |   block   |   block   |
 * ```
 *
 * **Frames die in order.** A block is closed to reuse once `capacity` transitions have been added since it was
 * opened, and a transition lives for `capacity` more; so after two turnovers of the buffer no frame of it is
 * referenced, however often it recurs: then it is stored again. Closed frames are a prefix, so one number, the floor,
 * tells them apart. A block that is not full when it closes goes on to take new frames, open to reuse from there on:
 * otherwise every frame of a rarely changing stream would be stored again and again until the block is full.
 *
 * **Liveness without reference counts.** Transitions leave in order, so a block is dead exactly when the newest
 * transition that references it is gone. One number per block does what a count per frame would.
 *
 * **Ids** are row numbers modulo 2^32. Distances from the floor are taken modulo 2^32 as well, so an id is open to
 * reuse exactly when `(id - floor) mod 2^32 < head - floor`: one comparison tells both alive and open (rule 5).
 */
export class FrameLog {
  readonly log: Log<FrameBlock>;
  readonly frameBytes: number;
  readonly #capacity: number;
  readonly #table = new FrameTable();
  #floor = 0;
  #transition = 0;

  constructor(index: number, layout: LogLayout, capacity: number, host: LogHost) {
    this.log = new Log(index, layout, host, (number) => new FrameBlock(number, layout));
    this.frameBytes = layout.rowBytes;
    this.#capacity = capacity;
  }

  get floor(): number {
    return this.#floor;
  }

  /** The transition that is being added. */
  get transition(): number {
    return this.#transition;
  }

  get openCount(): number {
    return this.log.head - this.#floor;
  }

  /** Table, hashes and links; the frames themselves are the log's. */
  get overheadBytes(): number {
    return this.#table.residentBytes + (8 * this.log.residentBytes) / this.frameBytes;
  }

  /** The absolute row of a live id. */
  rowOf(id: number): number {
    const tail = this.log.tail;
    return tail + ((id - (tail % ID_RANGE)) >>> 0);
  }

  /** The absolute row of an id that is open to reuse, or -1. */
  openRowOf(id: number): number {
    const distance = (id - (this.#floor % ID_RANGE)) >>> 0;
    return distance < this.log.head - this.#floor ? this.#floor + distance : -1;
  }

  /** Copies frames `row`, `row + step`, …, `count` of them, to `out`: one native copy per run; returns the bytes. */
  copy(row: number, count: number, step: number, out: Uint8Array, at: number): number {
    const { log, frameBytes } = this;
    const { rowsPerBlock } = log;
    for (let done = 0; done < count; ) {
      const from = row + done * step;
      const place = from % rowsPerBlock;
      const run = step === 1 ? Math.min(count - done, rowsPerBlock - place) : 1;
      log.blockOf(from).bytes.copy(out, at + done * frameBytes, place * frameBytes, (place + run) * frameBytes);
      done += run;
    }
    return count * frameBytes;
  }

  /** Says which transition is being added, and closes what has been open for `capacity` transitions. */
  beginTransition(row: number): void {
    this.#transition = row;
    const log = this.log;
    while (this.#floor < log.head) {
      const block = log.blockOf(this.#floor);
      if (row - block.openedAt < this.#capacity) return;
      this.#closeTo(Math.min((block.segment + 1) * log.rowsPerBlock, log.head));
    }
  }

  /** Gives back the blocks that only transitions before `tail` referenced. */
  dropUnreferenced(tail: number): void {
    const { log } = this;
    for (;;) {
      const block = log.segments[0];
      if (block === undefined || block.lastReferenced >= tail) return;
      const end = (block.segment + 1) * log.rowsPerBlock;
      if (end > log.head) return;
      this.#closeTo(end);
      log.dropBefore(end);
    }
  }

  /** Finds a frame by its content, or stores it. The id is referenced by the transition under way. */
  intern(source: Uint8Array, offset: number): number {
    const frame = source.subarray(offset, offset + this.frameBytes);
    const hash = hashFrame(frame);
    const table = this.#table;
    for (let slot = table.firstSlot(hash); table.hashAt(slot) !== 0; slot = table.nextSlot(slot)) {
      if (table.hashAt(slot) !== hash) continue;
      const id = table.idAt(slot);
      const row = this.openRowOf(id);
      if (row < 0) continue;
      const block = this.log.blockOf(row);
      const start = (row % this.log.rowsPerBlock) * this.frameBytes;
      if (block.bytes.compare(frame, 0, this.frameBytes, start, start + this.frameBytes) === 0) {
        block.lastReferenced = this.#transition;
        return id;
      }
    }
    return this.#append(frame, hash);
  }

  /** Notes that `next` followed `id`, for guessing. */
  link(id: number, next: number): void {
    const row = this.openRowOf(id);
    if (row >= 0) this.log.blockOf(row).successors[row % this.log.rowsPerBlock] = next;
  }

  /** Drops everything; the next frame gets row `bounds.tail`. */
  reset(bounds: LogBounds): void {
    this.log.reset(bounds);
    this.#table.clear();
    this.#floor = bounds.tail;
  }

  /**
   * Takes over frames [tail, head) that were written to the log's memory by someone else.
   *
   * @param openFrom - frames before this row are closed to reuse
   */
  adopt(openFrom: number): void {
    const { log, frameBytes } = this;
    this.#floor = openFrom;
    for (let row = openFrom; row < log.head; row++) {
      const block = log.blockOf(row);
      const place = row % log.rowsPerBlock;
      const hash = hashFrame(block.bytes.subarray(place * frameBytes, (place + 1) * frameBytes));
      block.hashes[place] = hash;
      this.#table.insert(hash, row % ID_RANGE);
    }
  }

  #append(frame: Uint8Array, hash: number): number {
    const { log } = this;
    const block = log.blockForAppend();
    const row = log.head;
    const place = log.appendPlace;
    if (place === 0 || this.openCount === 0) block.openedAt = this.#transition;
    const id = row % ID_RANGE;
    block.bytes.set(frame, place * this.frameBytes);
    block.hashes[place] = hash;
    block.successors[place] = (id + 1) % ID_RANGE;
    block.lastReferenced = this.#transition;
    this.#table.insert(hash, id);
    log.commit();
    return id;
  }

  /** Rule 5: what is closed leaves the table at once. Closing always comes before retiring. */
  #closeTo(row: number): void {
    const { log } = this;
    for (; this.#floor < row; this.#floor++) {
      const block = log.blockOf(this.#floor);
      this.#table.remove(block.hashes[this.#floor % log.rowsPerBlock] as number, this.#floor % ID_RANGE);
    }
  }
}
