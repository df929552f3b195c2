import { arrayConstructors, type TypedArray } from "../schema/dtype.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { Saver, Savers } from "./savers.ts";

/** A numbered piece of shared memory of one log, with views of its columns made once. */
export class Block {
  readonly number: number;
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  /** The columns, as arrays of their dtypes, in the order of the layout. */
  readonly columns: readonly TypedArray[];
  /** The same bytes as 32-bit words, for copying without regard to dtypes. */
  readonly words: Uint32Array;
  /** The segment whose rows lie here, while the block is in use. */
  segment = -1;

  constructor(number: number, layout: LogLayout) {
    this.number = number;
    this.memory = new SharedArrayBuffer(layout.blockBytes);
    this.bytes = Buffer.from(this.memory);
    this.words = new Uint32Array(this.memory);
    this.columns = layout.columns.map(
      (column) =>
        new arrayConstructors[column.dtype](this.memory, column.offset, column.elementsPerRow * layout.rowsPerBlock),
    );
  }
}

/** A block that is out of the buffer, and the newest number that a saver may need it for. */
interface Waiting<B> {
  readonly block: B;
  readonly tag: number;
}

/**
 * The blocks of one log. Shared memory that was posted to a worker is not freed for seconds, so a block is allocated
 * once, announced once, and then goes round for ever:
 *
 * ```
 *   allocate ──► in use ──retire──► waiting, tagged ──released by every saver──► free ──┐
 *                  ▲                                                                    │
 *                  └────────────────────────── acquire ─────────────────────────────────┘
 * ```
 */
export class BlockPool<B extends Block> {
  readonly #log: number;
  readonly #layout: LogLayout;
  readonly #savers: Savers;
  readonly #create: (number: number) => B;
  readonly #all: B[] = [];
  readonly #free: B[] = [];
  /** By tag, ascending: numbers only grow. */
  #waiting: Waiting<B>[] = [];

  constructor(log: number, layout: LogLayout, savers: Savers, create: (number: number) => B) {
    this.#log = log;
    this.#layout = layout;
    this.#savers = savers;
    this.#create = create;
  }

  get residentBytes(): number {
    return this.#all.length * this.#layout.blockBytes;
  }

  /** Bytes of retired blocks that this saver, or any where none is given, may still read. */
  pinnedBytes(saver?: Saver): number {
    const pinned = this.#waiting.filter(({ tag }) =>
      saver === undefined ? !this.#savers.isReleased(tag) : saver.holds(tag),
    );
    return pinned.length * this.#layout.blockBytes;
  }

  /** Tells a new saver of all memory there is. */
  announceMemory(saver: Saver): void {
    for (const block of this.#all) saver.tell(this.#memoryEvent(block));
  }

  /**
   * Hands out a block that nobody reads.
   *
   * @param makeRoom - called before memory is allocated while blocks wait for savers; returns whether it is worth
   *   looking again
   */
  acquire(makeRoom: (blockBytes: number) => boolean): B {
    for (;;) {
      const block = this.#takeFree();
      if (block !== undefined) return block;
      if (makeRoom(this.#layout.blockBytes)) continue;
      // A block that was released meanwhile no longer counted as pinned: memory for it is there already.
      return this.#takeFree() ?? this.#allocate();
    }
  }

  #takeFree(): B | undefined {
    this.#reclaim();
    return this.#free.pop();
  }

  retire(block: B): void {
    block.segment = -1;
    const tag = this.#savers.newest;
    if (this.#savers.isReleased(tag)) this.#free.push(block);
    else this.#waiting.push({ block, tag });
  }

  #reclaim(): void {
    while (this.#waiting.length > 0) {
      const oldest = this.#waiting[0] as Waiting<B>;
      if (!this.#savers.isReleased(oldest.tag)) return;
      this.#waiting.shift();
      this.#free.push(oldest.block);
    }
  }

  #allocate(): B {
    const block = this.#create(this.#all.length);
    this.#all.push(block);
    this.#savers.announce(this.#memoryEvent(block));
    return block;
  }

  #memoryEvent(block: B) {
    return { kind: "memory", log: this.#log, block: block.number, memory: block.memory } as const;
  }
}
