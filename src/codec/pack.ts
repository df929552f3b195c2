import { crc32c, sha256Hex } from "../base/hash.ts";
import { freeMemory } from "../base/memory.ts";
import { compressZstd } from "../base/zstd.ts";
import { CorruptError, InvalidArgumentError } from "../errors.ts";
import type { EncodedSection, SectionEntry } from "./contract.ts";
import { assertDistinct, HEADER_BYTES } from "./pack-schema.ts";
import { encodeTrailer, HEADER_MAGIC, TRAILER_BYTES } from "./pack-trailer.ts";

/**
 * ```
 *  pack = | "VARVPACK" | section 0 | section 1 | … | index | trailer, 40 bytes |
 *           8 bytes      one right after another     JSON, zstd where that is smaller
 * ```
 */
export interface BuiltPack {
  /** `packs/<epoch>-<sha256 of the bytes>.pack` */
  readonly name: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
  /** In the order of the sections given: their places in it are what a TensorRef's `section` means. */
  readonly entries: readonly SectionEntry[];
}

/**
 * Puts sections together, in memory.
 *
 * @param options.manifest - makes the pack a self-contained file: a manifest as JSON, kept in the index
 * @param options.takesMemory - each section's memory is given back as soon as the pack has its bytes
 */
export function buildPack(
  sections: readonly EncodedSection[],
  options: { readonly epoch: number; readonly manifest?: unknown; readonly takesMemory?: boolean },
): BuiltPack {
  const layout = new PackLayout();
  for (const section of sections) layout.add(section);
  const footer = layout.footer(options.manifest);
  const bytes = new Uint8Array(layout.sizeBytes + footer.length);
  bytes.set(packHeader());
  for (const [place, entry] of layout.entries.entries()) {
    const section = (sections[place] as EncodedSection).bytes;
    if (section.length !== entry.storedBytes) throw new Error(`Section ${place} has lost its memory`);
    bytes.set(section, entry.offset);
    // Where it is not all of its memory, another section may be the rest.
    if (options.takesMemory === true && section.length === section.buffer.byteLength) freeMemory(section.buffer);
  }
  bytes.set(footer, layout.sizeBytes);
  const sha256 = sha256Hex(bytes);
  return { name: packName(options.epoch, sha256), sha256, bytes, entries: layout.entries };
}

/** The name under which a pack is stored. */
export function packName(epoch: number, sha256: string): string {
  return `packs/${String(epoch).padStart(8, "0")}-${sha256}.pack`;
}

/** The first bytes of every pack. */
export function packHeader(): Uint8Array {
  return new TextEncoder().encode(HEADER_MAGIC);
}

/**
 * Places sections in a pack that is written piece by piece: `packHeader()`, then the bytes of each section in the
 * order of `add`, then `footer()`. Holds the index only, so that a file may be larger than memory.
 */
export class PackLayout {
  readonly #entries: SectionEntry[] = [];
  #sizeBytes = HEADER_BYTES;

  get entries(): readonly SectionEntry[] {
    return this.#entries;
  }

  /** Bytes of the header and of all sections so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Gives the section the next place. */
  add(section: EncodedSection): SectionEntry {
    const { content, dtype, shape, codecs, rawBytes, crc32c: checksum, bytes } = section;
    const offset = this.#sizeBytes;
    const entry = { content, dtype, shape, codecs, offset, storedBytes: bytes.length, rawBytes, crc32c: checksum };
    this.#entries.push(entry);
    this.#sizeBytes += bytes.length;
    return entry;
  }

  /**
   * The index and the trailer: what comes after the last section.
   *
   * @throws CorruptError when rows occur twice: readers would refuse the pack, so it must not count as stored
   */
  footer(manifest?: unknown): Uint8Array {
    assertDistinct(this.#entries, "a pack that was about to be written");
    const index = manifest === undefined ? {} : { manifest };
    const json = new TextEncoder().encode(JSON.stringify({ requires: [], sections: this.#entries, ...index }));
    const compressed = compressZstd(json, INDEX_LEVEL);
    const isCompressed = compressed.length < json.length;
    const stored = isCompressed ? compressed : json;
    const footer = new Uint8Array(stored.length + TRAILER_BYTES);
    footer.set(stored);
    const trailer = encodeTrailer({
      indexBytes: stored.length,
      indexRawBytes: json.length,
      indexCrc32c: crc32c(stored),
      isCompressed,
      packBytes: this.#sizeBytes + footer.length,
    });
    footer.set(trailer, stored.length);
    return footer;
  }
}

const INDEX_LEVEL = 3;

/**
 * Checks that a pack is the one that it is named after.
 *
 * @param expectedSha256 - 64 hexadecimal digits, from the pack's name
 * @throws CorruptError
 */
export function verifyPack(bytes: Uint8Array, expectedSha256: string, objectName = `pack ${expectedSha256}`): void {
  if (!/^[0-9a-f]{64}$/.test(expectedSha256)) {
    throw new InvalidArgumentError("expectedSha256", "64 hexadecimal digits", expectedSha256);
  }
  const actual = sha256Hex(bytes);
  if (actual !== expectedSha256) throw new CorruptError(objectName, `its SHA-256 is ${actual}`);
}
