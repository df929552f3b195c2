import { raceAbort } from "../base/abort.ts";
import type { Sleep } from "../base/timers.ts";
import { StoreError } from "../errors.ts";

export interface StallTimeout {
  /** Undefined: never. */
  readonly timeoutMs: number | undefined;
  readonly name: string;
  readonly sleep: Sleep;
  /** A number that grows with whatever else shows that it is well. */
  readonly moved?: (() => number) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` until it settles, its signal is aborted, or it has not called `alive` for `timeoutMs`; the last is a
 * StoreError of kind `timeout`. A large object on a slow line takes long and is well: only standing still is not.
 * Work that does not heed its signal is left behind.
 */
export async function withStallTimeout<Result>(
  stall: StallTimeout,
  work: (signal: AbortSignal, alive: () => void) => Promise<Result>,
): Promise<Result> {
  const attempt = new AbortController();
  const signal = AbortSignal.any([stall.signal, attempt.signal]);
  const settled = new AbortController();
  let reports = 0;
  const working = work(signal, () => reports++);
  const watching = watch(stall, settled.signal, () => reports + (stall.moved?.() ?? 0));
  watching.then(
    (stalled) => stalled !== null && attempt.abort(stalled),
    (failure: unknown) => attempt.abort(failure),
  );
  try {
    return await raceAbort(working, signal);
  } finally {
    settled.abort();
  }
}

/**
 * A process that stood still (a suspended machine, SIGSTOP) finds its timer run out although nothing could have moved:
 * it has lost one part of the time, and the others are still to come.
 */
const PARTS = 8;

/** Resolves to the error once a whole `timeoutMs` went by without a report, or to null when there is no need to watch. */
async function watch(stall: StallTimeout, settled: AbortSignal, reports: () => number): Promise<StoreError | null> {
  const { timeoutMs, name, sleep } = stall;
  if (timeoutMs === undefined) return null;
  await untilNothingMoves(timeoutMs, reports, (delayMs) => sleep(delayMs, settled));
  return new StoreError("timeout", "transfer", name, `nothing moved for ${timeoutMs} ms`);
}

/** Resolves when `signs` have stayed the same for `patienceMs` in which this process was awake. */
export async function untilNothingMoves(
  patienceMs: number,
  signs: () => unknown,
  sleep: (delayMs: number) => Promise<void>,
): Promise<void> {
  let [seen, quietParts] = [signs(), 0];
  while (quietParts < PARTS) {
    await sleep(patienceMs / PARTS);
    const now = signs();
    quietParts = now === seen ? quietParts + 1 : 0;
    seen = now;
  }
}
