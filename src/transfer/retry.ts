import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Sleep } from "../base/timers.ts";
import { StoreError } from "../errors.ts";

/** How often and how long a failed request is tried again. */
export interface RetryPolicy {
  /** Tries in all, the first one counted. */
  readonly attempts: number;
  /** The longest first delay; it doubles with every further try. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** No try is begun later than this after the first, or after the operation last got further. */
  readonly budgetMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 8, baseDelayMs: 200, maxDelayMs: 30_000, budgetMs: 600_000 };

/** What a retry needs from outside, so that tests run without waiting. */
export interface RetryContext {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: Pick<Random, "uniform">;
  readonly sleep: Sleep;
  readonly signal?: AbortSignal | undefined;
  /** When the operation last got further than in any try before; null if it never did. */
  readonly gotFurtherAtMs?: (() => number | null) | undefined;
  readonly onRetry?: ((error: StoreError, attempt: number, delayMs: number) => void) | undefined;
}

/**
 * Runs an operation until it succeeds, fails for good, or the budget is used up; then its last error is thrown as it is.
 *
 * Only `StoreError.retryable` decides; anything else that is thrown is a mistake and passes at once. Delays have full
 * jitter, so that many writers that failed together do not come back together. A server's own wish
 * (`retryAfterMs` on the error) is a lower bound; one beyond the budget ends the tries at once.
 * The operation must be replayable: every try starts from the beginning.
 *
 * Once, a try or a pause may take longer than the whole budget: then this process stood still (a suspended machine,
 * SIGSTOP), and the budget begins anew, or the operation would fail before the network is back.
 *
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
 */
export async function withRetry<Result>(
  operation: (attempt: number) => Promise<Result>,
  context: RetryContext,
): Promise<Result> {
  const { policy, clock, signal } = context;
  let startedAt = clock.monotonicMs();
  let [awakeAt, hasStoodStill] = [startedAt, false];
  const noteStandstill = (): void => {
    const now = clock.monotonicMs();
    if (now - awakeAt > policy.budgetMs && !hasStoodStill) [startedAt, hasStoodStill] = [now, true];
    awakeAt = now;
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation(attempt);
    } catch (error) {
      noteStandstill();
      if (!(error instanceof StoreError) || !error.retryable) throw error;
      if (attempt >= policy.attempts || signal?.aborted) throw error;
      const delayMs = Math.max(jitteredDelayMs(attempt, context), error.retryAfterMs);
      const sinceMs = Math.max(context.gotFurtherAtMs?.() ?? startedAt, startedAt);
      if (clock.monotonicMs() - sinceMs + delayMs > policy.budgetMs) throw error;
      context.onRetry?.(error, attempt, delayMs);
      await context.sleep(delayMs, signal);
      noteStandstill();
    }
  }
}

function jitteredDelayMs(attempt: number, { policy, random }: RetryContext): number {
  return random.uniform() * Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
}
