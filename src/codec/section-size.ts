import { InvalidArgumentError } from "../errors.ts";
import { bytesPerElement, type DType } from "../schema/dtype.ts";
import type { SectionContent, SectionEntry } from "./contract.ts";

/** No section is larger, encoded or not: nothing is allocated for one that claims to be. */
export const MAX_SECTION_BYTES: number = 2 ** 31 - 2 ** 20;

/**
 * The length of a section in bytes, worked out from its shape.
 *
 * @throws InvalidArgumentError when the shape is not one of non-negative integers, or makes more than 2 GiB
 */
export function sectionSize(section: { readonly dtype: DType; readonly shape: readonly number[] }): {
  readonly rawBytes: number;
  readonly elementBytes: number;
} {
  const elementBytes = bytesPerElement(section.dtype);
  let rawBytes = elementBytes;
  for (const length of section.shape) {
    rawBytes *= length;
    if (!Number.isSafeInteger(length) || length < 0 || rawBytes > MAX_SECTION_BYTES) {
      throw new InvalidArgumentError("shape", `one of at most ${MAX_SECTION_BYTES} bytes`, section.shape.join(" × "));
    }
  }
  return { rawBytes, elementBytes };
}

/** The stored bytes of a section of a whole pack; a view. */
export function sectionBytes(pack: Uint8Array, entry: SectionEntry): Uint8Array {
  return pack.subarray(entry.offset, entry.offset + entry.storedBytes);
}

/** For messages: `default/transitions action rows 0..100`, `tensor 3f2a…`. */
export function describeContent(content: SectionContent): string {
  if (content.kind === "tensor") return `tensor ${content.sha256.slice(0, 12)}…`;
  return `${content.log} ${content.column} rows ${content.from}..${content.to}`;
}
