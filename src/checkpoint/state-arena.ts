import { dtypeOf, type TypedArray } from "../schema/dtype.ts";
import type { TensorSource, ToSaver } from "./messages.ts";
import { isFrozen } from "./shared-arrays.ts";
import { MAX_ARENAS, type SharedStatus } from "./shared-status.ts";

export interface CopiedTensors {
  readonly sources: readonly TensorSource[];
  readonly arena: number | null;
  readonly copiedBytes: number;
}

/** Fits the state of most saves; two of them are made ready before the first save asks. */
const SMALLEST_ARENA = 4 * 1024 * 1024;
const READY_ARENAS = 2;
const LARGEST_READY_ARENA = 8 * SMALLEST_ARENA;

/**
 * Shared memory for the unfrozen tensors of a save: a pool, because shared memory that was posted to a thread is not
 * freed for seconds, and because its first touch costs several times a copy.
 *
 * ```
 *  training thread: find a free arena -> busy[id] = 1 -> copy -> post the save
 *  saver:           encode the tensors -> busy[id] = 0
 * ```
 */
export class StateArenas {
  readonly #status: SharedStatus;
  readonly #post: (message: ToSaver) => void;
  readonly #waitForFree: () => boolean;
  readonly #arenas: SharedArrayBuffer[] = [];
  readonly #frozenIds = new WeakMap<SharedArrayBuffer, number>();
  readonly #forget: FinalizationRegistry<number>;
  #nextFrozenId = 1;

  /** @param waitForFree - waits for the saver to free an arena; false where waiting would not help */
  constructor(status: SharedStatus, post: (message: ToSaver) => void, waitForFree: () => boolean) {
    this.#status = status;
    this.#post = post;
    this.#waitForFree = waitForFree;
    this.#forget = new FinalizationRegistry((id) => post({ type: "forget", id }));
    for (let count = 0; count < READY_ARENAS; count++) this.#allocate(this.#arenas.length, SMALLEST_ARENA, true);
  }

  /** Copies what is not frozen, and names the rest. Cost: a memory copy of the unfrozen tensors. */
  copy(tensors: readonly TypedArray[]): CopiedTensors {
    const copiedBytes = tensors.reduce((sum, tensor) => sum + (isFrozen(tensor) ? 0 : aligned(tensor.byteLength)), 0);
    const arena = copiedBytes === 0 ? null : this.#take(copiedBytes);
    const memory = arena === null ? new SharedArrayBuffer(copiedBytes) : this.#arenas[arena];
    const place: TensorSource["memory"] =
      arena === null && copiedBytes > 0
        ? { kind: "frozen", id: this.#frozenId(memory as SharedArrayBuffer) }
        : { kind: "arena", id: arena ?? 0 };
    let byteOffset = 0;
    const sources = tensors.map((tensor): TensorSource => {
      const dtype = dtypeOf(tensor) ?? "uint8";
      if (isFrozen(tensor)) {
        const id = this.#frozenId(tensor.buffer as SharedArrayBuffer);
        return { dtype, length: tensor.length, memory: { kind: "frozen", id }, byteOffset: tensor.byteOffset };
      }
      const source = { dtype, length: tensor.length, memory: place, byteOffset } as const;
      if (memory !== undefined) {
        const bytes = new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength);
        new Uint8Array(memory, byteOffset, tensor.byteLength).set(bytes);
      }
      byteOffset += aligned(tensor.byteLength);
      return source;
    });
    return { sources, arena, copiedBytes };
  }

  /** For a save that does not come about. */
  giveBack(arena: number | null): void {
    if (arena !== null) Atomics.store(this.#status.arenaBusy, arena, 0);
  }

  /** Null where every arena is taken and none will get free: the state then gets memory of its own. */
  #take(sizeBytes: number): number | null {
    for (;;) {
      const free = this.#smallestFree(sizeBytes);
      if (free !== null) {
        Atomics.store(this.#status.arenaBusy, free, 1);
        return free;
      }
      if (!this.#waitForFree()) return null;
    }
  }

  #smallestFree(sizeBytes: number): number | null {
    let best: number | null = null;
    for (const [id, memory] of this.#arenas.entries()) {
      if (Atomics.load(this.#status.arenaBusy, id) !== 0 || memory.byteLength < sizeBytes) continue;
      if (best === null || memory.byteLength < (this.#arenas[best]?.byteLength ?? 0)) best = id;
    }
    return best ?? this.#grow(sizeBytes);
  }

  /** A new arena, or a larger one in the place of a free one when all numbers are taken. */
  #grow(sizeBytes: number): number | null {
    let id = this.#arenas.length;
    if (id >= MAX_ARENAS) {
      id = this.#arenas.findIndex((_, index) => Atomics.load(this.#status.arenaBusy, index) === 0);
      if (id === -1) return null;
    }
    const grownBytes = Math.ceil(sizeBytes / SMALLEST_ARENA) * SMALLEST_ARENA;
    this.#allocate(id, grownBytes, false);
    // A second one for the next save, while the saver still reads this one; of a large state one copy is enough.
    const hasRoom = this.#arenas.length < MAX_ARENAS && grownBytes <= LARGEST_READY_ARENA;
    if (hasRoom) this.#allocate(this.#arenas.length, grownBytes, true);
    return id;
  }

  #allocate(id: number, sizeBytes: number, isFresh: boolean): void {
    const memory = new SharedArrayBuffer(sizeBytes);
    this.#arenas[id] = memory;
    this.#post({ type: "arena", id, memory, isFresh });
  }

  #frozenId(memory: SharedArrayBuffer): number {
    const known = this.#frozenIds.get(memory);
    if (known !== undefined) return known;
    const id = this.#nextFrozenId++;
    this.#frozenIds.set(memory, id);
    this.#forget.register(memory, id);
    this.#post({ type: "frozen", id, memory });
    return id;
  }
}

function aligned(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
