import type { MessagePort } from "node:worker_threads";
import type { BlockEvent, BufferDescription, BufferSnapshot, RestoreTarget } from "../buffer/contract.ts";
import type { ManifestRef } from "../manifest/manifest.ts";
import type { CheckpointPosition } from "../manifest/names.ts";
import type { DType } from "../schema/dtype.ts";
import type { BufferMeta, LogBounds } from "../schema/snapshot.ts";
import type { StoreLocation } from "../store/store.ts";
import type { RetryPolicy } from "../transfer/retry.ts";
import type { CloudStart, FromCloud, ToCloud } from "./cloud/messages.ts";
import type { TransferredError } from "./error-transfer.ts";
import type { CheckpointEvent, ProgressEvent } from "./events.ts";
import type { BacklogPolicy, RestoreProgress, SaveResult, SyncProgress } from "./options.ts";

/** How the saver's thread reaches a store: by opening it itself, or through a port to the thread that made it. */
export type StoreAccess =
  | { readonly kind: "location"; readonly location: StoreLocation }
  | { readonly kind: "port"; readonly port: MessagePort; readonly url: string; readonly traits: StoreTraitsCopy };

interface StoreTraitsCopy {
  readonly conditionalCreate: boolean;
  readonly stronglyConsistent: boolean;
  readonly visibleIsDurable: boolean | undefined;
}

export interface RetentionOptions {
  readonly keepLast: number | null;
  readonly keepEvery: number | null;
  readonly keepBest: { readonly metric: string; readonly mode: "max" | "min"; readonly count: number } | null;
  readonly gracePeriodMs: number;
}

/** What the saver's thread is started with. */
export interface SaverStart {
  readonly status: SharedArrayBuffer;
  /** Of the gate that the saver and its encoder are held back at before they are ended. */
  readonly gate: SharedArrayBuffer;
  readonly port: MessagePort;
  /** Null for a saver that only writes single files. */
  readonly store: StoreAccess | null;
  /** The first tier, where one is given. */
  readonly local: StoreAccess | null;
  readonly readOnly: boolean;
  readonly onBacklog: BacklogPolicy;
  readonly concurrency: number;
  readonly maxUploadBytesPerSecond: number | null;
  readonly retention: RetentionOptions;
  readonly maxPinnedBytes: number;
  /** Of the saver that this one replaces after a crash: it goes on as the same writer. */
  readonly writer: WriterIdentity | null;
  /** What differs from the default tries of failed requests. */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** How long the run's store may stand still while the run is closed. */
  readonly closeTimeoutMs?: number | undefined;
  /** False: what the store lacks when the run is opened waits for `sync` or the next save. */
  readonly sendMissing?: boolean | undefined;
  /** Given where it serves a CloudSync: then it has no run. */
  readonly cloud?: CloudStart | undefined;
}

/** How long the end of a run lets its store stand still, and how long it takes in all after SIGTERM. */
export const CLOSE_TIMEOUT_MS = 25_000;

/** Numbers at the gate. */
export const SAVER_THREAD = 0;
export const ENCODER_THREAD = 1;
/** Of a restore, as many of them as there are cores. */
export const DECODER_THREADS: readonly number[] = [2, 3, 4, 5];

/** What a saver's thread is as a writer of the run: enough for another one to go on in its place. */
export interface WriterIdentity {
  /** Null before the run was looked at, and in a new run. */
  readonly run: string | null;
  /** Null before the first save or prune. */
  readonly epoch: number | null;
  /** The checkpoint that the next one descends from. */
  readonly parent: ManifestRef | null;
  /** The newest checkpoint that there was when the run was last looked at. */
  readonly newestSeen: CheckpointPosition;
  /** The highest sequence ever seen in the run, whole or not. */
  readonly lastSequence: number;
}

/** Tensors lie in an arena (copied by `save()`) or in shared memory that the user has frozen. */
export interface TensorSource {
  readonly dtype: DType;
  readonly length: number;
  readonly memory: { readonly kind: "arena" | "frozen"; readonly id: number };
  readonly byteOffset: number;
}

export interface BufferInSave {
  readonly name: string;
  /** Number of the attachment. */
  readonly id: number;
  readonly snapshot: BufferSnapshot;
}

export interface SaveMessage {
  readonly type: "save";
  readonly sequence: number;
  readonly step: number;
  readonly buffers: readonly BufferInSave[];
  /** JSON text of the encoded state tree; null where no state was given. */
  readonly stateJson: string | null;
  readonly tensors: readonly TensorSource[];
  /** The slot to clear when the state that was copied for it is not needed any more. */
  readonly hold: number | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly logicalBytes: number;
  readonly transitions: number;
  /** Wall-clock milliseconds at `save()`; both threads share that clock. */
  readonly startedAtMs: number;
}

/** From the training thread. Every one is handled in the order of sending. */
export type ToSaver =
  | {
      readonly type: "attach";
      readonly id: number;
      readonly description: BufferDescription;
      /** i32[1] each, over shared memory. */
      readonly released: Int32Array;
      readonly captured: Int32Array;
      /** All present memory and segments, in one message: a large buffer has hundreds of blocks. */
      readonly blocks: readonly BlockEvent[];
    }
  | { readonly type: "block"; readonly id: number; readonly event: BlockEvent }
  | { readonly type: "detach"; readonly id: number }
  | { readonly type: "arena"; readonly id: number; readonly memory: SharedArrayBuffer; readonly isFresh: boolean }
  | { readonly type: "frozen"; readonly id: number; readonly memory: SharedArrayBuffer }
  | { readonly type: "forget"; readonly id: number }
  /** A snapshot was taken that no save will name. */
  | { readonly type: "unneeded"; readonly id: number; readonly number: number }
  | SaveMessage
  /** The buffer of this name was restored from a checkpoint and now has this incarnation. */
  | { readonly type: "adopt"; readonly name: string; readonly incarnation: string; readonly manifest: string }
  | { readonly type: "call"; readonly id: number; readonly call: SaverCall }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "cloud"; readonly message: ToCloud };

/** Requests that are answered; made from asynchronous methods only. */
export type SaverCall =
  | { readonly method: "open" }
  | {
      readonly method: "select";
      readonly step: number | null;
      readonly sequence: number | null;
      readonly after: string | null;
    }
  | { readonly method: "state"; readonly manifest: string }
  | {
      readonly method: "fill";
      readonly manifest: string;
      readonly buffer: string;
      readonly targets: readonly RestoreTarget[];
      readonly layouts: BufferDescription["logs"];
      readonly checkOnly: boolean;
    }
  | { readonly method: "restored"; readonly manifest: string }
  | { readonly method: "describe"; readonly manifest: string }
  | {
      readonly method: "rows";
      readonly manifest: string;
      readonly buffer: string;
      /** 0: the transitions; then the frames of each interned observation field. */
      readonly log: number;
      /** Rows [from, to), counted from the oldest that the checkpoint holds. */
      readonly from: number;
      readonly to: number;
      /** Observations as they were, rather than ids of frames. */
      readonly asWindows: boolean;
      readonly maxBytes: number;
    }
  | { readonly method: "tensor"; readonly manifest: string; readonly index: number }
  | { readonly method: "list" }
  | { readonly method: "contents"; readonly step: number | null; readonly sequence: number | null }
  | { readonly method: "verify"; readonly readData: boolean }
  | { readonly method: "prune"; readonly dryRun: boolean; readonly takeOver: boolean; readonly quarantine: boolean }
  | { readonly method: "sync" }
  /** There may be little time left: the newest checkpoint goes to the store first. */
  | { readonly method: "hurry" }
  | { readonly method: "pin"; readonly step: number; readonly pinned: boolean }
  | { readonly method: "saveFile"; readonly path: string; readonly buffer: BufferInSave }
  | { readonly method: "openFile"; readonly path: string }
  | { readonly method: "fileExists"; readonly cloudPath: string }
  /** Again with less time while it is under way: then that holds. */
  | ({ readonly method: "close" } & CloseLimits);

/** How long the end of a run may take. */
export interface CloseLimits {
  /** The whole, whether anything moves or not. */
  readonly timeoutMs?: number | undefined;
  /** The store's share, where the machine is taken away: saves on local disk are made all the same. */
  readonly storeTimeoutMs?: number | undefined;
}

export interface OpenedRun {
  /** Highest sequence ever seen in the run, whole or not; 0 in a new one. */
  readonly lastSequence: number;
  readonly checkpointCount: number;
}

/** A checkpoint chosen for restoring: enough for the training thread to check it against its buffers. */
export interface SelectedCheckpoint {
  readonly manifest: string;
  readonly step: number;
  readonly sequence: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, SelectedBuffer>>;
  /** Newer ones that could not be read. */
  readonly skipped: readonly { readonly sequence: number; readonly reason: string }[];
}

export interface SelectedBuffer {
  readonly fields: unknown;
  readonly capacity: number;
  readonly bounds: readonly (LogBounds & { readonly name: string })[];
  readonly prioritized: { readonly alpha: number; readonly beta: number } | null;
  readonly meta: BufferMeta;
}

export interface RestoredState {
  readonly json: unknown;
  readonly tensors: readonly { readonly dtype: DType; readonly bytes: ArrayBuffer }[];
}

/** What reading a checkpoint in parts needs to know of it, besides what was selected. */
export interface DescribedCheckpoint {
  readonly run: string;
  readonly hash: string;
  readonly state: unknown;
  readonly tensors: readonly { readonly dtype: DType; readonly length: number }[];
}

/** Rows [from, to) of one column, as bytes of memory of their own. */
export interface ReadColumn {
  readonly name: string;
  readonly dtype: DType;
  /** Of one row. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface ReadRows {
  readonly from: number;
  readonly to: number;
  readonly columns: readonly ReadColumn[];
}

/** To the training thread; few and small, a handful for each save. */
export type FromSaver =
  | { readonly type: "ready" }
  | { readonly type: "startFailed"; readonly error: TransferredError }
  | { readonly type: "writer"; readonly writer: WriterIdentity }
  /** Nothing is being sent to the second tier any more. */
  | { readonly type: "idle" }
  | { readonly type: "durable" | "committed"; readonly sequence: number; readonly result: SaveResult }
  | { readonly type: "failed"; readonly sequence: number; readonly error: TransferredError }
  /** Durable and not committed. `willRetry`: it is sent when the store is back. */
  | {
      readonly type: "commitFailed";
      readonly sequence: number;
      readonly error: TransferredError;
      readonly willRetry: boolean;
    }
  | { readonly type: "degraded"; readonly store: string; readonly behind: number; readonly error: TransferredError }
  | { readonly type: "replaced"; readonly sequence: number; readonly by: number }
  | { readonly type: "event"; readonly event: Exclude<CheckpointEvent, { kind: "failed" | "degraded" }> }
  | { readonly type: "progress"; readonly progress: ProgressEvent }
  | { readonly type: "callProgress"; readonly id: number; readonly progress: RestoreProgress | SyncProgress }
  | { readonly type: "cloud"; readonly message: FromCloud }
  | { readonly type: "reply"; readonly id: number; readonly value: unknown }
  | { readonly type: "replyError"; readonly id: number; readonly error: TransferredError };

export interface VerifyReport {
  readonly checkpoints: readonly VerifiedCheckpoint[];
  /** Each place by itself; of a run opened with `local`, that first. */
  readonly tiers: readonly VerifiedTier[];
  /** Of all tiers together; what lies in both is counted once. */
  readonly packs: number;
  readonly bytes: number;
  /** Packs that no checkpoint names: of saves under way, or left by a crash. */
  readonly unnamedPacks: number;
  /** False where anything is damaged in any tier, also what the other one has whole. */
  readonly isIntact: boolean;
}

export interface VerifiedTier {
  readonly url: string;
  /** Whole or not. */
  readonly checkpoints: number;
  readonly packs: number;
  readonly bytes: number;
  readonly unnamedPacks: number;
  readonly problems: readonly TierProblem[];
  readonly isIntact: boolean;
}

/** An object that is not what it should be in one tier. */
export interface TierProblem {
  readonly object: string;
  /**
   * Of a checkpoint: `manifest`, unreadable; `conflict`, another one than under the same name in the local tier. `run`:
   * the run file or a writer's, unreadable or of another run than the checkpoints. The others are of packs.
   */
  readonly kind: "manifest" | "conflict" | "run" | "missing" | "length" | "content";
  readonly problem: string;
  readonly isWholeElsewhere: boolean;
}

export interface VerifiedCheckpoint {
  readonly name: string;
  readonly step: number | null;
  readonly sequence: number;
  /** Empty where it is intact in every tier that holds it; each names the object, and of two tiers which. */
  readonly problems: readonly string[];
  /** URLs of the tiers that have its manifest, readable or not. */
  readonly heldIn: readonly string[];
  /** URLs of the tiers from which alone it could be restored. */
  readonly wholeIn: readonly string[];
  /** All of it is whole in one tier or the other: opened with both, it can be restored. */
  readonly isRestorable: boolean;
}

export interface PruneReport {
  readonly dryRun: boolean;
  readonly checkpoints: readonly string[];
  readonly packs: readonly string[];
  readonly bytes: number;
  readonly kept: readonly string[];
  /** Unreadable manifests that were moved aside. */
  readonly quarantined: readonly string[];
}
