import type { Clock } from "../base/clock.ts";

/** How long training was blocked. A wait for memory within `save()` is part of it, and not counted twice. */
export class BlockedTime {
  readonly #clock: Clock;
  #isInside = false;
  totalMs = 0;
  longestMs = 0;
  /** Waits for memory: in `add()` for replaced blocks, in `save()` for copied state. */
  memoryWaits = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what the work returned, and how long it took */
  measure<T>(work: () => T): { readonly result: T; readonly blockedMs: number } {
    const isOutermost = !this.#isInside;
    this.#isInside = true;
    const startedAtMs = this.#clock.monotonicMs();
    let blockedMs = 0;
    try {
      const result = work();
      return { result, blockedMs: (blockedMs = this.#clock.monotonicMs() - startedAtMs) };
    } finally {
      if (isOutermost) {
        this.#isInside = false;
        this.totalMs += blockedMs;
        this.longestMs = Math.max(this.longestMs, blockedMs);
      }
    }
  }

  waitForMemory(wait: () => void): void {
    this.memoryWaits++;
    this.measure(wait);
  }
}
