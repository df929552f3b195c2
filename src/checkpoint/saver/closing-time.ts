import type { Sleep } from "../../base/timers.ts";
import { WaitTimeoutError } from "../../errors.ts";
import { withStallTimeout } from "../../transfer/stall-timeout.ts";
import type { SaveJob } from "./save-job.ts";
import type { Saver } from "./saver.ts";

export interface ClosingTimeOptions {
  /** Of the run's store, for messages. */
  readonly url: string;
  readonly sleep: Sleep;
  /** How long neither tier may answer anything; undefined: as long as it takes. */
  readonly patienceMs: number | undefined;
  /** A number that grows while bytes move. */
  readonly moved: () => number;
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
 * The second half begins at once where the store is known to be away.
 */
export class ClosingTime {
  /** Told of every answer. */
  readonly watchers: Set<() => void> = new Set();
  readonly #options: ClosingTimeOptions;
  readonly #isUp = new AbortController();
  readonly #isShort = new AbortController();
  readonly #isOver = new AbortController();

  #isLimited = false;
  #hasGivenUp = false;

  constructor(options: ClosingTimeOptions) {
    this.#options = options;
  }

  get isUp(): AbortSignal {
    return this.#isUp.signal;
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
    const { sleep } = this.#options;
    this.#isLimited = true;
    const after = (delayMs: number, action: () => void): void => {
      if (delayMs < LONGEST_TIMER_MS) sleep(delayMs, this.#isOver.signal).then(action, () => undefined);
    };
    after(timeoutMs / 2, () => this.#isShort.abort());
    after(timeoutMs, () =>
      this.#isUp.abort(new WaitTimeoutError(`close() was to take ${Math.round(timeoutMs)} ms at most`)),
    );
  }

  /** Lets the saver make what it can, and fails the rest. */
  async finish(saver: Saver): Promise<void> {
    const { sleep, patienceMs: timeoutMs, url, storeError, moved } = this.#options;
    const onShort = (): void => saver.preferNewest();
    this.#isShort.signal.addEventListener("abort", onShort, { once: true });
    if (storeError() !== null) this.#isShort.abort();
    try {
      await withStallTimeout({ timeoutMs, name: url, sleep, moved, signal: this.#isUp.signal }, async (_, alive) => {
        this.watchers.add(alive);
        await saver.close();
      });
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
}

/** Timers of Node count up to 2^31 - 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31;

function notMade({ message: { sequence, step } }: SaveJob, why: string, cause: unknown): WaitTimeoutError {
  return new WaitTimeoutError(`Save ${sequence} (step ${step}) was not made before the run was closed: ${why}`, {
    cause,
    hint: "Give close() more time (closeTimeoutMs), or open the run with `local`, which keeps what the store lacks.",
  });
}
