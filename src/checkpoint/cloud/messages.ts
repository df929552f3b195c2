import type { TransferredError } from "../error-transfer.ts";
import type { BufferInSave } from "../messages.ts";
import type { CloudPlace } from "./cloud-place.ts";
import type { CloudEvent } from "./events.ts";

/** What a saver's thread is started with, beside what all are, when it serves a CloudSync. */
export interface CloudStart {
  readonly place: CloudPlace;
  readonly project: string;
  readonly concurrency: number;
  readonly maxUploadBytesPerSecond: number | null;
  readonly attempts: number | null;
  /** Who tells events: this thread to standard error, or the training thread to the user's function. */
  readonly log: "stderr" | "events" | "none";
}

/** What one transfer is to do. Local paths are absolute; cloud paths are checked. */
export type TransferOrder =
  | {
      readonly kind: "buffer";
      readonly localPath: string;
      readonly cloudPath: string;
      readonly buffer: BufferInSave;
      readonly transitions: number;
      readonly logicalBytes: number;
    }
  | { readonly kind: "upload-file"; readonly localPath: string; readonly cloudPath: string }
  | {
      readonly kind: "upload-directory";
      readonly localPath: string;
      /** Empty, or it ends with `/`. */
      readonly cloudPrefix: string;
      readonly exclude: readonly string[];
    }
  | { readonly kind: "download-file"; readonly localPath: string; readonly cloudPath: string }
  | { readonly kind: "download-directory"; readonly localPath: string; readonly cloudPrefix: string };

export interface TransferResult {
  /** The local path, or the cloud's URL of it. */
  readonly from: string;
  readonly to: string;
  /** Files that were moved. */
  readonly files: number;
  /** Files that were there already, unchanged: not moved again. */
  readonly unchanged: number;
  /** Bytes that were moved. */
  readonly bytes: number;
  /** From the call on, in ms. */
  readonly elapsedMs: number;
}

/** From the training thread to the saver's. */
export type ToCloud =
  /** Shared memory for the progress of some more transfers. */
  | { readonly kind: "board"; readonly memory: SharedArrayBuffer }
  | {
      readonly kind: "transfer";
      readonly id: number;
      /** Its place on the board. */
      readonly slot: number;
      readonly name: string;
      readonly order: TransferOrder;
      /** Wall-clock milliseconds at the call; both threads share that clock. */
      readonly startedAtMs: number;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "pause" | "resume" };

/** To the training thread: a handful for each transfer. */
export type FromCloud =
  /** A buffer's file lies whole on local disk. */
  | { readonly kind: "saved"; readonly id: number }
  /** An upload that had begun goes on only after the end of the pause. */
  | { readonly kind: "rests" }
  | { readonly kind: "done"; readonly id: number; readonly result: TransferResult }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly error: TransferredError;
      /** Nobody wanted it any more, or the end of CloudSync came before its own. */
      readonly why: "failed" | "cancelled" | "given-up";
      /** The local file or folder that is still there to be sent again. */
      readonly kept: string | null;
    }
  | { readonly kind: "event"; readonly event: Exclude<CloudEvent, { kind: "failed" | "retry" }> }
  | {
      readonly kind: "retry";
      readonly name: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly error: TransferredError;
    };
