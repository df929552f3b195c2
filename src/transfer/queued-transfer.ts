import type { Transfer, TransferJob, TransferPhase } from "./transfer.ts";

/** A job in the queue, and what is known of it. Written by the queue only. */
export class QueuedTransfer {
  readonly name: string;
  readonly bytes: number;
  readonly signal: AbortSignal;
  readonly #controller: AbortController = new AbortController();
  bytesDone = 0;
  retries = 0;
  phase: TransferPhase = "waiting";
  /** The most that any try has moved, and when it did; null before. */
  furthestBytes = 0;
  gotFurtherAtMs: number | null = null;

  constructor(job: TransferJob<unknown>) {
    this.name = job.name;
    this.bytes = job.bytes;
    const own = this.#controller.signal;
    this.signal = job.signal === undefined ? own : AbortSignal.any([job.signal, own]);
  }

  cancel(reason?: unknown): void {
    this.#controller.abort(reason);
  }
}

/** What the caller holds of a job: it reads, and can cancel. */
export class TransferHandle<Result> implements Transfer<Result> {
  readonly finished: Promise<Result>;
  readonly #queued: QueuedTransfer;

  constructor(queued: QueuedTransfer, finished: Promise<Result>) {
    this.#queued = queued;
    this.finished = finished;
    // The queue counts failures and the promise tells them: a caller who looks at neither is not to be killed for it.
    finished.catch(() => undefined);
  }

  get name(): string {
    return this.#queued.name;
  }

  get bytes(): number {
    return this.#queued.bytes;
  }

  get bytesDone(): number {
    return this.#queued.bytesDone;
  }

  get retries(): number {
    return this.#queued.retries;
  }

  get phase(): TransferPhase {
    return this.#queued.phase;
  }

  cancel(reason?: unknown): void {
    this.#queued.cancel(reason);
  }
}
