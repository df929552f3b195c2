import type { WaitResult } from "../options.ts";
import type { TransferResult } from "./messages.ts";

/** What became of all uploads of a CloudSync so far. */
export interface UploadsResult extends WaitResult {
  /** Of the pending ones, those that `resume()` has to let go first. */
  readonly paused: number;
}

/**
 * The states of a transfer; the last three are final.
 *
 *     waiting ──> saving ──> waiting ──> uploading ──> finished        a buffer: to the local file, then to the cloud
 *     waiting ───────────────────────┴─> downloading ─┴─> failed, cancelled
 *
 * An upload of a directory waits again whenever none of its files is under way.
 */
export type CloudTransferPhase =
  | "waiting"
  | "saving"
  | "uploading"
  | "downloading"
  | "finished"
  | "failed"
  | "cancelled";

/** An upload or a download under way. Ignoring `finished` never raises an unhandled rejection. */
export interface Transfer {
  /** The local path. */
  readonly name: string;
  /** Rejects when the transfer failed or was cancelled. */
  readonly finished: Promise<TransferResult>;
  readonly phase: CloudTransferPhase;
  /** Bytes moved so far. While a buffer is saved: 0. */
  readonly bytes: number;
  /** 0 while it is not known. */
  readonly totalBytes: number;
  /**
   * Over the last ten seconds, tries that failed included; as of a fifth of a second ago. Bytes count as they go out, which
   * may be before they are acknowledged and count in `bytes`; not those that are there already. A download counts by
   * ranges of 8 MiB: on a line below 1 MB/s it comes in jumps. 0 once it has ended.
   */
  readonly bytesPerSecond: number;
  /** Until `totalBytes` is reached; null while nothing moves, and once it has ended. */
  readonly etaMs: number | null;
  /** Requests that were tried again. */
  readonly retries: number;
  /** Why it failed; null otherwise. */
  readonly error: Error | null;
  /** Gives it up: `finished` rejects with StoreError of kind `aborted`. What was there before stays. */
  cancel(): void;
}

/** A transfer that can be awaited itself: `await cloud.uploadFile(…)` waits for its end and throws if it failed. */
export type ForegroundTransfer = Transfer & PromiseLike<TransferResult>;
