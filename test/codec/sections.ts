import type { EncodedSection, SectionContent, SectionEntry, SectionSource } from "../../src/codec/contract.ts";
import { type DecodeOptions, decodeSection, encodeSection } from "../../src/codec/section.ts";
import { bytesPerElement, type DType } from "../../src/schema/dtype.ts";
import type { Filter } from "../../src/schema/log-layout.ts";

export function rowsOf(column: string, from: number, to: number, log = "default/transitions"): SectionContent {
  return { kind: "rows", log, column, from, to };
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A section of rows [0, n) of a column, n following from the number of bytes. */
export function sourceOf(
  raw: Uint8Array,
  dtype: DType,
  rowShape: readonly number[],
  filter: Filter,
  next?: SectionSource["next"],
): SectionSource {
  const rowBytes = rowShape.reduce((product, length) => product * length, bytesPerElement(dtype));
  const rows = raw.length / rowBytes;
  return { content: rowsOf("column", 0, rows), dtype, shape: [rows, ...rowShape], filter, raw, next };
}

/** The entry that a section would have in a pack, wherever it lies. */
export function entryOf(section: EncodedSection): SectionEntry {
  const { bytes, ...rest } = section;
  return { ...rest, offset: 8, storedBytes: bytes.length };
}

export function roundTrip(source: SectionSource, options: DecodeOptions = {}): Uint8Array {
  const section = encodeSection(source);
  return decodeSection(entryOf(section), section.bytes, { next: source.next, ...options });
}
