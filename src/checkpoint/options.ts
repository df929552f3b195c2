import type { Clock } from "../base/clock.ts";
import type { IdSource } from "../base/ids.ts";
import type { Store } from "../store/store.ts";
import type { RetryPolicy } from "../transfer/retry.ts";
import type { CheckpointEvent } from "./events.ts";
import type { ReplayBuffer } from "./replay-buffer.ts";

export type BacklogPolicy = "coalesce" | "queue" | "skip";
export type MemoryPolicy = "wait" | "abandon";

// oxlint-disable-next-line no-explicit-any -- a buffer of any fields
export type AnyBuffer = ReplayBuffer<any>;

export interface CheckpointerOptions {
  /**
   * The store of exactly one run: a URL (`./dir`, `file://`, `memory://name`, `gs://bucket/prefix`, `s3://bucket/prefix`,
   * `az://account/container/prefix`) or a Store.
   */
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
  /** Of everything that goes to the store, together; unlimited by default. Writes to `local` are not held back. */
  readonly maxUploadBytesPerSecond?: number | undefined;
  /**
   * How often and how long a failed request to a store that is not on local disk is tried again, where that can help.
   * By default for a minute with `local` (then the store counts as degraded, and is tried again later), and for five
   * minutes for the saves without it, which are lost when that fails.
   */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /**
   * How long `close()` lets the store stand still before it gives up all that is left: with `local`, for the next
   * opening, 25 s by default; without, each save that was not made fails, after 5 minutes in all by default. As long as
   * requests are answered, it waits. `close({ timeoutMs })` limits the whole.
   */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Says what to save at once when SIGTERM is heard (when the training thread yields, and once): the notice that a machine
   * is to be taken away. null: nothing. What it names must belong to one moment, so it is the loop that keeps it so.
   * From then on the newest checkpoint is sent to the store first (without `local`, the saves that wait count as replaced
   * by it), and the store has what is left of `closeTimeoutMs` since the signal; what it lacks then is sent at the next
   * opening. The process is not ended: the loop looks at `reachedPreemption`.
   */
  readonly saveOnPreemption?: (() => SaveRequest | null) | undefined;
  /**
   * With `local`: whether opening the run begins to send what the store lacks; true by default. With false that waits for
   * `sync()` or the first save.
   */
  readonly sendMissing?: boolean | undefined;
  /** What a save does that comes while another waits; "coalesce" by default. */
  readonly onBacklog?: BacklogPolicy | undefined;
  /**
   * What happens when saves that are not made yet hold `maxPinnedBytes`; "wait" by default.
   *
   * - "wait": training waits, in `add()` for replaced blocks and in `save()` for copied state. It is counted
   *   (`blockedMs`, `memoryWaits`) and told before, the 1st, 10th, 100th time. With a store that is away, it lasts until the oldest save fails, which
   *   it does when its tries are used up (`retry.budgetMs`); a saver that died ends it too.
   * - "abandon": for replaced blocks every save so far fails, for copied state the oldest that waits, each with
   *   MemoryPressureError.
   */
  readonly onMemoryPressure?: MemoryPolicy | undefined;
  /**
   * What saves that are not made yet may keep from being used again; 256 MiB by default. Two things count, each by
   * itself: replaced blocks of each buffer that a snapshot still needs; and what `save()` copied (unfrozen state, its
   * JSON, priorities) for the saves that wait. The save under way, and one more, always find room for their state.
   * Frozen arrays are the caller's own memory and do not count. However small they are, no more than 1,024 saves wait:
   * then it is as if this limit were reached.
   */
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
  /**
   * Resolves when the checkpoint is committed in the run's store. Rejects when the store does not take it; one that is
   * durable in `local` is committed later all the same, and told by the event `committed`.
   */
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
  /** Durable checkpoints that the store does not hold yet, or not whole any more. */
  readonly behind: number;
  /** Bytes still to be sent for them; packs that several of them name are counted once. */
  readonly behindBytes: number;
  /** Age of the oldest of them, since it became durable, in ms; 0 where there is none. */
  readonly behindMs: number;
  /**
   * The store is given up on for the moment. With `local`, its last request failed for good; saves go on there, and what
   * is missing is sent when the store is back. Without, a request failed for good, or nothing but failures came for 5 s;
   * tries go on, and the first success ends it.
   */
  readonly isDegraded: boolean;
  /** Packs on their way to the run's store. */
  readonly upload: UploadProgress;
  /** Bytes written since `open`, to the store and to `local`. */
  readonly bytes: number;
  /** Requests since `open`, to the store and to `local`, every try counted. */
  readonly requests: number;
  /**
   * Of `requests`, those to the run's store, as its provider would bill them: every try, also of those that never got an
   * answer, the four of the trial of create-if-absent, and what an adapter asks besides.
   */
  readonly requestsByKind: RequestCounts;
  /** Bytes of every put that the run's store answered, also where it had the object already. */
  readonly bytesUp: number;
  /**
   * Bytes of every put that failed or got no answer, each try's whole body: no more than this was sent in vain. With
   * `bytesUp` it is the most that went up.
   */
  readonly bytesUpInVain: number;
  /** Bytes read from the run's store. */
  readonly bytesDown: number;
  /** Requests to the run's store that were made again after a failure. */
  readonly retries: number;
  /** Time that training was blocked: in `save()`, and waiting for memory. */
  readonly blockedMs: number;
  readonly longestBlockMs: number;
  /** Copied state, JSON and priorities of saves that are not encoded yet; limited by `maxPinnedBytes`. */
  readonly heldStateBytes: number;
  /** How often training waited for memory. A warning is told before the 1st, 10th, 100th time. */
  readonly memoryWaits: number;
  readonly lastError: Error | null;
}

export interface UploadProgress {
  /** Packs that wait for their turn. */
  readonly waiting: number;
  readonly running: number;
  /** Since `open`. */
  readonly bytesDone: number;
  /**
   * What has arrived and all that is still to be sent: with `local`, what the store lacks (`behindBytes`); without, the
   * packs that wait and run, as nobody knows how small the rest of a save becomes.
   */
  readonly bytesTotal: number;
  /** Over the last ten seconds. */
  readonly bytesPerSecond: number;
  /** Until `bytesTotal` has arrived; null while nothing moves. */
  readonly etaMs: number | null;
  /** Tries of packs beyond the first. */
  readonly retries: number;
  /**
   * The packs under way, one by one, in order of arrival: as many as `concurrency`, but no more than 16. As of a fifth of
   * a second ago; read from shared memory, in some microseconds.
   */
  readonly jobs: readonly UploadJob[];
}

/** One pack on its way to the run's store. It leaves the list when it has arrived or is given up. */
export interface UploadJob {
  /** The object's name: `packs/…`. */
  readonly name: string;
  /**
   * Bytes that the try under way has sent: on their way, not acknowledged, so they are not in the total's `bytesDone`.
   * Up to a few MB of them may still lie in the system's own buffers. 0 where the try waits (for the limit on bandwidth,
   * or for its time after a failure), and of stores that do not tell, as local disk and a Store of your own may not.
   */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Over the last ten seconds, tries that failed included. */
  readonly bytesPerSecond: number;
  /** Until all of it is sent; null while nothing moves. */
  readonly etaMs: number | null;
  /** Tries beyond the first. */
  readonly retries: number;
}

/** A listing counts once for each thousand names. */
export interface RequestCounts {
  readonly put: number;
  readonly get: number;
  readonly head: number;
  readonly list: number;
  readonly delete: number;
}

export interface PruneOptions {
  /** Says what would be deleted, and deletes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Also on a run that a trainer may still be writing to, which is fenced then. */
  readonly takeOver?: boolean | undefined;
  /** Moves checkpoints that cannot be read aside, instead of stopping at them. */
  readonly quarantine?: boolean | undefined;
}

export interface SyncOptions {
  /** Ends the wait; what is on its way goes on. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined;
}

export interface SyncProgress {
  readonly checkpointsDone: number;
  readonly checkpointsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What is wrong with a checkpoint in the run's store. */
export interface DamageInStore {
  readonly checkpoint: string;
  /** The pack that is missing or of another size; the checkpoint itself where that cannot be read. */
  readonly object: string;
  readonly why: string;
}

/** Checkpoints of a run with two tiers, by name, and what became of them. */
export interface SyncReport {
  /** The store lacked them, and has them now. */
  readonly sent: readonly string[];
  /** The store has them, with every pack that they name, by name and size. `verify` looks at the bytes. */
  readonly alreadyThere: readonly string[];
  /** The store had them, but not all of their packs, or some cut short: those were sent again. */
  readonly repaired: readonly string[];
  /** The store has them damaged, and the local tier cannot mend it. `varve sync` ends with 3 then. */
  readonly broken: readonly DamageInStore[];
  /** Not sent: of another branch than the store's newest checkpoint, and not newer than it. */
  readonly unrelated: readonly string[];
  /** Not sent: the local tier has them damaged. */
  readonly unreadable: readonly string[];
  /** Packs that were sent, and bytes of packs and manifests. */
  readonly packs: number;
  readonly bytes: number;
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
