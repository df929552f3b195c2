import type { TransferResult } from "./messages.ts";
import type { CloudTransferPhase, ForegroundTransfer, Transfer } from "./transfer.ts";

export interface TransferProgress {
  readonly phase: CloudTransferPhase;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly etaMs: number | null;
  readonly retries: number;
}

export interface TransferHooks {
  /** Takes in what the saver's thread has told meanwhile, so that a loop that never yields sees it. */
  readonly refresh: () => void;
  /** What the shared memory says, while the transfer is under way. */
  readonly read: () => TransferProgress;
  readonly cancel: () => void;
}

/** The handle of one transfer, on the training thread. */
export class CloudTransfer implements Transfer {
  readonly name: string;
  readonly finished: Promise<TransferResult>;
  readonly #hooks: TransferHooks;
  readonly #settled = Promise.withResolvers<TransferResult>();
  #final: TransferProgress | null = null;
  #error: Error | null = null;

  constructor(name: string, hooks: TransferHooks) {
    this.name = name;
    this.#hooks = hooks;
    this.finished = this.#settled.promise;
    // Ignoring a transfer must never raise an unhandled rejection: its failure is counted and told by the log.
    this.finished.catch(() => undefined);
  }

  get phase(): CloudTransferPhase {
    return this.#progress().phase;
  }

  /** How far it is, as far as is known without listening. */
  get known(): TransferProgress {
    return this.#final ?? this.#hooks.read();
  }

  /** Nothing has been done yet, as far as is known without listening. */
  get isWaiting(): boolean {
    return this.known.phase === "waiting";
  }

  get bytes(): number {
    return this.#progress().bytes;
  }

  get totalBytes(): number {
    return this.#progress().totalBytes;
  }

  get bytesPerSecond(): number {
    return this.#progress().bytesPerSecond;
  }

  get etaMs(): number | null {
    return this.#progress().etaMs;
  }

  get retries(): number {
    return this.#progress().retries;
  }

  get error(): Error | null {
    this.#hooks.refresh();
    return this.#error;
  }

  cancel(): void {
    if (this.#final === null) this.#hooks.cancel();
  }

  /** Called once, before its place in shared memory is given to another. */
  succeed(result: TransferResult): void {
    this.#end("finished");
    this.#settled.resolve(result);
  }

  fail(error: Error, phase: "failed" | "cancelled"): void {
    this.#end(phase);
    this.#error = error;
    this.#settled.reject(error);
  }

  #end(phase: "finished" | "failed" | "cancelled"): void {
    this.#final = { ...this.#hooks.read(), phase, bytesPerSecond: 0, etaMs: null };
  }

  #progress(): TransferProgress {
    if (this.#final === null) this.#hooks.refresh();
    return this.known;
  }
}

/** The same, for a caller who waits for it. */
export class AwaitedTransfer extends CloudTransfer implements ForegroundTransfer {
  // oxlint-disable-next-line unicorn/no-thenable -- `await cloud.uploadFile(…)` is the interface of the original
  then<Done = TransferResult, Failed = never>(
    onDone?: ((result: TransferResult) => Done | PromiseLike<Done>) | null,
    onFailed?: ((error: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    return this.finished.then(onDone, onFailed);
  }
}
