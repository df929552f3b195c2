/** One try at a job, as its body sees it. */
export interface TransferAttempt {
  /** 1 for the first. */
  readonly number: number;
  /** Aborted when the job is cancelled, or when this try made no progress for too long. */
  readonly signal: AbortSignal;
  /** Tells how many of the job's bytes this try has moved; keeps a long one from counting as stalled. */
  report(bytesDone: number): void;
  /**
   * Tells how many bytes this try has on their way, for whoever looks. Unlike `report` it is no sign that the job gets
   * further: a store may take a body to its end and refuse it, again and again.
   */
  readonly sent: (bytesSent: number) => void;
}

export interface TransferJob<Result> {
  /** For messages: the object's name. */
  readonly name: string;
  /** What the job moves; counts for progress, bandwidth and the queue's byte budget. */
  readonly bytes: number;
  /** Greater goes first; equal ones in order of arrival. 0 by default. */
  readonly priority?: number | undefined;
  /** Does the work from its beginning, as often as it takes. */
  readonly run: (attempt: TransferAttempt) => Promise<Result>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The states of a transfer; the last three are final.
 *
 *     waiting ──> running ──> finished
 *        │           ├──────> failed        retries used up, or an error that no retry helps
 *        └───────────┴──────> cancelled
 */
export type TransferPhase = "waiting" | "running" | "finished" | "failed" | "cancelled";

/** The handle of a job in the queue. Ignoring its promise never raises an unhandled rejection. */
export interface Transfer<Result> {
  readonly name: string;
  readonly bytes: number;
  readonly bytesDone: number;
  readonly retries: number;
  readonly phase: TransferPhase;
  /** Rejects with the last try's error; with StoreError of kind `aborted` when cancelled. */
  readonly finished: Promise<Result>;
  cancel(reason?: unknown): void;
}

/** A job under way, and how it goes. */
export interface JobProgress {
  readonly name: string;
  /** Of the try under way; not acknowledged yet. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Over the last ten seconds, tries that failed included. */
  readonly bytesPerSecond: number;
  /** Null while nothing moves. */
  readonly etaMs: number | null;
  /** Tries beyond the first. */
  readonly retries: number;
}

/** Sums over all jobs since the queue was made; failed and cancelled ones no longer count in the bytes. */
export interface TransferProgress {
  readonly waiting: number;
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly retries: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Over the last ten seconds. */
  readonly bytesPerSecond: number;
  /** Null while nothing moves. */
  readonly etaMs: number | null;
}
