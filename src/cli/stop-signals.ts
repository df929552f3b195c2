import { type Sleep, systemSleep } from "../base/timers.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

export type StopSignal = "SIGINT" | "SIGTERM";

// SIGTERM promises to be gone within 30 s; a few of them are left for saves that are under way.
const PREEMPTION_LIMIT_MS = 25_000;

/**
 * Listens for Ctrl-C and SIGTERM: the first asks training to end after its generation, the second ends the process.
 *
 * Signals are heard only while the training thread yields to its event loop.
 */
export class StopSignals {
  readonly #output: ConsoleOutput;
  readonly #onPreemptionLimit: () => Promise<void>;
  readonly #sleep: Sleep;
  readonly #limit = new AbortController();
  readonly #listeners: ReadonlyMap<StopSignal, () => void>;
  #received: StopSignal | null = null;

  /**
   * @param onPreemptionLimit - what to do if training has not ended 25 s after SIGTERM, before the process ends
   * @param sleep - for tests: how the 25 s pass
   */
  constructor(output: ConsoleOutput, onPreemptionLimit: () => Promise<void>, sleep: Sleep = systemSleep) {
    this.#output = output;
    this.#onPreemptionLimit = onPreemptionLimit;
    this.#sleep = sleep;
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

  /** Stops listening: the next signal ends the process as if nobody ever had. */
  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
    this.#limit.abort();
  }

  #receive(signal: StopSignal): void {
    if (this.#received !== null) {
      this.#output.warn("Ended at once: what was not saved yet is lost.");
      process.exit(signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
    }
    this.#received = signal;
    const again = signal === "SIGINT" ? "Ctrl-C again" : "a second signal";
    this.#output.warn(`${signal} received: finishing this generation and its save; ${again} ends at once.`);
    if (signal === "SIGTERM") void this.#enforceLimit();
  }

  async #enforceLimit(): Promise<void> {
    try {
      await this.#sleep(PREEMPTION_LIMIT_MS, this.#limit.signal);
    } catch (error) {
      if (this.#limit.signal.aborted) return;
      throw error;
    }
    await this.#onPreemptionLimit();
    process.exit(EXIT.preempted);
  }
}

/** The exit code of a run that a signal ended in good order. */
export function exitCodeOf(signal: StopSignal): ExitCode {
  return signal === "SIGINT" ? EXIT.interrupted : EXIT.preempted;
}
