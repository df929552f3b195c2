import type { Clock } from "../base/clock.ts";
import type { IdSource } from "../base/ids.ts";
import type { Store } from "../store/store.ts";
import type { CheckpointEvent } from "./events.ts";
import type { ReplayBuffer } from "./replay-buffer.ts";

export type BacklogPolicy = "coalesce" | "queue" | "skip";
export type MemoryPolicy = "wait" | "abandon";

// oxlint-disable-next-line no-explicit-any -- a buffer of any fields
export type AnyBuffer = ReplayBuffer<any>;

export interface CheckpointerOptions {
  /** The store of exactly one run: a URL (`./dir`, `file://`, `memory://name`) or a Store. */
  readonly store: string | Store;
  /** A folder on local disk that checkpoints are committed to first. */
  readonly local?: string | undefined;
  /** Writes nothing and never fences the run's trainer. */
  readonly readOnly?: boolean | undefined;
  /** Newest checkpoints to keep; the default keeps all. */
  readonly keepLast?: number | undefined;
  /** Keeps every checkpoint whose step is a multiple of this. */
  readonly keepEvery?: number | undefined;
  readonly keepBest?: { readonly metric: string; readonly mode: "max" | "min"; readonly count: number } | undefined;
  /** Age under which prune never deletes a pack that no manifest names, in ms; 24 hours by default. */
  readonly gracePeriodMs?: number | undefined;
  /** Uploads under way together; 4 by default. */
  readonly concurrency?: number | undefined;
  readonly maxUploadBytesPerSecond?: number | undefined;
  /** What a save does that comes while another waits; "coalesce" by default. */
  readonly onBacklog?: BacklogPolicy | undefined;
  /** What happens when replaced blocks that a save still needs reach `maxPinnedBytes`; "wait" by default. */
  readonly onMemoryPressure?: MemoryPolicy | undefined;
  /** Default: 256 MiB. */
  readonly maxPinnedBytes?: number | undefined;
  readonly log?: false | "stderr" | ((event: CheckpointEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests: time and ids. */
  readonly clock?: Clock | undefined;
  readonly newId?: IdSource | undefined;
}

/** A tree of plain objects, arrays, JSON values, NaN, ±Infinity, -0, bigint and typed arrays. */
export type StateTree =
  | null
  | boolean
  | number
  | string
  | bigint
  | ArrayBufferView
  | readonly StateTree[]
  | { readonly [key: string]: StateTree };

export interface SaveRequest {
  /** The trainer's own label, such as a generation; a non-negative integer. */
  readonly step: number;
  /** One buffer, saved under the name "default", or a record of named ones. */
  readonly buffer?: AnyBuffer | Readonly<Record<string, AnyBuffer>> | undefined;
  readonly state?: unknown;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

export interface RestoreOptions {
  /** The newest checkpoint of the newest lineage with this step. */
  readonly step?: number | undefined;
  /** Exactly this checkpoint. */
  readonly sequence?: number | undefined;
  /** Filled from the checkpoint. Without it no buffer packs are read. */
  readonly buffer?: AnyBuffer | Readonly<Record<string, AnyBuffer>> | undefined;
  /** Allows a buffer that is not empty; its content is dropped. */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined;
}

export interface RestoreProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface Restored {
  readonly step: number;
  readonly sequence: number;
  // oxlint-disable-next-line no-explicit-any -- the shape of the state is the user's own
  readonly state: any;
  readonly metrics: Readonly<Record<string, number>>;
  /** Checkpoints newer than this one that could not be read, with the object that is broken. */
  readonly skipped: readonly { readonly sequence: number; readonly reason: string }[];
}

export type SavePhase =
  | "waiting"
  | "encoding"
  | "writing"
  | "durable"
  | "committed"
  | "replaced"
  | "skipped"
  | "failed";

/** The handle of one save. Ignoring its promises never raises an unhandled rejection. */
export interface Save {
  readonly step: number;
  readonly sequence: number;
  readonly phase: SavePhase;
  /** Time that `save()` took on the training thread, in ms. */
  readonly blockedMs: number;
  /** Bytes of state that were copied in `save()`. */
  readonly copiedBytes: number;
  /** Resolves when the checkpoint would survive a loss of power. */
  readonly durable: Promise<SaveResult>;
  /** Resolves when the checkpoint is committed in the run's store. */
  readonly committed: Promise<SaveResult>;
}

export interface SaveResult {
  readonly step: number;
  readonly sequence: number;
  readonly manifest: string;
  /** Bytes written for this checkpoint: new packs and the manifest. */
  readonly storedBytes: number;
  /** What a full dense save would hold. */
  readonly logicalBytes: number;
  /** Bytes in all packs that the checkpoint names. */
  readonly totalStoredBytes: number;
  readonly transitions: number;
  readonly requests: number;
  /** From `save()` to durable, in ms. */
  readonly elapsedMs: number;
}

export interface CheckpointerStatus {
  /** Saves accepted and neither durable, failed, skipped nor replaced yet. */
  readonly pending: number;
  /** Durable saves since `open`. */
  readonly completed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly replaced: number;
  /** The save under way, or null. */
  readonly current: { readonly sequence: number; readonly phase: SavePhase } | null;
  /** Durable checkpoints that the store does not hold yet. */
  readonly behind: number;
  /** Bytes written since `open`. */
  readonly bytes: number;
  readonly requests: number;
  /** Time that training was blocked: in `save()`, and waiting for memory. */
  readonly blockedMs: number;
  readonly longestBlockMs: number;
  readonly lastError: Error | null;
}

export interface WaitResult {
  readonly succeeded: number;
  readonly failed: number;
  readonly pending: number;
  readonly errors: readonly Error[];
}

export interface CheckpointInfo {
  readonly name: string;
  readonly step: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly parent: string | null;
  readonly createdAt: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** Bytes in the packs that it names. */
  readonly storedBytes: number;
  readonly logicalBytes: number;
  readonly transitions: number;
  readonly pinned: boolean;
}
