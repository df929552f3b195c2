import type { Save, SavePhase, SaveResult } from "./options.ts";
import type { SharedStatus } from "./shared-status.ts";

/** The handle that `save()` returns, and its two promises. */
export class SaveHandle implements Save {
  readonly step: number;
  readonly sequence: number;
  readonly blockedMs: number;
  readonly copiedBytes: number;
  readonly durable: Promise<SaveResult>;
  readonly committed: Promise<SaveResult>;
  readonly #status: SharedStatus;
  readonly #refresh: () => void;
  readonly #durable = Promise.withResolvers<SaveResult>();
  readonly #committed = Promise.withResolvers<SaveResult>();
  #phase: SavePhase = "waiting";

  /** @param refresh - takes in what the saver has told meanwhile, so that a loop that never yields sees its phase */
  constructor(
    facts: {
      readonly step: number;
      readonly sequence: number;
      readonly blockedMs: number;
      readonly copiedBytes: number;
    },
    status: SharedStatus,
    refresh: () => void,
  ) {
    this.step = facts.step;
    this.sequence = facts.sequence;
    this.blockedMs = facts.blockedMs;
    this.copiedBytes = facts.copiedBytes;
    this.#status = status;
    this.#refresh = refresh;
    this.durable = this.#durable.promise;
    this.committed = this.#committed.promise;
    // Ignoring a save must never raise an unhandled rejection; the failure is counted and shown by status().
    this.durable.catch(() => undefined);
    this.committed.catch(() => undefined);
  }

  get phase(): SavePhase {
    this.#refresh();
    const current = this.#status.current;
    return this.#phase === "waiting" && current?.sequence === this.sequence ? current.phase : this.#phase;
  }

  isDurable(result: SaveResult): void {
    this.#phase = "durable";
    this.#durable.resolve(result);
  }

  isCommitted(result: SaveResult): void {
    this.#phase = "committed";
    this.#committed.resolve(result);
  }

  /** Settles as the save that took its place will. */
  isReplacedBy(newer: Save): void {
    this.#phase = "replaced";
    this.#durable.resolve(newer.durable);
    this.#committed.resolve(newer.committed);
  }

  /** A durable one stays that: only the run's store lacks it. */
  hasFailed(error: Error, phase: "failed" | "skipped" = "failed"): void {
    if (this.#phase !== "durable") this.#phase = phase;
    this.#durable.reject(error);
    this.#committed.reject(error);
  }
}
