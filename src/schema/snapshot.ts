import type { RandomState } from "../base/random.ts";

/** The bounds of a log at one instant: rows [tail, head), in absolute row numbers. */
export interface LogBounds {
  readonly tail: number;
  readonly head: number;
}

/** The small mutable things of a buffer. JSON, written to the manifest as is. */
export interface BufferMeta {
  readonly random: RandomState;
  /** Envs whose newest row ended neither by termination nor by truncation: their next row starts no episode. */
  readonly openEnvs: readonly number[];
  /** The largest priority so far (not raised to alpha); 1 in a new buffer, null where not prioritised. */
  readonly maxPriority: number | null;
  /** Priority updates ignored because their rows were gone already. */
  readonly ignoredPriorityUpdates: number;
}
