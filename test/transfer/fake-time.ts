import type { Clock } from "../../src/base/clock.ts";
import type { Sleep } from "../../src/base/timers.ts";

interface Sleeper {
  readonly dueAtMs: number;
  readonly wake: () => void;
}

/** Time that stands still until a test moves it. */
export class FakeTime {
  nowMs = 0;
  readonly #sleepers: Set<Sleeper> = new Set();
  /** Every delay that was asked for, in order. */
  readonly delays: number[] = [];

  readonly clock: Clock = { now: () => this.nowMs, monotonicMs: () => this.nowMs };

  readonly sleep: Sleep = async (delayMs, signal) => {
    this.delays.push(delayMs);
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = { dueAtMs: this.nowMs + delayMs, wake: resolve };
    this.#sleepers.add(sleeper);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener("abort", onAbort);
    }
  };

  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Lets everything run that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time on, waking sleepers one by one at their own moment. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.nowMs + byMs;
    await this.settle();
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.dueAtMs - b.dueAtMs)[0];
      if (next === undefined || next.dueAtMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next.dueAtMs);
      this.#sleepers.delete(next);
      next.wake();
      await this.settle();
    }
    this.nowMs = untilMs;
  }

  /** The machine stood still: whatever was to end meanwhile ends now, all at once, and nothing went on beside it. */
  async jump(byMs: number): Promise<void> {
    await this.settle();
    this.nowMs += byMs;
    const due = [...this.#sleepers].filter(({ dueAtMs }) => dueAtMs <= this.nowMs);
    for (const sleeper of due) this.#sleepers.delete(sleeper);
    for (const { wake } of due) wake();
    await this.settle();
  }
}
