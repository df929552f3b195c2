import type { DType } from "../schema/dtype.ts";
import type { Filter } from "../schema/log-layout.ts";

/** A Zarr v3 codec with its parameters, as listed in the index. */
export interface CodecSpec {
  readonly name: string;
  readonly configuration: Readonly<Record<string, unknown>>;
}

/**
 * What a section holds: rows of one column of a log, or one tensor.
 * `log` is "<buffer>/<log name>", e.g. "default/transitions".
 */
export type SectionContent =
  | { readonly kind: "rows"; readonly log: string; readonly column: string; readonly from: number; readonly to: number }
  | { readonly kind: "tensor"; readonly sha256: string };

/** One entry of a pack's index. */
export interface SectionEntry {
  readonly content: SectionContent;
  readonly dtype: DType;
  /** Rows: [to - from, ...shape of one row]. Tensors: [length]. */
  readonly shape: readonly number[];
  readonly codecs: readonly CodecSpec[];
  /** From the start of the pack, in bytes. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** CRC-32C of the stored bytes. */
  readonly crc32c: number;
}

/** A section that has been encoded and has no place in a pack yet. */
export interface EncodedSection {
  readonly content: SectionContent;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly codecs: readonly CodecSpec[];
  readonly rawBytes: number;
  readonly crc32c: number;
  readonly bytes: Uint8Array;
}

/** A section to encode. `raw` may be a view of shared memory; it is read once and not kept. */
export interface SectionSource {
  readonly content: SectionContent;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly filter: Filter;
  readonly raw: Uint8Array;
  /** For the filter `next-of`: the observation column, its name, and the env column of the same rows. */
  readonly next?: (NextOfNeeds & { readonly column: string }) | undefined;
}

/** What a `next-of` section cannot be encoded or decoded without, of the same rows. */
export interface NextOfNeeds {
  readonly observation: Uint8Array;
  readonly env: Uint16Array;
}
