import { InvalidArgumentError } from "../errors.ts";
import type { DType } from "../schema/dtype.ts";
import type { FieldsDeclaration } from "../schema/fields.ts";
import type { CheckpointInfo } from "./options.ts";
import { assertKnownKeys } from "./save-request.ts";
import type { SaverLink } from "./saver-link.ts";

export interface DescribeOptions {
  /** The newest checkpoint of the newest lineage with this step: the one that `restore` would take. */
  readonly step?: number | undefined;
  /** Exactly this checkpoint. */
  readonly sequence?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What is in a checkpoint, by its manifest and the indexes of its packs. Their data was neither read nor checked:
 * `verify` does that.
 */
export interface CheckpointContents extends CheckpointInfo {
  /** By the names that they were saved under. */
  readonly buffers: Readonly<Record<string, BufferContents>>;
  /** Null where none was saved. */
  readonly state: StateContents | null;
  readonly packs: number;
  readonly manifestBytes: number;
  /** In its packs, and of no use to it: rows that have left the buffer, what another branch has, indexes. */
  readonly otherBytes: number;
  /** Packs whose index could not be read. What lies in them is missing in every sum. */
  readonly problems: readonly { readonly object: string; readonly problem: string }[];
  /** Checkpoints newer than this one that could not be read, where it was not asked for. */
  readonly skipped: readonly { readonly sequence: number; readonly reason: string }[];
}

/** Bytes before encoding and as they lie in packs. Sections that are needed in part count whole. */
export interface StoredBytes {
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** The chains of codecs in use, such as `bytes, numcodecs.shuffle, zstd`. */
  readonly codecs: readonly string[];
}

export interface BufferContents {
  readonly capacity: number;
  /** Transitions held. */
  readonly size: number;
  readonly fields: FieldsDeclaration;
  readonly logs: readonly LogContents[];
  /** Null where it is not prioritised. */
  readonly priorities: ({ readonly alpha: number; readonly beta: number } & StoredBytes) | null;
}

/** Rows [tail, head) of a log, counted since the buffer began. */
export interface LogContents {
  /** `transitions`, or `frames/` and the name of an observation field. */
  readonly name: string;
  readonly tail: number;
  readonly head: number;
  readonly columns: readonly ColumnContents[];
}

export interface ColumnContents extends StoredBytes {
  readonly name: string;
  readonly dtype: DType;
  /** Of one row. */
  readonly shape: readonly number[];
}

/** The tree that was given as `state`. */
export interface StateContents extends StoredBytes {
  readonly tensors: readonly StateTensor[];
  readonly values: readonly StateValue[];
  /** Tensors and values beyond the first 10,000, or beyond 4 MiB of text. */
  readonly omitted: number;
}

export interface StateTensor {
  /** As in `population[3].actor`; empty where it is the state itself. */
  readonly path: string;
  readonly dtype: DType;
  readonly length: number;
  readonly storedBytes: number;
}

export interface StateValue {
  readonly path: string;
  /** As JSON, or `NaN`, `-Infinity`, `12n`; shortened where it is long. */
  readonly text: string;
}

/** What the saver tells of a checkpoint. @throws InvalidArgumentError for a step or sequence that cannot be one */
export async function describeCheckpoint(
  link: SaverLink,
  options: DescribeOptions,
): Promise<CheckpointContents | null> {
  assertKnownKeys("describe()", options, ["step", "sequence", "signal"]);
  const { step = null, sequence = null, signal } = options;
  for (const [name, value] of Object.entries({ step, sequence })) {
    if (value !== null && (!Number.isSafeInteger(value) || value < 0)) {
      throw new InvalidArgumentError(name, "a non-negative integer", value);
    }
  }
  return link.call({ method: "contents", step, sequence }, { signal });
}
