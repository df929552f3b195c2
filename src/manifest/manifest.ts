import type { DType } from "../schema/dtype.ts";
import type { BufferMeta, LogBounds } from "../schema/snapshot.ts";
import type { StoredNumber } from "./stored-number.ts";

export const FORMAT_VERSION = 1;

/** Names a checkpoint and pins its content. */
export interface ManifestRef {
  readonly name: string;
  readonly hash: string;
}

/** Rows [from, to) of one log that a pack holds, as far as this checkpoint's lineage goes. */
export interface Coverage {
  readonly log: string;
  readonly from: number;
  readonly to: number;
}

export interface PackRef {
  readonly name: string;
  readonly bytes: number;
  readonly covers: readonly Coverage[];
}

/** Where a tensor lies: the index of its pack in `packs`, and of its section in that pack. */
export interface TensorRef {
  readonly sha256: string;
  readonly dtype: DType;
  readonly length: number;
  readonly pack: number;
  readonly section: number;
  /** Stored (compressed) bytes, so that a reader of the manifest can tell what is worth keeping. */
  readonly storedBytes: number;
}

/** A column as the manifest describes it; offsets in memory are nobody's business but the process's. */
export interface ManifestColumn {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface ManifestLog extends LogBounds {
  readonly name: string;
  readonly columns: readonly ManifestColumn[];
}

export interface ManifestBuffer {
  readonly incarnation: string;
  readonly capacity: number;
  readonly fields: unknown;
  readonly logs: readonly ManifestLog[];
  readonly prioritized: { readonly alpha: number; readonly beta: number; readonly leavesPerPage: number } | null;
  /** Indices into `tensors`, a page each, the leaves in order of leaf number (row mod capacity). */
  readonly priorityPages: readonly number[];
  readonly meta: BufferMeta;
}

/** One checkpoint: everything needed to restore it, by name. See docs/format.md. */
export interface Manifest {
  readonly magic: "varve-manifest";
  readonly version: number;
  /** Features that a reader must know; an unknown one means: do not read, do not delete. */
  readonly requires: readonly string[];
  readonly run: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly parent: ManifestRef | null;
  readonly writeId: string;
  readonly step: number;
  /** ±Infinity and -0 are text, NaN is null. */
  readonly metrics: Readonly<Record<string, StoredNumber>>;
  /** ISO 8601; information only, never used for ordering. */
  readonly createdAt: string;
  readonly packs: readonly PackRef[];
  readonly buffers: Readonly<Record<string, ManifestBuffer>>;
  readonly tensors: readonly TensorRef[];
  /** The state tree in the encoding of state-tree.ts; typed arrays are `{"$tensor": index}`. null: no state. */
  readonly state: unknown;
  /** Content (uncompressed) bytes that this checkpoint stands for: what a full dense save would write. */
  readonly logicalBytes: number;
}
