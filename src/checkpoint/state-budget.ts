import { MAX_HOLDS, type SharedStatus } from "./shared-status.ts";

/** What a save keeps from being used again until the saver has encoded or given up what it copied. */
export interface Hold {
  readonly slot: number;
  readonly sequence: number;
  readonly bytes: number;
}

/** Of a save without state: its message, bounds and names. */
const LEAST_BYTES = 4096;

/**
 * What the saves that are not made yet hold of copied state, on the training thread.
 *
 * ```
 *  training thread: find a free slot -> holds[slot] = 1 -> copy -> post the save
 *  saver:           state encoded, or the save given up -> holds[slot] = 0
 * ```
 *
 * The oldest is usually the one under way and is not counted against the limit: with two or fewer, training would
 * otherwise wait for a save that is being made, however well the store is.
 */
export class StateBudget {
  readonly #status: SharedStatus;
  readonly #maxBytes: number;
  readonly #alwaysAdmitted: number;
  readonly #onFree: (hold: Hold) => void;
  /** From the oldest to the newest. */
  readonly #holds = new Set<Hold>();
  #nextSlot = 0;

  /**
   * @param alwaysAdmitted - so many hold memory together whatever it amounts to
   * @param onFree - the saver has let go of it
   */
  constructor(
    status: SharedStatus,
    limits: { readonly maxBytes: number; readonly alwaysAdmitted: number },
    onFree: (hold: Hold) => void,
  ) {
    this.#status = status;
    this.#maxBytes = limits.maxBytes;
    this.#alwaysAdmitted = limits.alwaysAdmitted;
    this.#onFree = onFree;
  }

  get saves(): number {
    return this.#current().length;
  }

  get heldBytes(): number {
    return sum(this.#current());
  }

  hasRoom(bytes: number): boolean {
    return this.#admits(this.#current(), bytes);
  }

  /** The caller has asked for room. */
  take(sequence: number, bytes: number): Hold {
    while (Atomics.load(this.#status.holds, this.#nextSlot) !== 0) this.#nextSlot = (this.#nextSlot + 1) % MAX_HOLDS;
    const hold = { slot: this.#nextSlot, sequence, bytes: bytes + LEAST_BYTES };
    Atomics.store(this.#status.holds, hold.slot, 1);
    this.#nextSlot = (hold.slot + 1) % MAX_HOLDS;
    this.#holds.add(hold);
    return hold;
  }

  giveBack(hold: Hold): void {
    Atomics.store(this.#status.holds, hold.slot, 0);
  }

  /** Waiting saves up to this sequence have to go for so many bytes; the one that is being made stays. */
  sequenceToDrop(bytes: number, underWay: number): number {
    const rest = [...this.#current()];
    let dropped = 0;
    while (!this.#admits(rest, bytes)) {
      const place = rest.findIndex(({ sequence }) => sequence !== underWay);
      if (place === -1) break;
      dropped = rest[place]?.sequence ?? 0;
      rest.splice(place, 1);
    }
    return dropped;
  }

  #admits(holds: readonly Hold[], bytes: number): boolean {
    if (holds.length >= MAX_HOLDS) return false;
    return holds.length < this.#alwaysAdmitted || sum(holds.slice(1)) + bytes + LEAST_BYTES <= this.#maxBytes;
  }

  #current(): readonly Hold[] {
    for (const hold of this.#holds) {
      if (Atomics.load(this.#status.holds, hold.slot) !== 0) continue;
      this.#holds.delete(hold);
      this.#onFree(hold);
    }
    return [...this.#holds];
  }
}

function sum(holds: readonly Hold[]): number {
  return holds.reduce((total, { bytes }) => total + bytes, 0);
}
