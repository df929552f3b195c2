import type { Clock } from "../../src/base/clock.ts";
import { nextTurn, type Sleep } from "../../src/base/timers.ts";

/** Turns of the event loop without an end of the work: longer than anything that needs no time takes. */
const IDLE_TURNS = 200;

/** Real time after which work that waits for no simulated time counts as hanging. */
const HANG_MS = 50_000;

interface Sleeper {
  readonly dueAtMs: number;
  readonly wake: () => void;
}

/** Time that jumps to the next pause's end as soon as nothing else is left to do. */
export class SimulatedTime {
  nowMs = 1_700_000_000_000;
  readonly clock: Clock = { now: () => this.nowMs, monotonicMs: () => this.nowMs };
  readonly #sleepers: Set<Sleeper> = new Set();

  readonly sleep: Sleep = async (delayMs, signal) => {
    signal?.throwIfAborted();
    if (delayMs === 0) return nextTurn();
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

  /** What the work comes to; pauses on its way pass at once. @throws Error when it hangs */
  async until<Result>(work: Promise<Result>): Promise<Result> {
    const state = { isSettled: false };
    const settled = work.finally(() => {
      state.isSettled = true;
    });
    settled.catch(() => undefined);
    const startedAt = performance.now();
    for (let turns = 1; !state.isSettled; turns++) {
      await nextTurn();
      if (turns % IDLE_TURNS === 0 && !state.isSettled) this.#wakeNext();
      if (performance.now() - startedAt > HANG_MS) throw new Error("hangs: no end, whatever time passes");
    }
    return settled;
  }

  #wakeNext(): void {
    const [next] = [...this.#sleepers].sort((a, b) => a.dueAtMs - b.dueAtMs);
    if (next === undefined) return;
    this.nowMs = Math.max(this.nowMs, next.dueAtMs);
    this.#sleepers.delete(next);
    next.wake();
  }
}
