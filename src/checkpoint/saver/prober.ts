import type { Random } from "../../base/random.ts";
import type { Sleep } from "../../base/timers.ts";

/** Pauses between tries of a store that is away: the first is about this long, and each up to twice the one before. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Tries again and again, less and less often, until it is stopped. It waits in the saver's thread, which keeps no process alive. */
export class Prober {
  readonly #sleep: Sleep;
  readonly #random: Pick<Random, "uniform">;
  readonly #probe: () => void;
  #tries = 0;
  #pause: AbortController | null = null;

  /** @param probe - begins a try; whoever learns that it failed calls `schedule` again */
  constructor(sleep: Sleep, random: Pick<Random, "uniform">, probe: () => void) {
    this.#sleep = sleep;
    this.#random = random;
    this.#probe = probe;
  }

  /** Plans the next try, unless one is planned. Half of each pause is a matter of chance. */
  schedule(): void {
    if (this.#pause !== null) return;
    const pause = new AbortController();
    this.#pause = pause;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#tries++);
    this.#sleep(pauseMs * (0.5 + 0.5 * this.#random.uniform()), pause.signal).then(
      () => {
        this.#pause = null;
        this.#probe();
      },
      () => undefined,
    );
  }

  /** The store is well again, or nobody asks any more. */
  stop(): void {
    this.#tries = 0;
    this.#pause?.abort();
    this.#pause = null;
  }
}
