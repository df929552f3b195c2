import { EventEmitter } from "node:events";
import { isPromiseLike } from "../base/promise-like.ts";
import { SaveSkippedError, WaitTimeoutError } from "../errors.ts";
import { fromTransfer } from "./error-transfer.ts";
import type { CheckpointEvent, CheckpointerEvents } from "./events.ts";
import type { FromSaver } from "./messages.ts";
import type { SaveHandle } from "./save-handle.ts";
import type { SharedStatus } from "./shared-status.ts";

type EventArguments = { [E in keyof CheckpointerEvents]: [CheckpointerEvents[E]] };

/** How many background errors are kept for `waitUntilFinished()`. */
const MAX_ERRORS = 100;

/** The saves under way, what became of the others, and who is told. On the training thread. */
export class SaveLedger {
  readonly emitter: EventEmitter<EventArguments> = new EventEmitter();
  readonly errors: Error[] = [];
  readonly #open = new Map<number, SaveHandle>();
  readonly #log: ((event: CheckpointEvent) => void) | undefined;

  constructor(log: ((event: CheckpointEvent) => void) | undefined) {
    this.#log = log;
  }

  get lastError(): Error | null {
    return this.errors.at(-1) ?? null;
  }

  /** Saves whose fate is open, also those durable but not committed yet. */
  get open(): readonly SaveHandle[] {
    return [...this.#open.values()];
  }

  /** Lets the saver send one message of progress, if anyone listens: each takes a turn of the training thread's loop. */
  askForProgress(status: SharedStatus): void {
    status.set("isProgressAsked", this.emitter.listenerCount("progress") > 0 ? 1 : 0);
  }

  add(save: SaveHandle): void {
    this.#open.set(save.sequence, save);
  }

  /** A log function that throws must not stop training; its error is kept like any other of the background. */
  tell(event: CheckpointEvent): void {
    callGuarded(
      () => this.#log?.(event),
      (error) => this.#remember(error),
    );
  }

  handle(message: FromSaver): void {
    switch (message.type) {
      case "durable":
        this.#open.get(message.sequence)?.isDurable(message.result);
        break;
      case "committed":
        this.#take(message.sequence)?.isCommitted(message.result);
        break;
      case "failed":
        this.#fail(message.sequence, fromTransfer(message.error));
        break;
      case "commitFailed":
        if (message.willRetry) this.#postpone(message.sequence, fromTransfer(message.error));
        else this.#fail(message.sequence, fromTransfer(message.error));
        break;
      case "degraded":
        this.#degrade(message);
        break;
      case "replaced":
        this.#replace(message.sequence, message.by);
        break;
      case "progress":
        this.#emit("progress", message.progress);
        break;
      case "event":
        this.tell(message.event);
        if (message.event.kind === "durable") this.#emit("durable", message.event);
        if (message.event.kind === "committed") this.#emit("committed", message.event);
        if (message.event.kind === "recovered") this.#emit("recovered", message.event);
        break;
      default:
        break;
    }
  }

  /** Every save that is still open is lost: the saver, whose counters these are, is gone. */
  loseAll(status: SharedStatus, error: Error): void {
    status.add("failed", status.pending);
    for (const sequence of [...this.#open.keys()]) this.#fail(sequence, error);
  }

  /** The process ends, and nobody hears anything afterwards. @param behind - durable checkpoints that the store lacks */
  tellExit(behind: number, local: string | undefined, store: string): void {
    for (const { sequence, step, phase } of this.open) {
      if (phase === "durable") continue;
      const message = `Save ${sequence} (step ${step}) was not made before the process ended, as far as is known`;
      this.#fail(sequence, new WaitTimeoutError(message, { hint: "Wait for close() before the process is ended." }));
    }
    if (behind === 0 || local === undefined) return;
    const count = behind === 1 ? "1 checkpoint is" : `${behind} checkpoints are`;
    const message =
      `${count} durable in ${local} and not in ${store}: the process ended. ` +
      `Opening the run again with both sends what is missing, and so does: varve sync ${local} ${store}`;
    this.tell({ kind: "warning", message });
  }

  #take(sequence: number): SaveHandle | undefined {
    const save = this.#open.get(sequence);
    this.#open.delete(sequence);
    return save;
  }

  #fail(sequence: number, error: Error): void {
    const save = this.#take(sequence);
    if (save === undefined) return;
    if (error instanceof SaveSkippedError) {
      save.hasFailed(error, "skipped");
      this.tell({ kind: "skipped", step: save.step, sequence });
      return;
    }
    save.hasFailed(error);
    this.#remember(error);
    const event = { kind: "failed", step: save.step, sequence, error } as const;
    this.tell(event);
    this.#emit("failed", event);
  }

  /** Durable, and to be committed later: its promise rejects, and the state of the store is told once for all saves. */
  #postpone(sequence: number, error: Error): void {
    this.#take(sequence)?.hasFailed(error);
    this.#remember(error);
  }

  #degrade({ store, behind, error }: Extract<FromSaver, { type: "degraded" }>): void {
    const event = { kind: "degraded", store, behind, error: fromTransfer(error) } as const;
    this.tell(event);
    this.#emit("degraded", event);
  }

  #remember(error: unknown): void {
    this.errors.push(error instanceof Error ? error : new Error(String(error)));
    if (this.errors.length > MAX_ERRORS) this.errors.shift();
  }

  /** Calls every listener, whatever the others do. */
  #emit<E extends keyof CheckpointerEvents>(name: E, event: CheckpointerEvents[E]): void {
    for (const listener of this.emitter.listeners(name)) {
      callGuarded(
        () => (listener as (event: CheckpointerEvents[E]) => unknown)(event),
        (error) => this.tell({ kind: "warning", message: `a listener of "${name}" threw: ${String(error)}` }),
      );
    }
  }

  #replace(sequence: number, by: number): void {
    const newer = this.#open.get(by);
    const save = this.#take(sequence);
    if (save === undefined || newer === undefined) return;
    save.isReplacedBy(newer);
    this.tell({ kind: "replaced", step: save.step, sequence, by });
  }
}

/** Calls what a caller has given, which may be async, whatever its type says. */
function callGuarded(call: () => unknown, onError: (error: unknown) => void): void {
  try {
    const result = call();
    if (isPromiseLike(result)) result.then(undefined, onError);
  } catch (error) {
    onError(error);
  }
}
