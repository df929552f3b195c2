import type { Clock } from "../base/clock.ts";
import type { RetryPolicy } from "./retry.ts";

/** Long enough for what people mend, and for most of what mends itself. */
const PATIENCE_MS = 600_000;
/** Of a job that begins when the others' patience has come to its end: enough for a store that is back to be seen. */
const LEAST_MS = 30_000;

/**
 * How long jobs are tried while their store stays away: one time for all that begin meanwhile. With a time of its own for
 * each, jobs that wait for each other would pile up faster than they are given up.
 */
export class Patience {
  readonly #clock: Clock;
  #awaySinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request failed that may help to be tried again. */
  failed(): void {
    this.#awaySinceMs ??= this.#clock.monotonicMs();
  }

  /** Something has come to its end. */
  answered(): void {
    this.#awaySinceMs = null;
  }

  /** For a job that begins now. */
  policy(): Pick<RetryPolicy, "attempts" | "budgetMs"> {
    const now = this.#clock.monotonicMs();
    const awayMs = now - (this.#awaySinceMs ?? now);
    return { attempts: Number.POSITIVE_INFINITY, budgetMs: Math.max(LEAST_MS, PATIENCE_MS - awayMs) };
  }
}
