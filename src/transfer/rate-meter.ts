import type { Clock } from "../base/clock.ts";

/** How long what is left takes at this rate; null while nothing moves. */
export function etaMsOf(bytesLeft: number, bytesPerSecond: number): number | null {
  return bytesPerSecond > 0 ? (Math.max(0, bytesLeft) / bytesPerSecond) * 1000 : null;
}

/** Measures bytes per second over the last few seconds, so that a pause long ago does not count. */
export class RateMeter {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  #sum = 0;

  constructor(clock: Clock, windowMs = 10_000) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }

  add(bytes: number): void {
    if (bytes <= 0) return;
    this.#samples.push({ atMs: this.#clock.monotonicMs(), bytes });
    this.#sum += bytes;
    this.#forget();
  }

  /** 0 while nothing was moved within the window. */
  bytesPerSecond(): number {
    this.#forget();
    const first = this.#samples[0];
    if (first === undefined) return 0;
    // The first sample's bytes took time that was not seen: over less than a second the figure would be a wild one.
    return (this.#sum / Math.max(1000, this.#clock.monotonicMs() - first.atMs)) * 1000;
  }

  #forget(): void {
    const since = this.#clock.monotonicMs() - this.#windowMs;
    let gone = 0;
    for (const sample of this.#samples) {
      if (sample.atMs >= since) break;
      this.#sum -= sample.bytes;
      gone++;
    }
    if (gone > 0) this.#samples.splice(0, gone);
  }
}
