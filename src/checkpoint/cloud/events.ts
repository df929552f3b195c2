/** What a person watching the log is told of transfers. Sent to `log`. */
export type CloudEvent =
  | CloudQueuedEvent
  | CloudSavedEvent
  | CloudMovedEvent
  | CloudFailedEvent
  | CloudRetryEvent
  | CloudWaitingEvent
  | CloudFinishedEvent
  | CloudUnsentEvent
  | CloudWarningEvent;

interface EventOfTransfer {
  /** What is moved, as a person would name it: its local path. */
  readonly name: string;
}

/** An upload or a download was accepted. */
export interface CloudQueuedEvent extends EventOfTransfer {
  readonly kind: "queued";
  readonly what: "buffer" | "file" | "directory";
  readonly direction: "up" | "down";
  /** Of a buffer. */
  readonly transitions?: number | undefined;
  /** Of a buffer: what a full dense save would hold, in bytes. */
  readonly logicalBytes?: number | undefined;
}

/** A buffer lies whole and durable on local disk. */
export interface CloudSavedEvent extends EventOfTransfer {
  readonly kind: "saved";
  readonly transitions: number;
  readonly logicalBytes: number;
  readonly bytes: number;
  /** From the call on. */
  readonly elapsedMs: number;
}

export interface CloudMovedEvent extends EventOfTransfer {
  readonly kind: "uploaded" | "downloaded";
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  /** Files that were moved. */
  readonly files: number;
  /** Files that were already there. */
  readonly unchanged: number;
  readonly elapsedMs: number;
}

export interface CloudFailedEvent extends EventOfTransfer {
  readonly kind: "failed";
  readonly direction: "up" | "down";
  readonly error: Error;
  /** The file that is still on local disk and can be sent again; null where there is none. */
  readonly kept: string | null;
}

/** A request failed and is tried again. */
export interface CloudRetryEvent extends EventOfTransfer {
  readonly kind: "retry";
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: Error;
}

/** `waitForUploads` or `shutdown` begins to wait. */
export interface CloudWaitingEvent {
  readonly kind: "waiting";
  readonly pending: number;
  /** Of the pending ones, those that `resume()` has to let go first. */
  readonly paused: number;
}

/** It has ended. */
export interface CloudFinishedEvent {
  readonly kind: "finished";
  readonly succeeded: number;
  readonly failed: number;
  readonly pending: number;
  /** Of the pending ones, those that `resume()` has to let go first. */
  readonly paused: number;
}

/** Uploads were given up: by `shutdown`, or because the process ends. Then only what the log does at once is done. */
export interface CloudUnsentEvent {
  readonly kind: "unsent";
  readonly uploads: number;
  /** Of these, those that were paused. */
  readonly paused: number;
  /** Local paths, in the order of the calls. */
  readonly names: readonly string[];
}

export interface CloudWarningEvent {
  readonly kind: "warning";
  readonly message: string;
}
