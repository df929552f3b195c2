import { type Clock, systemClock } from "../base/clock.ts";
import { type Sleep, systemSleep } from "../base/timers.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

export type StopSignal = "SIGINT" | "SIGTERM";

// After SIGTERM a machine is usually gone within 30 s; a few of them are left for what is on its way to local disk.
export const DEFAULT_STOP_MS = 25_000;

export interface StopHooks {
  /** Training has not ended in time after SIGTERM: the last chance before the process ends. */
  readonly onTimeUp: () => Promise<void>;
  /** Before a second signal ends the process. */
  readonly onSecond: () => void;
}

/**
 * Listens for Ctrl-C and SIGTERM: the first asks training to end after its generation, the second ends the process.
 *
 * Signals are heard only while the training thread yields to its event loop.
 */
export class StopSignals {
  readonly #output: ConsoleOutput;
  readonly #limitMs: number;
  readonly #hooks: StopHooks;
  readonly #sleep: Sleep;
  readonly #clock: Clock;
  readonly #limit = new AbortController();
  readonly #listeners: ReadonlyMap<StopSignal, () => void>;
  #received: StopSignal | null = null;
  #receivedAtMs = 0;
  #finish: ((timeoutMs: number) => void) | null = null;

  /**
   * @param limitMs - how long ending may take: from SIGTERM on; after Ctrl-C from the end of the generation on
   * @param time - for tests: how it passes
   */
  constructor(
    output: ConsoleOutput,
    limitMs: number,
    hooks: StopHooks,
    time: { readonly sleep: Sleep; readonly clock: Clock } = { sleep: systemSleep, clock: systemClock },
  ) {
    this.#output = output;
    this.#limitMs = limitMs;
    this.#hooks = hooks;
    this.#sleep = time.sleep;
    this.#clock = time.clock;
    this.#listeners = new Map([
      ["SIGINT", () => this.#receive("SIGINT")],
      ["SIGTERM", () => this.#receive("SIGTERM")],
    ]);
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  /** The signal that asked to end, or null. */
  get received(): StopSignal | null {
    return this.#received;
  }

  /**
   * Training is over, and what is left is saves: with a signal, now or later, they are to be finished in the time that is
   * left of the limit.
   */
  trainingIsOver(finish: (timeoutMs: number) => void): void {
    this.#finish = finish;
    this.#limit.abort();
    if (this.#received !== null) finish(this.#leftMs(this.#received));
  }

  #leftMs(signal: StopSignal): number {
    // A person at a terminal has no machine taken away: only the store has a limit then.
    if (signal === "SIGINT") return this.#limitMs;
    return Math.max(0, this.#receivedAtMs + this.#limitMs - this.#clock.monotonicMs());
  }

  /** Stops listening: the next signal ends the process as if nobody ever had. */
  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
    this.#limit.abort();
  }

  #receive(signal: StopSignal): void {
    if (this.#received !== null) {
      this.#output.warn("Ended at once: what was not saved yet is lost.");
      this.#hooks.onSecond();
      process.exit(signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
    }
    this.#received = signal;
    this.#receivedAtMs = this.#clock.monotonicMs();
    const again = signal === "SIGINT" ? "Ctrl-C again" : "a second signal";
    const what = this.#finish === null ? "this generation and its save" : "the saves under way";
    this.#output.warn(`${signal} received: finishing ${what}; ${again} ends at once.`);
    if (this.#finish !== null) this.#finish(this.#leftMs(signal));
    else if (signal === "SIGTERM") void this.#enforceLimit();
  }

  async #enforceLimit(): Promise<void> {
    try {
      await this.#sleep(this.#limitMs, this.#limit.signal);
    } catch (error) {
      if (this.#limit.signal.aborted) return;
      throw error;
    }
    await this.#hooks.onTimeUp();
    process.exit(EXIT.preempted);
  }
}

/** The exit code of a run that a signal ended in good order. */
export function exitCodeOf(signal: StopSignal): ExitCode {
  return signal === "SIGINT" ? EXIT.interrupted : EXIT.preempted;
}
