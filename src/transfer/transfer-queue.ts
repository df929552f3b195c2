import PQueue from "p-queue";
import { raceAbort } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { randomId } from "../base/ids.ts";
import { createRandom, type Random } from "../base/random.ts";
import { type Sleep, systemSleep } from "../base/timers.ts";
import { InvalidArgumentError, StoreError } from "../errors.ts";
import { TokenBucket } from "./bandwidth.ts";
import { QueuedTransfer, TransferHandle } from "./queued-transfer.ts";
import { etaMsOf, RateMeter } from "./rate-meter.ts";
import { DEFAULT_RETRY, type RetryPolicy, withRetry } from "./retry.ts";
import { withStallTimeout } from "./stall-timeout.ts";
import type { JobProgress, Transfer, TransferJob, TransferProgress } from "./transfer.ts";

export interface TransferQueueOptions {
  /** Jobs under way together; 4 by default. */
  readonly concurrency?: number | undefined;
  /** Over all jobs together; unlimited by default. */
  readonly maxBytesPerSecond?: number | undefined;
  /** The limit itself, where jobs share it with what is sent outside the queue; goes before `maxBytesPerSecond`. */
  readonly bandwidth?: TokenBucket | undefined;
  /** Bytes of unfinished jobs from which `addWhenRoom` waits; unlimited by default. */
  readonly maxQueuedBytes?: number | undefined;
  /** A try that reports nothing for this long is given up and tried again; never by default. */
  readonly stallTimeoutMs?: number | undefined;
  /** A function is asked when a job begins. */
  readonly retry?: Partial<RetryPolicy> | (() => Partial<RetryPolicy>) | undefined;
  /** Told of every failure that is tried again. */
  readonly onRetry?: ((name: string, error: StoreError, attempt: number, delayMs: number) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Pick<Random, "uniform"> | undefined;
  readonly sleep?: Sleep | undefined;
}

export interface DrainOptions {
  /** How long to wait; no limit by default. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait, and nothing else. */
  readonly signal?: AbortSignal | undefined;
}

interface Newcomer {
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Runs jobs by priority, a few at a time, with one limit on bandwidth and one layer of retries for all of them.
 *
 * `add` takes every job at once; callers whose number of jobs has no bound of its own use `addWhenRoom`, which waits
 * while more than `maxQueuedBytes` are unfinished.
 */
export class TransferQueue {
  readonly #queue: PQueue;
  readonly #clock: Clock;
  readonly #sleep: Sleep;
  readonly #random: Pick<Random, "uniform">;
  readonly #policy: () => RetryPolicy;
  readonly #bandwidth: TokenBucket;
  readonly #rate: RateMeter;
  readonly #stallTimeoutMs: number | undefined;
  readonly #maxQueuedBytes: number;
  readonly #onRetry: TransferQueueOptions["onRetry"];
  readonly #open: Set<QueuedTransfer> = new Set();
  /** Jobs that wait for room, in order of arrival. */
  readonly #newcomers: Newcomer[] = [];
  readonly #ended: Record<"finished" | "failed" | "cancelled", number> = { finished: 0, failed: 0, cancelled: 0 };
  #finishedBytes = 0;
  #openBytes = 0;
  #retries = 0;

  constructor(options: TransferQueueOptions = {}) {
    const { concurrency = 4 } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new InvalidArgumentError("concurrency", "a positive integer", concurrency);
    }
    this.#queue = new PQueue({ concurrency });
    this.#clock = options.clock ?? systemClock;
    this.#sleep = options.sleep ?? systemSleep;
    this.#random = options.random ?? createRandom(Number.parseInt(randomId().slice(0, 8), 16));
    const { retry } = options;
    this.#policy = () => ({ ...DEFAULT_RETRY, ...(typeof retry === "function" ? retry() : retry) });
    this.#bandwidth =
      options.bandwidth ??
      new TokenBucket(options.maxBytesPerSecond ?? Number.POSITIVE_INFINITY, this.#clock, this.#sleep);
    this.#rate = new RateMeter(this.#clock);
    this.#stallTimeoutMs = options.stallTimeoutMs;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? Number.POSITIVE_INFINITY;
    this.#onRetry = options.onRetry;
  }

  /** Queues a job. What becomes of it is told by the handle only; `add` itself never fails. */
  add<Result>(job: TransferJob<Result>): Transfer<Result> {
    const transfer = new QueuedTransfer(job, this.#clock);
    this.#open.add(transfer);
    this.#openBytes += job.bytes;
    return new TransferHandle(transfer, this.#finish(job, transfer));
  }

  /**
   * Queues a job as soon as no more than `maxQueuedBytes` are unfinished with it; one that is larger goes alone.
   * Those who wait enter in order of arrival.
   *
   * @throws StoreError of kind `aborted` when the job's signal is aborted while it waits
   */
  async addWhenRoom<Result>(job: TransferJob<Result>): Promise<Transfer<Result>> {
    if (this.#newcomers.length === 0 && this.#hasRoom(job.bytes)) return this.add(job);
    const { promise, resolve } = Promise.withResolvers<Transfer<Result>>();
    const newcomer: Newcomer = { bytes: job.bytes, enter: () => resolve(this.add(job)) };
    this.#newcomers.push(newcomer);
    if (job.signal === undefined) return promise;
    try {
      return await raceAbort(promise, job.signal);
    } catch (error) {
      const place = this.#newcomers.indexOf(newcomer);
      if (place >= 0) this.#newcomers.splice(place, 1);
      this.#admit();
      throw abortedError(job.name, error);
    }
  }

  /** Begins no further job; those under way go on. */
  pause(): void {
    this.#queue.pause();
  }

  resume(): void {
    this.#queue.start();
  }

  /** Cancels every job that is in the queue now; the queue stays usable. */
  cancel(reason?: unknown): void {
    for (const transfer of [...this.#open]) transfer.cancel(reason);
  }

  /**
   * Resolves to true when nothing waits or runs any more, to false when the time is up; never rejects. Jobs go in their
   * order of priority, so that what a deadline leaves over is what was worth least; it stays in the queue.
   * While paused, jobs that wait keep it waiting.
   */
  async drain({ timeoutMs = Number.POSITIVE_INFINITY, signal }: DrainOptions = {}): Promise<boolean> {
    const enough = new AbortController();
    const ending = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
    const isUp = this.#sleep(timeoutMs, ending);
    try {
      return await Promise.race([this.#settled(), isUp.then(returnFalse, returnFalse)]);
    } finally {
      enough.abort();
    }
  }

  /** The jobs under way, in order of arrival: as many as the concurrency at most. */
  jobs(): JobProgress[] {
    return [...this.#open].filter(({ phase }) => phase === "running").map(({ progress }) => progress);
  }

  progress(): TransferProgress {
    const open = [...this.#open];
    const running = open.filter((transfer) => transfer.phase === "running").length;
    const bytesDone = open.reduce((sum, transfer) => sum + transfer.bytesDone, this.#finishedBytes);
    const bytesTotal = this.#finishedBytes + this.#openBytes;
    const bytesPerSecond = this.#rate.bytesPerSecond();
    return {
      ...this.#ended,
      waiting: open.length - running,
      running,
      retries: this.#retries,
      bytesDone,
      bytesTotal,
      bytesPerSecond,
      etaMs: etaMsOf(bytesTotal - bytesDone, bytesPerSecond),
    };
  }

  async #settled(): Promise<true> {
    // The queue is idle a moment before the last job is settled here.
    while (this.#open.size > 0) await this.#queue.onIdle();
    return true;
  }

  async #finish<Result>(job: TransferJob<Result>, transfer: QueuedTransfer): Promise<Result> {
    const { priority = 0 } = job;
    try {
      const result = await this.#queue.add(() => this.#run(job, transfer), { priority, signal: transfer.signal });
      this.#settle(transfer, "finished");
      return result;
    } catch (error) {
      const cancelled = transfer.signal.aborted;
      this.#settle(transfer, cancelled ? "cancelled" : "failed");
      throw cancelled ? abortedError(transfer.name, transfer.signal.reason) : error;
    }
  }

  #run<Result>(job: TransferJob<Result>, transfer: QueuedTransfer): Promise<Result> {
    transfer.phase = "running";
    return withRetry((attempt) => this.#attempt(job, transfer, attempt), {
      policy: this.#policy(),
      clock: this.#clock,
      random: this.#random,
      sleep: this.#sleep,
      signal: transfer.signal,
      gotFurtherAtMs: () => transfer.gotFurtherAtMs,
      onRetry: (error, attempt, delayMs) => {
        transfer.bytesDone = 0;
        transfer.send(0);
        transfer.retries++;
        this.#retries++;
        this.#onRetry?.(job.name, error, attempt, delayMs);
      },
    });
  }

  async #attempt<Result>(job: TransferJob<Result>, transfer: QueuedTransfer, number: number): Promise<Result> {
    // A retry moves the bytes again, and pays for them again.
    await this.#bandwidth.take(job.bytes, transfer.signal);
    const stall = { timeoutMs: this.#stallTimeoutMs, name: job.name, sleep: this.#sleep, signal: transfer.signal };
    const result = await withStallTimeout(stall, (signal, alive) =>
      job.run({
        number,
        signal,
        report: (bytesDone) => {
          alive();
          this.#advance(transfer, Math.min(bytesDone, job.bytes));
        },
        sent: (bytesSent) => {
          // A body that was given up may still talk.
          if (transfer.retries === number - 1) transfer.send(bytesSent);
        },
      }),
    );
    this.#advance(transfer, job.bytes);
    return result;
  }

  #advance(transfer: QueuedTransfer, bytesDone: number): void {
    // A body that was given up may still talk.
    if (transfer.phase !== "running") return;
    transfer.send(bytesDone);
    this.#rate.add(bytesDone - transfer.bytesDone);
    transfer.bytesDone = bytesDone;
    if (bytesDone <= transfer.furthestBytes) return;
    transfer.furthestBytes = bytesDone;
    transfer.gotFurtherAtMs = this.#clock.monotonicMs();
  }

  #settle(transfer: QueuedTransfer, phase: "finished" | "failed" | "cancelled"): void {
    transfer.phase = phase;
    this.#open.delete(transfer);
    this.#openBytes -= transfer.bytes;
    if (phase === "finished") this.#finishedBytes += transfer.bytes;
    this.#ended[phase]++;
    this.#admit();
  }

  #hasRoom(bytes: number): boolean {
    return this.#open.size === 0 || this.#openBytes + bytes <= this.#maxQueuedBytes;
  }

  #admit(): void {
    for (let next = this.#newcomers[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#newcomers[0]) {
      this.#newcomers.shift();
      next.enter();
    }
  }
}

const returnFalse = (): boolean => false;

function abortedError(name: string, cause: unknown): StoreError {
  if (cause instanceof StoreError && cause.kind === "aborted") return cause;
  return new StoreError("aborted", "transfer", name, "it was cancelled", { cause });
}
