import { systemClock } from "../base/clock.ts";

interface PreemptionListener {
  readonly respond: () => void;
  /** It threw: that must neither end the process nor keep the signal from the others. */
  readonly onError: (error: unknown) => void;
}

/**
 * The process-wide fact that SIGTERM has come. It is listened for from the first question on, and not before: a
 * listener takes away the signal's default, which is to end the process. A second SIGTERM has that effect again.
 */
class Preemption {
  readonly #listeners = new Set<PreemptionListener>();
  #reachedAtMs: number | null = null;
  #isWatching = false;

  isReached(): boolean {
    this.watch();
    return this.#reachedAtMs !== null;
  }

  /** Hears of it, once it is listened for. @returns what ends the hearing */
  onReached(listener: PreemptionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is left of a time that began with the signal; undefined where none has come, or nobody has asked. */
  leftOf(limitMs: number): number | undefined {
    if (this.#reachedAtMs === null) return undefined;
    return Math.max(0, this.#reachedAtMs + limitMs - systemClock.monotonicMs());
  }

  watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    process.once("SIGTERM", () => {
      this.#reachedAtMs = systemClock.monotonicMs();
      for (const { respond, onError } of this.#listeners) {
        try {
          respond();
        } catch (error) {
          onError(error);
        }
      }
    });
  }
}

export const preemption: Preemption = new Preemption();
