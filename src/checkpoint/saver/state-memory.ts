import { touchPages } from "../../base/memory.ts";
import type { TensorSource, ToSaver } from "../messages.ts";

type MemoryMessage = Extract<ToSaver, { type: "arena" | "frozen" }>;

/** The shared memory that states of saves lie in, as the training thread has handed it over. */
export class StateMemory {
  readonly #memory = { arena: new Map<number, SharedArrayBuffer>(), frozen: new Map<number, SharedArrayBuffer>() };

  addArena({ id, memory, isFresh }: Extract<MemoryMessage, { type: "arena" }>): void {
    this.#memory.arena.set(id, memory);
    if (isFresh) touchPages(memory);
  }

  addFrozen({ id, memory }: Extract<MemoryMessage, { type: "frozen" }>): void {
    this.#memory.frozen.set(id, memory);
  }

  /** Frozen memory that no later save will name. */
  forget(id: number): void {
    this.#memory.frozen.delete(id);
  }

  /** @param length - of a tensor in it, in elements */
  of({ kind, id }: TensorSource["memory"], length: number): SharedArrayBuffer {
    const memory = this.#memory[kind].get(id);
    if (memory !== undefined) return memory;
    // An empty tensor needs no memory, so that none may have been handed over.
    if (length === 0) return new SharedArrayBuffer(0);
    throw new Error(`State lies in ${kind} memory ${id}, which was never handed over`);
  }
}
