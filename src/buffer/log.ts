import type { LogLayout } from "../schema/log-layout.ts";
import type { LogBounds } from "../schema/snapshot.ts";
import { Block, BlockPool } from "./block-pool.ts";
import type { RestoreTarget } from "./contract.ts";
import type { Saver, Savers } from "./savers.ts";

/** What a log needs from the buffer that it is part of. */
export interface LogHost {
  readonly savers: Savers;
  /** See {@link BlockPool.acquire}. */
  readonly makeRoom: (blockBytes: number) => boolean;
}

/**
 * An append-only sequence of rows [tail, head), in segments of `rowsPerBlock` rows. Row numbers are absolute and only
 * grow; a row is written once, before `head` passes it, and never changed.
 *
 * ```
 *   segment 3          segment 4          segment 5
 *  |· · · t o o o o o|o o o o o o o o o|o o o h · · · · ·|
 *         tail                                head: the next row to be written
 * ```
 */
export class Log<B extends Block = Block> {
  readonly index: number;
  readonly layout: LogLayout;
  readonly rowsPerBlock: number;
  readonly #host: LogHost;
  readonly #pool: BlockPool<B>;
  #segments: B[] = [];
  #firstSegment = 0;
  /** The row after the last one of the first segment. */
  #firstEnd = 0;
  /** The block that `head` lies in, where it is open, and the place there. */
  #current: B | null = null;
  #place = 0;
  #tail = 0;
  #head = 0;

  constructor(index: number, layout: LogLayout, host: LogHost, create: (number: number) => B) {
    this.index = index;
    this.layout = layout;
    this.rowsPerBlock = layout.rowsPerBlock;
    this.#host = host;
    this.#pool = new BlockPool(index, layout, host.savers, create);
  }

  get tail(): number {
    return this.#tail;
  }

  get head(): number {
    return this.#head;
  }

  get bounds(): LogBounds {
    return { tail: this.#tail, head: this.#head };
  }

  get residentBytes(): number {
    return this.#pool.residentBytes;
  }

  pinnedBytes(saver?: Saver): number {
    return this.#pool.pinnedBytes(saver);
  }

  /** The blocks in use, oldest first. */
  get segments(): readonly B[] {
    return this.#segments;
  }

  /** The block of a row in [tail, head). */
  blockOf(row: number): B {
    return this.#segments[Math.floor(row / this.rowsPerBlock) - this.#firstSegment] as B;
  }

  /** The block that the next row goes to, at {@link appendPlace}; opened where the last one is full. */
  blockForAppend(): B {
    this.#current ??= this.#open(Math.floor(this.#head / this.rowsPerBlock));
    return this.#current;
  }

  get appendPlace(): number {
    return this.#place;
  }

  /** Makes the row that was written at `head` part of the log. */
  commit(): void {
    this.#head += 1;
    this.#place += 1;
    if (this.#place < this.rowsPerBlock) return;
    this.#place = 0;
    this.#current = null;
    this.#host.savers.announceFull(this.index, this.#head / this.rowsPerBlock - 1);
  }

  /** Drops the oldest row; see {@link dropBefore}. */
  dropOldest(): void {
    this.#tail += 1;
    if (this.#tail >= this.#firstEnd) this.#retireDropped();
  }

  /** Drops the rows before `row`, and gives back the blocks that hold nothing else. */
  dropBefore(row: number): void {
    this.#tail = row;
    this.#retireDropped();
  }

  /** Drops everything; the next row is `bounds.tail`, or, after {@link openRestored}, follows the restored ones. */
  reset(bounds: LogBounds): void {
    for (const block of this.#segments) this.#pool.retire(block);
    this.#segments = [];
    this.#tail = bounds.tail;
    this.#moveHead(bounds.tail);
    this.#moveFirst(Math.floor(bounds.tail / this.rowsPerBlock));
  }

  /** Opens memory for rows [tail, head) that someone else writes. Call {@link reset} with the same bounds before. */
  openRestored(bounds: LogBounds): RestoreTarget {
    const end = Math.ceil(bounds.head / this.rowsPerBlock);
    if (bounds.head > bounds.tail) {
      for (let segment = this.#firstSegment; segment < end; segment++) this.#open(segment);
    }
    this.#moveHead(bounds.head);
    const segments = this.#segments.map(({ segment, memory }) => ({ segment, memory }));
    return { log: this.index, tail: bounds.tail, head: bounds.head, segments };
  }

  /** Tells a new saver where everything lies. */
  announceTo(saver: Saver): void {
    this.#pool.announceMemory(saver);
    for (const { segment, number } of this.#segments) {
      saver.tell({ kind: "opened", log: this.index, segment, block: number });
    }
  }

  #retireDropped(): void {
    while (this.#segments.length > 0 && this.#tail >= this.#firstEnd) {
      this.#pool.retire(this.#segments.shift() as B);
      this.#moveFirst(this.#firstSegment + 1);
    }
  }

  #moveFirst(segment: number): void {
    this.#firstSegment = segment;
    this.#firstEnd = (segment + 1) * this.rowsPerBlock;
  }

  #moveHead(head: number): void {
    this.#head = head;
    this.#place = head % this.rowsPerBlock;
    const last = this.#segments.at(-1);
    this.#current = last !== undefined && last.segment === Math.floor(head / this.rowsPerBlock) ? last : null;
  }

  #open(segment: number): B {
    const block = this.#pool.acquire(this.#host.makeRoom);
    block.segment = segment;
    this.#segments.push(block);
    this.#host.savers.announce({ kind: "opened", log: this.index, segment, block: block.number });
    return block;
  }
}
