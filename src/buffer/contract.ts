import type { LogLayout } from "../schema/log-layout.ts";
import type { BufferMeta, LogBounds } from "../schema/snapshot.ts";

/**
 * What a replay buffer tells a saver, in this order, on the training thread. The sink forwards it to the saver's
 * thread; it must not block and must not throw.
 *
 * - `memory`: block `block` of log `log` is this shared memory, from now on and for ever. Sent once per block.
 * - `opened`: the rows of segment `segment` (rows segment * rowsPerBlock and on) lie in block `block`.
 * - `full`: all rows of a segment are written. It takes `number` from the same counter as snapshots (rule 2). Rows
 *   before the tail, where the log began within the segment (after clear() or a restore), hold nothing.
 */
export type BlockEvent =
  | { readonly kind: "memory"; readonly log: number; readonly block: number; readonly memory: SharedArrayBuffer }
  | { readonly kind: "opened"; readonly log: number; readonly segment: number; readonly block: number }
  | { readonly kind: "full"; readonly log: number; readonly segment: number; readonly number: number };

/** Everything about a buffer that does not change while it is attached. Structured-cloneable. */
export interface BufferDescription {
  /** New at construction, clear() and restore (rule 4). One id for all logs of the buffer. */
  readonly incarnation: string;
  readonly capacity: number;
  /** The declaration, as JSON, for the manifest. */
  readonly fields: unknown;
  readonly logs: readonly LogLayout[];
  readonly prioritized: PrioritizedDescription | null;
}

export interface PrioritizedDescription {
  readonly alpha: number;
  readonly beta: number;
  readonly pages: PriorityPagesMemory;
}

/**
 * The sum-tree's leaves (priority^alpha, f64), in pages that are copied before the first write after a snapshot.
 * See priority-pages.ts for the protocol.
 */
export interface PriorityPagesMemory {
  readonly leafCount: number;
  readonly leavesPerPage: number;
  /** f64[leafCount]: the live leaves; the leaf of row r is r mod leafCount. */
  readonly live: SharedArrayBuffer;
  /** f64[leafCount]: for each page, its content before the write that followed the tagged snapshot. */
  readonly shadow: SharedArrayBuffer;
  /** i32[pageCount]: the newest snapshot number for which the shadow of a page is valid; 0 = none. */
  readonly tags: SharedArrayBuffer;
  /** i32[pageCount]: the newest snapshot number after which a page was written; 0 = none. */
  readonly written: SharedArrayBuffer;
}

/** One instant of a buffer, between two add() calls. A few numbers, whatever the buffer's size. */
export interface BufferSnapshot {
  /** From the counter shared with `full` events. */
  readonly number: number;
  /** In the order of BufferDescription.logs; transitions first. */
  readonly bounds: readonly LogBounds[];
  readonly meta: BufferMeta;
}

export interface AttachOptions {
  /** Called on the training thread, synchronously, for every event. */
  readonly sink: (event: BlockEvent) => void;
  /**
   * Called on the training thread when a new block would take the memory pinned for savers beyond
   * `maxPinnedBytes`. It returns when `released` has advanced, or after the saver was told to give up.
   */
  readonly onPressure?: ((pinnedBytes: number) => void) | undefined;
  /**
   * Called on the training thread now and then while a priority page cannot be written because this saver has not
   * captured an earlier snapshot yet. A saver that is dead is noticed here: `detach()` ends the wait. Where it is
   * absent, `onPressure` is called in its place.
   */
  readonly onCaptureWait?: ((waitedMs: number) => void) | undefined;
  readonly maxPinnedBytes?: number | undefined;
}

/**
 * A saver's hold on a buffer. It lasts for one incarnation: after `clear()` or a restore its sink hears nothing more
 * and `snapshot()` throws `ClosedError`; what it holds stays held until it is released. Attach again then, when
 * `describe().incarnation` has changed.
 *
 * Numbers up to `released[0]` are done with: blocks that only they could need may be
 * reused. `captured[0]` is the same for priority pages. The saver stores both with Atomics after its last read.
 */
export interface Attachment {
  readonly released: Int32Array;
  readonly captured: Int32Array;
  /** Takes a snapshot for this saver; it holds blocks until `released[0] >= snapshot.number`. */
  snapshot(): BufferSnapshot;
  /** Gives up every hold, whatever `released` says: for a saver that is gone. */
  detach(): void;
}

/** The face that a buffer's storage shows to checkpointing. */
export interface Attachable {
  describe(): BufferDescription;
  /** Announces all present memory and segments through the sink, then every change. */
  attach(options: AttachOptions): Attachment;
}

/** Where to put restored rows: memory for every segment that rows [tail, head) touch. */
export interface RestoreTarget {
  readonly log: number;
  readonly tail: number;
  readonly head: number;
  readonly segments: readonly { readonly segment: number; readonly memory: SharedArrayBuffer }[];
}

/** A restore in two steps: memory is prepared, filled by the saver's thread, then the buffer is opened again. */
export interface Restorable {
  /** Drops all content, takes the given bounds and returns the memory to fill. Bounds are already clipped. */
  beginRestore(bounds: readonly LogBounds[]): readonly RestoreTarget[];
  /**
   * Rebuilds what is derived (hash tables, successor links, sum-tree) and takes over `meta`.
   *
   * @param leaves - f64[rows]: the leaves of rows [tail, head), where prioritised
   */
  finishRestore(meta: BufferMeta, leaves: Float64Array | null): void;
}
