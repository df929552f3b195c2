import { raceAbort } from "../../base/abort.ts";
import { repeat } from "../../base/timers.ts";
import { MemoryPressureError } from "../../errors.ts";
import type { SharedStatus } from "../shared-status.ts";

/** Training waits meanwhile. */
const LOOK_EVERY_MS = 20;

interface Waiter {
  readonly sequence: number;
  readonly giveUp: () => void;
}

export interface PressureRequests {
  /** Saves up to this sequence, and whatever no save asked for, are to let go of their memory. */
  readonly onPinned: (upTo: number) => void;
  /** Saves up to this sequence that wait are to let go of the state that was copied for them. */
  readonly onHeld: (upTo: number, error: MemoryPressureError) => void;
}

/**
 * Training asks for its memory back (`onMemoryPressure: "abandon"`) by shared counters. Here it is noticed, also while
 * a save waits for a store that does not answer.
 */
export class MemoryPressure {
  readonly #status: SharedStatus;
  readonly #maxPinnedBytes: number;
  readonly #requests: PressureRequests;
  readonly #waiters = new Set<Waiter>();
  #requestsSeen = 0;
  #dropsSeen = 0;

  constructor(status: SharedStatus, maxPinnedBytes: number, requests: PressureRequests) {
    this.#status = status;
    this.#maxPinnedBytes = maxPinnedBytes;
    this.#requests = requests;
  }

  get error(): MemoryPressureError {
    return new MemoryPressureError(this.#status.amount("pinned"), this.#maxPinnedBytes);
  }

  /** How often training has asked for what saves pin. */
  get requests(): number {
    return this.#status.get("abandonRequests");
  }

  /** Looks for requests as long as the work goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const stop = repeat(LOOK_EVERY_MS, () => this.#look());
    try {
      return await work();
    } finally {
      stop();
    }
  }

  /** @throws MemoryPressureError when saves up to this one were already given up */
  assertNotAsked(sequence: number): void {
    if (this.#status.get("abandon") >= sequence) throw this.error;
  }

  /**
   * Settles as the work does, or rejects as soon as saves up to this one are given up. The work goes on unheard, but
   * for its signal.
   *
   * @param sequence - 0 for what no save asked for
   */
  async unlessAsked<T>(sequence: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const asked = new AbortController();
    const waiter = { sequence, giveUp: () => asked.abort(this.error) };
    this.#waiters.add(waiter);
    try {
      return await raceAbort(work(asked.signal), asked.signal);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  #look(): void {
    const drops = this.#status.get("dropRequests");
    if (drops !== this.#dropsSeen) {
      this.#dropsSeen = drops;
      const error = new MemoryPressureError(this.#status.amount("held"), this.#maxPinnedBytes, "copied state");
      this.#requests.onHeld(this.#status.get("dropWaiting"), error);
    }
    const { requests } = this;
    if (requests === this.#requestsSeen) return;
    this.#requestsSeen = requests;
    const upTo = this.#status.get("abandon");
    this.#requests.onPinned(upTo);
    for (const { sequence, giveUp } of this.#waiters) if (sequence <= upTo) giveUp();
  }
}
