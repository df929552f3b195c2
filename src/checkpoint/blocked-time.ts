import type { Clock } from "../base/clock.ts";
import type { WaitedEvent } from "./events.ts";

/** Waits that follow each other faster are told as one. */
const TELL_MS = 1000;

type Waits = { -readonly [K in keyof Omit<WaitedEvent, "kind">]: WaitedEvent[K] };

/** How long training was blocked. A wait for memory within `save()` is part of it, and not counted twice. */
export class BlockedTime {
  readonly #clock: Clock;
  readonly #onWaited: (event: WaitedEvent) => void;
  #isInside = false;
  /** Those outside of `save()` that nobody has heard of yet, as one: no more than that is ever kept. */
  #untold: Waits | null = null;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  totalMs = 0;
  longestMs = 0;
  /** Waits for memory: in `add()` for replaced blocks, in `save()` for copied state. */
  memoryWaits = 0;

  /** @param onWaited - is told of waits outside of `save()`, which tells its own */
  constructor(clock: Clock, onWaited: (event: WaitedEvent) => void) {
    this.#clock = clock;
    this.#onWaited = onWaited;
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
    const isWithinSave = this.#isInside;
    const waitingAtMs = this.#clock.now();
    const { blockedMs } = this.measure(wait);
    if (isWithinSave) return;
    this.#untold ??= { atMs: waitingAtMs, waitingAtMs, blockedMs: 0, waits: 0 };
    this.#untold.atMs = this.#clock.now();
    this.#untold.blockedMs += blockedMs;
    this.#untold.waits++;
    if (this.#clock.monotonicMs() - this.#toldAtMs >= TELL_MS) this.#tell();
  }

  /** All so far; what was not told yet of waits is told before. */
  counts(): { readonly blockedMs: number; readonly longestBlockMs: number; readonly memoryWaits: number } {
    this.#tell();
    return { blockedMs: this.totalMs, longestBlockMs: this.longestMs, memoryWaits: this.memoryWaits };
  }

  #tell(): void {
    const waits = this.#untold;
    if (waits === null) return;
    this.#untold = null;
    this.#toldAtMs = this.#clock.monotonicMs();
    this.#onWaited({ kind: "waited", ...waits });
  }
}
