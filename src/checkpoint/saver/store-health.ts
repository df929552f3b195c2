import type { Clock } from "../../base/clock.ts";
import type { StoreError } from "../../errors.ts";
import { toTransfer } from "../error-transfer.ts";
import type { FromSaver } from "../messages.ts";
import type { SharedStatus } from "../shared-status.ts";

export interface StoreHealthOptions {
  /** For messages. */
  readonly url: string;
  readonly status: SharedStatus;
  readonly clock: Clock;
  readonly tell: (message: FromSaver) => void;
  /** Durable checkpoints that the store lacks. */
  readonly behind: () => number;
  /** After each change, for whoever asks an absent store again. */
  readonly onChange?: ((isAway: boolean) => void) | undefined;
}

/** After so long with nothing but failures a store counts as away, though its requests are still tried again. */
const FAILING_MS = 5_000;

/** Whether the run's store takes checkpoints. Each change is told once, however long a state lasts. */
export class StoreHealth {
  readonly #options: StoreHealthOptions;
  #lastAnswerMs = 0;
  #failingSinceMs: number | null = null;
  #away: { readonly error: Error; readonly sinceMs: number } | null = null;

  constructor(options: StoreHealthOptions) {
    this.#options = options;
  }

  /** Why the store is given up on for the moment; null while it is well. */
  get error(): Error | null {
    return this.#away?.error ?? null;
  }

  /** One request was answered. What a store refuses to write is not well again because it can be read. */
  noteAnswer(operation: string): void {
    this.#lastAnswerMs = this.#options.clock.monotonicMs();
    this.#failingSinceMs = null;
    const { error } = this;
    if (error !== null && (!("operation" in error) || error.operation === operation || isPassing(error)))
      this.recover();
  }

  /**
   * One request failed. Only what passes counts here: a save that is refused for good fails at once, and then tells that
   * itself. Refusals of anything else, above all of the deletes of retention, say nothing of whether saves succeed.
   */
  noteFailure(error: StoreError, begunAtMs: number): void {
    if (!error.retryable || error.operation === "delete") return;
    // Others may have been answered while it stood still.
    this.#failingSinceMs ??= Math.max(begunAtMs, this.#lastAnswerMs);
    const failingMs = this.#options.clock.monotonicMs() - this.#failingSinceMs;
    if (failingMs >= FAILING_MS) this.fail(error);
  }

  fail(error: Error): void {
    const { url, status, clock, tell, behind } = this.#options;
    const isNew = this.#away === null;
    this.#away = { error, sinceMs: this.#away?.sinceMs ?? clock.monotonicMs() };
    status.set("isDegraded", 1);
    if (!isNew) return;
    tell({ type: "degraded", store: url, behind: behind(), error: toTransfer(error) });
    this.#options.onChange?.(true);
  }

  recover(): void {
    const { url, status, clock, tell, behind } = this.#options;
    if (this.#away === null) return;
    const awayMs = clock.monotonicMs() - this.#away.sinceMs;
    this.#away = null;
    status.set("isDegraded", 0);
    tell({ type: "event", event: { kind: "recovered", store: url, behind: behind(), awayMs } });
    this.#options.onChange?.(false);
  }
}

function isPassing(error: Error): boolean {
  return "retryable" in error && error.retryable === true;
}
