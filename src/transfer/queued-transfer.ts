import type { Clock } from "../base/clock.ts";
import { etaMsOf, RateMeter } from "./rate-meter.ts";
import type { JobProgress, Transfer, TransferJob, TransferPhase } from "./transfer.ts";

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
  /** What the try under way has on its way, `bytesDone` included. */
  #bytesSent = 0;
  readonly #rate: RateMeter;

  constructor(job: TransferJob<unknown>, clock: Clock) {
    this.#rate = new RateMeter(clock);
    this.name = job.name;
    this.bytes = job.bytes;
    const own = this.#controller.signal;
    this.signal = job.signal === undefined ? own : AbortSignal.any([job.signal, own]);
  }

  get progress(): JobProgress {
    const { name, bytes: bytesTotal, retries } = this;
    const bytesDone = this.#bytesSent;
    const bytesPerSecond = this.#rate.bytesPerSecond();
    const etaMs = etaMsOf(bytesTotal - bytesDone, bytesPerSecond);
    return { name, bytesDone, bytesTotal, bytesPerSecond, etaMs, retries };
  }

  /** @param bytesSent - 0 where a try begins */
  send(bytesSent: number): void {
    const bytes = Math.min(bytesSent, this.bytes);
    this.#rate.add(bytes - this.#bytesSent);
    this.#bytesSent = bytes;
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
