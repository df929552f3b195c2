import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/timers.ts";
import { InvalidArgumentError } from "../errors.ts";

/**
 * One token bucket for all transfers: holds their sum at or below a rate, whatever the size of each.
 *
 * A request takes all its bytes at once and may leave the bucket in debt; whoever comes next waits until the debt is
 * paid. So a request larger than the bucket needs no rule of its own, and nobody is starved: first come, first served.
 *
 *     level:   burst ──┐ take 8 MiB
 *                      └────.
 *              0 ············╲········ next one starts here
 *                             debt ╱  refills at `bytesPerSecond`
 */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burstMs: number;
  readonly #clock: Clock;
  readonly #sleep: Sleep;
  /** When the bucket will be empty of debt; before now by what has been saved up. */
  #paidAtMs: number;

  /**
   * @param bytesPerSecond - positive; Infinity never waits
   * @param burstMs - how much unused time is kept for later
   */
  constructor(bytesPerSecond: number, clock: Clock, sleep: Sleep, burstMs = 250) {
    if (!(bytesPerSecond > 0)) {
      throw new InvalidArgumentError("maxUploadBytesPerSecond", "a positive number", bytesPerSecond);
    }
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#burstMs = burstMs;
    this.#clock = clock;
    this.#sleep = sleep;
    this.#paidAtMs = clock.monotonicMs() - burstMs;
  }

  /** Waits for the debt of those before, then takes `bytes`. An aborted wait gives its bytes back. */
  async take(bytes: number, signal?: AbortSignal | undefined): Promise<void> {
    const now = this.#clock.monotonicMs();
    const costMs = bytes / this.#bytesPerMs;
    const startAtMs = Math.max(this.#paidAtMs, now - this.#burstMs);
    this.#paidAtMs = startAtMs + costMs;
    if (startAtMs <= now) return;
    try {
      await this.#sleep(startAtMs - now, signal);
    } catch (error) {
      this.#paidAtMs -= costMs;
      throw error;
    }
  }
}
