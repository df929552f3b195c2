import { raceAbort } from "../../base/abort.ts";
import type { Sleep } from "../../base/timers.ts";
import { StoreError, WaitTimeoutError } from "../../errors.ts";
import { untilNothingMoves } from "../../transfer/stall-timeout.ts";
import type { SaveJob } from "./save-job.ts";
import type { Saver } from "./saver.ts";

export interface ClosingTimeOptions {
  /** Of the run's store, for messages. */
  readonly url: string;
  readonly sleep: Sleep;
  /** How long neither tier may answer anything; undefined: as long as it takes. */
  readonly patienceMs: number | undefined;
  /** Whether saves go to it directly: no local disk keeps them before. */
  readonly isStoreAlone: boolean;
  /** A number that grows while bytes move. */
  readonly moved: () => number;
  /** Of the save under way: a disk may have nothing to answer for long where the data is compressed well. */
  readonly rawBytesDone: () => number;
  /** Why the only store is given up on; null while it is well, or where a local tier goes before it. */
  readonly storeError: () => Error | null;
}

/**
 * How long the end of a run may take: one limit for all its saves.
 *
 * ```
 *   begin ──────────── half of the time ──────────── time is up
 *   in their order     the newest alone,             every save that is not made
 *                      the others replaced by it     fails, by name
 * ```
 *
 * The second half begins at once where the store is known to be away. Where the machine is taken away, the limit is the
 * store's: saves on local disk end when they are made, or when nothing moves any more.
 */
export class ClosingTime {
  /** Told of every answer. */
  readonly watchers: Set<() => void> = new Set();
  readonly #options: ClosingTimeOptions;
  readonly #isUp = new AbortController();
  readonly #isStoreUp = new AbortController();
  readonly #isStuck = new AbortController();
  readonly #isShort = new AbortController();
  readonly #isOver = new AbortController();
  #answers = 0;

  #isLimited = false;
  #hasGivenUp = false;

  constructor(options: ClosingTimeOptions) {
    this.#options = options;
    this.watchers.add(() => this.#answers++);
  }

  /** Of what a store lacks that has a local tier before it. */
  get isStoreUp(): AbortSignal {
    return AbortSignal.any([this.#isUp.signal, this.#isStoreUp.signal]);
  }

  /** Whether somebody has set a limit. */
  get isLimited(): boolean {
    return this.#isLimited;
  }

  /** Whether there were saves that could not be made. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  /** From now on; the shortest limit holds. */
  limit(timeoutMs: number): void {
    this.#isLimited = true;
    this.#after(timeoutMs / 2, () => this.#isShort.abort());
    this.#after(timeoutMs, () =>
      this.#isUp.abort(new WaitTimeoutError(`close() was to take ${Math.round(timeoutMs)} ms at most`)),
    );
  }

  /** The machine is taken away: so long for the store. A save that nothing else keeps has a while all the same. */
  limitStore(timeoutMs: number): void {
    const savesMs = Math.max(timeoutMs, LEAST_MS);
    const timeIsUp = (limitMs: number): WaitTimeoutError =>
      new WaitTimeoutError(`SIGTERM has come, and the store had ${Math.round(limitMs)} ms left`);
    this.#isLimited = true;
    this.#after(timeoutMs, () => this.#isStoreUp.abort(timeIsUp(timeoutMs)));
    this.#after(savesMs / 2, () => this.#isShort.abort());
    if (this.#options.isStoreAlone) this.#after(savesMs, () => this.#isUp.abort(timeIsUp(savesMs)));
    else void this.#watch(savesMs);
  }

  /** Lets the saver make what it can, and fails the rest. */
  async finish(saver: Saver): Promise<void> {
    const { patienceMs, isStoreAlone, storeError } = this.#options;
    const onShort = (): void => saver.preferNewest();
    this.#isShort.signal.addEventListener("abort", onShort, { once: true });
    if (storeError() !== null) this.#isShort.abort();
    // How patient one is with the store must not cut off what goes to local disk.
    if (patienceMs !== undefined) void this.#watch(isStoreAlone ? patienceMs : Math.max(patienceMs, LEAST_MS));
    try {
      await raceAbort(saver.close(), AbortSignal.any([this.#isUp.signal, this.#isStuck.signal]));
    } catch (reason) {
      this.#hasGivenUp = true;
      await saver.giveUp((job) => notMade(job, (storeError() ?? (reason as Error)).message, reason));
    } finally {
      this.#isShort.signal.removeEventListener("abort", onShort);
    }
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#isOver.abort();
  }

  #after(delayMs: number, action: () => void): void {
    const { sleep } = this.#options;
    sleep(delayMs, this.#isOver.signal).then(action, () => undefined);
  }

  /** Gives the saves up once nothing was answered or encoded for so long. */
  async #watch(patienceMs: number): Promise<void> {
    const { url, sleep, moved, rawBytesDone } = this.#options;
    const signs = (): string => `${this.#answers} ${moved()} ${rawBytesDone()}`;
    try {
      await untilNothingMoves(patienceMs, signs, (delayMs) => sleep(delayMs, this.#isOver.signal));
    } catch {
      return;
    }
    this.#isStuck.abort(new StoreError("timeout", "transfer", url, `nothing moved for ${patienceMs} ms`));
  }
}

/** For saves that are kept nowhere yet, whoever is in a hurry. */
const LEAST_MS = 10_000;

function notMade({ message: { sequence, step }, isBeingCommitted }: SaveJob, why: string, cause: unknown): Error {
  if (isBeingCommitted) {
    return new WaitTimeoutError(
      `Save ${sequence} (step ${step}) may have been made or not: its last request had no answer before the run was closed: ${why}`,
      { cause, hint: "Whoever opens the run next sees whether it has that step; so does varve list." },
    );
  }
  return new WaitTimeoutError(`Save ${sequence} (step ${step}) was not made before the run was closed: ${why}`, {
    cause,
    hint: "Give close() more time (closeTimeoutMs), or open the run with `local`, which keeps what the store lacks.",
  });
}
