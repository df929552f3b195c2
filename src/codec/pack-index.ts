import { crc32c } from "../base/hash.ts";
import { decompressZstd } from "../base/zstd.ts";
import { CorruptError } from "../errors.ts";
import { HEADER_BYTES, type PackIndex, parsePackIndex } from "./pack-schema.ts";
import { decodeTrailer, HEADER_MAGIC, type PackTrailer, TRAILER_BYTES } from "./pack-trailer.ts";

export type { PackIndex } from "./pack-schema.ts";

/** Reads bytes [offset, offset + length) of one pack; may return less where the pack ends. */
export type RangeReader = (offset: number, length: number) => Promise<Uint8Array>;

/** Fetched from the end of a pack before its index is known: most indexes are in it, so one request does. */
const TAIL_BYTES = 64 * 1024;

/**
 * Reads the index of a whole pack.
 *
 * @throws CorruptError, FormatVersionError
 */
export function readPackIndex(bytes: Uint8Array, objectName: string): PackIndex {
  checkHeader(bytes.subarray(0, HEADER_BYTES), objectName);
  const trailer = decodeTrailer(bytes.subarray(-TRAILER_BYTES), bytes.length, objectName);
  const end = bytes.length - TRAILER_BYTES;
  return decodeIndex(bytes.subarray(end - trailer.indexBytes, end), trailer, objectName);
}

/**
 * Reads the index of a pack from its end: one request, two where the index is large. Sections are then fetched one
 * by one, by `offset` and `storedBytes`. The pack's SHA-256 stays unchecked: a section's CRC-32C is what protects it.
 *
 * @param packBytes - the length of the pack, from the manifest or the store
 */
export async function readPackIndexFrom(read: RangeReader, packBytes: number, objectName: string): Promise<PackIndex> {
  const tailBytes = Math.min(packBytes, TAIL_BYTES);
  const tail = await readExactly(read, packBytes - tailBytes, tailBytes, objectName);
  const trailer = decodeTrailer(tail.subarray(-TRAILER_BYTES), packBytes, objectName);
  const fromEnd = trailer.indexBytes + TRAILER_BYTES;
  const index =
    fromEnd <= tailBytes
      ? tail.subarray(tailBytes - fromEnd, tailBytes - TRAILER_BYTES)
      : await readExactly(read, packBytes - fromEnd, trailer.indexBytes, objectName);
  return decodeIndex(index, trailer, objectName);
}

function checkHeader(header: Uint8Array, objectName: string): void {
  if (new TextDecoder("latin1").decode(header) !== HEADER_MAGIC) {
    throw new CorruptError(objectName, "it does not begin like a pack");
  }
}

async function readExactly(read: RangeReader, offset: number, length: number, objectName: string): Promise<Uint8Array> {
  const bytes = await read(offset, length);
  if (bytes.length === length) return bytes;
  throw new CorruptError(objectName, `expected ${length} bytes at ${offset}, got ${bytes.length}`);
}

function decodeIndex(stored: Uint8Array, trailer: PackTrailer, objectName: string): PackIndex {
  if (crc32c(stored) !== trailer.indexCrc32c) throw new CorruptError(objectName, "the checksum of its index is wrong");
  const json = trailer.isCompressed ? decompressIndex(stored, trailer.indexRawBytes, objectName) : stored;
  const sectionsBytes = trailer.packBytes - TRAILER_BYTES - trailer.indexBytes - HEADER_BYTES;
  return parsePackIndex(json, sectionsBytes, objectName);
}

function decompressIndex(stored: Uint8Array, rawBytes: number, objectName: string): Uint8Array {
  try {
    const json = decompressZstd(stored, rawBytes);
    if (json.length === rawBytes) return json;
  } catch (error) {
    throw new CorruptError(objectName, `index: ${(error as Error).message}`, error);
  }
  throw new CorruptError(objectName, `its index is shorter than ${rawBytes} bytes`);
}
