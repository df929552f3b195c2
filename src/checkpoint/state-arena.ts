import { copyBytes } from "../base/memory.ts";
import { dtypeOf, type TypedArray } from "../schema/dtype.ts";
import type { TensorSource, ToSaver } from "./messages.ts";
import { isFrozen } from "./shared-arrays.ts";
import type { SharedStatus } from "./shared-status.ts";
import { type Hold, StateBudget } from "./state-budget.ts";

export interface CopiedTensors {
  readonly sources: readonly TensorSource[];
  /** Null where it could not be counted: on a thread that serves the store itself. */
  readonly hold: Hold | null;
  readonly copiedBytes: number;
}

export interface ArenaOptions {
  readonly status: SharedStatus;
  readonly post: (message: ToSaver) => void;
  readonly maxBytes: number;
  /** So many saves find room whatever their size. */
  readonly alwaysAdmitted: number;
  /** Makes room for a save; false where waiting would not help. */
  readonly makeRoom: (budget: StateBudget, bytes: number) => boolean;
}

/** Shared memory for the state of one save or, one after another from its beginning, of several. */
interface Arena {
  readonly memory: SharedArrayBuffer;
  usedBytes: number;
  readers: number;
}

/** Fits the state of most saves; two of them are made ready before the first save asks. */
const SMALLEST_ARENA = 4 * 1024 * 1024;
const READY_ARENAS = 2;
const LARGEST_READY_ARENA = 8 * SMALLEST_ARENA;

/**
 * Shared memory for the unfrozen tensors of a save: a pool, because shared memory that was posted to a thread is not
 * freed for seconds, and because its first touch costs several times a copy.
 *
 * Small states of several saves lie in one arena, one behind the other; it is used again from its beginning when the
 * saver is done with all of them. Saves are made in order, so that only the oldest and the newest arena are partly idle.
 */
export class StateArenas {
  readonly budget: StateBudget;
  readonly #options: ArenaOptions;
  readonly #arenas: Arena[] = [];
  readonly #placeOf = new Map<Hold, Arena>();
  readonly #frozenIds = new WeakMap<SharedArrayBuffer, number>();
  readonly #forget: FinalizationRegistry<number>;
  #nextFrozenId = 1;

  constructor(options: ArenaOptions) {
    this.#options = options;
    const { status, post, maxBytes, alwaysAdmitted } = options;
    this.budget = new StateBudget(status, { maxBytes, alwaysAdmitted }, (hold) => this.#leave(hold));
    this.#forget = new FinalizationRegistry((id) => post({ type: "forget", id }));
    for (let count = 0; count < READY_ARENAS; count++) this.#allocate(this.#arenas.length, SMALLEST_ARENA, true);
  }

  /**
   * Copies what is not frozen, and names the rest. Cost: a memory copy of the unfrozen tensors.
   *
   * @param besideBytes - what the save makes the saver hold besides
   */
  copy(tensors: readonly TypedArray[], sequence: number, besideBytes: number): CopiedTensors {
    const copiedBytes = tensors.reduce((sum, tensor) => sum + (isFrozen(tensor) ? 0 : aligned(tensor.byteLength)), 0);
    const hold = this.#hold(sequence, copiedBytes, besideBytes);
    const { memory, place, from } = this.#memoryFor(copiedBytes, hold);
    let byteOffset = from;
    const sources = tensors.map((tensor): TensorSource => {
      const dtype = dtypeOf(tensor) ?? "uint8";
      if (isFrozen(tensor)) {
        const id = this.#frozenId(tensor.buffer as SharedArrayBuffer);
        return { dtype, length: tensor.length, memory: { kind: "frozen", id }, byteOffset: tensor.byteOffset };
      }
      const source = { dtype, length: tensor.length, memory: place, byteOffset } as const;
      const bytes = new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength);
      copyBytes(bytes, new Uint8Array(memory, byteOffset, tensor.byteLength));
      byteOffset += aligned(tensor.byteLength);
      return source;
    });
    return { sources, hold, copiedBytes };
  }

  /** Null where nothing will get free: the state then gets memory of its own. */
  #hold(sequence: number, copiedBytes: number, besideBytes: number): Hold | null {
    const bytes = copiedBytes + besideBytes;
    const hasRoom = this.budget.hasRoom(bytes) || this.#options.makeRoom(this.budget, bytes);
    return hasRoom ? this.budget.take(sequence, bytes) : null;
  }

  #memoryFor(
    sizeBytes: number,
    hold: Hold | null,
  ): { readonly memory: SharedArrayBuffer; readonly place: TensorSource["memory"]; readonly from: number } {
    if (sizeBytes === 0) return { memory: new SharedArrayBuffer(0), place: { kind: "arena", id: 0 }, from: 0 };
    if (hold === null) {
      const memory = new SharedArrayBuffer(sizeBytes);
      return { memory, place: { kind: "frozen", id: this.#frozenId(memory) }, from: 0 };
    }
    const id = this.#tightest(sizeBytes) ?? this.#grow(sizeBytes);
    const arena = this.#arenas[id] as Arena;
    const from = arena.usedBytes;
    arena.usedBytes += sizeBytes;
    arena.readers++;
    this.#placeOf.set(hold, arena);
    return { memory: arena.memory, place: { kind: "arena", id }, from };
  }

  #leave(hold: Hold): void {
    const arena = this.#placeOf.get(hold);
    this.#placeOf.delete(hold);
    if (arena !== undefined && --arena.readers === 0) arena.usedBytes = 0;
  }

  /** The arena in which the least is left over. */
  #tightest(sizeBytes: number): number | null {
    let best: number | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [id, { memory, usedBytes }] of this.#arenas.entries()) {
      const leftBytes = memory.byteLength - usedBytes - sizeBytes;
      if (leftBytes < 0 || leftBytes >= least) continue;
      [best, least] = [id, leftBytes];
    }
    return best;
  }

  /** A new arena in the place of one that is idle and too small, or beside the others where none is. */
  #grow(sizeBytes: number): number {
    const grownBytes = Math.ceil(sizeBytes / SMALLEST_ARENA) * SMALLEST_ARENA;
    const id = this.#idle() ?? this.#arenas.length;
    this.#allocate(id, grownBytes, false);
    // A second one for the next save, while the saver still reads this one; of a large state one copy is enough.
    const totalBytes = this.#arenas.reduce((sum, { memory }) => sum + memory.byteLength, grownBytes);
    if (grownBytes <= LARGEST_READY_ARENA && totalBytes <= this.#options.maxBytes) {
      this.#allocate(this.#idle(id) ?? this.#arenas.length, grownBytes, true);
    }
    return id;
  }

  #idle(except?: number): number | undefined {
    const id = this.#arenas.findIndex(({ readers }, index) => readers === 0 && index !== except);
    return id === -1 ? undefined : id;
  }

  #allocate(id: number, sizeBytes: number, isFresh: boolean): void {
    const memory = new SharedArrayBuffer(sizeBytes);
    this.#arenas[id] = { memory, usedBytes: 0, readers: 0 };
    this.#options.post({ type: "arena", id, memory, isFresh });
  }

  #frozenId(memory: SharedArrayBuffer): number {
    const known = this.#frozenIds.get(memory);
    if (known !== undefined) return known;
    const id = this.#nextFrozenId++;
    this.#frozenIds.set(memory, id);
    this.#forget.register(memory, id);
    this.#options.post({ type: "frozen", id, memory });
    return id;
  }
}

function aligned(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
