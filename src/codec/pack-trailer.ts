import { crc32c } from "../base/hash.ts";
import { CorruptError, FormatVersionError } from "../errors.ts";

/**
 * The last 40 bytes of a pack, little-endian. Their place, version, checksum and magic stay where they are in every
 * later version, so that an old reader can say "too new" instead of "corrupt".
 *
 *    0  u32  stored length of the index         24  u16  major version, 1
 *    4  u32  raw length of the index            26  u16  minor version, 0
 *    8  u32  CRC-32C of the stored index        28  u32  CRC-32C of bytes 0..28
 *   12  u32  0: the index is JSON, 1: zstd      32  8 bytes "VARVEEND"
 *   16  u64  length of the whole pack
 */
export interface PackTrailer {
  readonly indexBytes: number;
  readonly indexRawBytes: number;
  readonly indexCrc32c: number;
  readonly isCompressed: boolean;
  readonly packBytes: number;
}

export const HEADER_MAGIC = "VARVPACK";
const TRAILER_MAGIC = "VARVEEND";
export const TRAILER_BYTES = 40;
const MAJOR = 1;
const MINOR = 0;
/** Larger indexes are refused before anything is read or decompressed. */
const MAX_INDEX_BYTES = 128 * 1024 * 1024;

export function encodeTrailer(trailer: PackTrailer): Uint8Array {
  const bytes = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, trailer.indexBytes, true);
  view.setUint32(4, trailer.indexRawBytes, true);
  view.setUint32(8, trailer.indexCrc32c, true);
  view.setUint32(12, trailer.isCompressed ? 1 : 0, true);
  view.setBigUint64(16, BigInt(trailer.packBytes), true);
  view.setUint16(24, MAJOR, true);
  view.setUint16(26, MINOR, true);
  view.setUint32(28, crc32c(bytes.subarray(0, 28)), true);
  bytes.set(new TextEncoder().encode(TRAILER_MAGIC), 32);
  return bytes;
}

/**
 * Reads and checks a trailer.
 *
 * @param packBytes - how long the pack is, as found
 * @throws CorruptError, or FormatVersionError where the trailer is sound and the major version another
 */
export function decodeTrailer(bytes: Uint8Array, packBytes: number, objectName: string): PackTrailer {
  const fail = (detail: string): never => {
    throw new CorruptError(objectName, detail);
  };
  if (bytes.length !== TRAILER_BYTES) fail(`it is ${packBytes} bytes long, too short for a pack`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (new TextDecoder("latin1").decode(bytes.subarray(32)) !== TRAILER_MAGIC) fail("it does not end like a pack");
  if (view.getUint32(28, true) !== crc32c(bytes.subarray(0, 28))) fail("the checksum of its trailer is wrong");
  const major = view.getUint16(24, true);
  if (major !== MAJOR) throw new FormatVersionError(objectName, `pack format ${major}, expected ${MAJOR}`);
  const trailer = {
    indexBytes: view.getUint32(0, true),
    indexRawBytes: view.getUint32(4, true),
    indexCrc32c: view.getUint32(8, true),
    isCompressed: view.getUint32(12, true) === 1,
    packBytes: Number(view.getBigUint64(16, true)),
  };
  if (trailer.packBytes !== packBytes) fail(`it is ${packBytes} bytes long, expected ${trailer.packBytes}`);
  if (view.getUint32(12, true) > 1) fail("its index is encoded in an unknown way");
  if (Math.max(trailer.indexBytes, trailer.indexRawBytes) > MAX_INDEX_BYTES) fail("its index is too large");
  if (trailer.indexBytes + TRAILER_BYTES + HEADER_MAGIC.length > packBytes) fail("its index does not fit into it");
  if (!trailer.isCompressed && trailer.indexBytes !== trailer.indexRawBytes) fail("the lengths of its index differ");
  return trailer;
}
