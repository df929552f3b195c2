import type { DType, TypedArray } from "../schema/dtype.ts";
import type { FieldsDeclaration } from "../schema/fields.ts";

export interface OpenCheckpointOptions {
  /** The newest checkpoint of the newest lineage with this step. */
  readonly step?: number | undefined;
  /** Exactly this checkpoint. */
  readonly sequence?: number | undefined;
  /** The name of a checkpoint: the next older one that can be read, where neither step nor sequence is given. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One column of rows: `shape` is that of one row, `[]` for a scalar. */
export interface SavedColumn {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The frames of an interned observation field, each different one once. */
export interface SavedFrames extends SavedColumn {
  /** How many are held. */
  readonly count: number;
}

/** What a checkpoint holds of one buffer. */
export interface SavedBufferInfo {
  readonly fields: FieldsDeclaration;
  readonly capacity: number;
  /** Rows that it holds; row 0 is the oldest. */
  readonly transitions: number;
  /** What `rows` gives, with whole observations. */
  readonly columns: readonly SavedColumn[];
  /**
   * What `rows` gives with `observations: "ids"`: in the place of each interned observation `ids.<column>`, uint32, the
   * indices of its frames in what `frames` gives.
   */
  readonly columnsWithIds: readonly SavedColumn[];
  /** By field: `observation`, or in a record `observation.<field>`. */
  readonly frames: readonly SavedFrames[];
}

/** A typed array of the state tree. */
export interface SavedTensor {
  /** Keys and indices from the root of the state to it. */
  readonly path: readonly (string | number)[];
  readonly dtype: DType;
  readonly length: number;
}

export interface RowsOptions {
  /** "default" by default. */
  readonly buffer?: string | undefined;
  /** Rows [from, to), counted from the oldest; all by default. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Observations whole, by default, or as the ids of their frames. */
  readonly observations?: "whole" | "ids" | undefined;
  /** Of one batch, unless one row has more; 8 MiB by default. */
  readonly maxBatchBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Rows [from, to), column by column, each of `(to - from) · product(shape)` elements in C order. */
export interface RowBatch {
  readonly from: number;
  readonly to: number;
  readonly columns: Readonly<Record<string, TypedArray>>;
}

/**
 * One checkpoint, read in parts: for exports, and for whoever wants to look at some rows without a buffer to hold them
 * all. Nothing is restored, and nothing written.
 *
 * Every byte is checked before it is handed out. A checkpoint that retention removes while it is read ends the reading
 * with CorruptError. Memory: some 120 MiB in the saver's thread at most, and a few batches, however large the buffer is.
 */
export interface CheckpointReader {
  /** The name of its manifest, and the hash that pins its content. */
  readonly name: string;
  readonly hash: string;
  readonly run: string;
  readonly step: number;
  readonly sequence: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, SavedBufferInfo>>;
  /** As docs/format.md writes state; `{"$tensor": n}` is the n-th of `tensors`. Null where none was saved. */
  readonly state: unknown;
  readonly tensors: readonly SavedTensor[];
  /** Newer checkpoints that could not be read. */
  readonly skipped: readonly { readonly sequence: number; readonly reason: string }[];
  /** @throws InvalidArgumentError for a buffer or rows that it does not hold; CorruptError */
  rows(options?: RowsOptions): AsyncGenerator<RowBatch>;
  /** The frames of one field, as rows with the one column `frame`. */
  frames(field: string, options?: Omit<RowsOptions, "observations">): AsyncGenerator<RowBatch>;
  /** One tensor of the state, in pieces of 8 MiB at most, in order. */
  tensor(index: number, options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<TypedArray>;
}
