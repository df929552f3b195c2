/**
 * The records of a ZIP archive of stored (not compressed) members, with 64-bit sizes where 32 do not do, by PKWARE's
 * APPNOTE 6.3.10. Written by hand because the libraries at hand either lack ZIP64 or need members one after another,
 * while ours are all filled at the same time.
 */

export interface ZipMember {
  readonly name: string;
  readonly bytes: number;
  /** Where its local header lies. */
  readonly at: number;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const VERSION = 45;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 1980-01-01: equal content gives equal archives. */
const DATE = 0x21;
const MOST_32 = 0xffff_ffff;
const MOST_16 = 0xffff;

/** From this size or place on 64-bit fields are used. */
export const ZIP64_FROM: number = MOST_32;

export function localHeader({ name, bytes }: ZipMember, crc: number, zip64From: number): Uint8Array {
  const is64 = bytes >= zip64From;
  const record = new Record();
  record.u32(LOCAL).u16(VERSION).u16(FLAGS).u16(0).u16(0).u16(DATE).u32(crc);
  record.u32(is64 ? MOST_32 : bytes).u32(is64 ? MOST_32 : bytes);
  record
    .u16(utf8(name).length)
    .u16(is64 ? 20 : 0)
    .bytes(utf8(name));
  if (is64) record.u16(1).u16(16).u64(bytes).u64(bytes);
  return record.done();
}

/** The central directory and what ends the archive. @param at - where the directory begins */
export function centralDirectory(
  members: readonly (ZipMember & { readonly crc: number })[],
  at: number,
  comment: string,
  zip64From: number,
): Uint8Array {
  const record = new Record();
  for (const member of members) centralHeader(record, member, zip64From);
  const size = record.length;
  const is64 = members.length >= MOST_16 || at >= zip64From || size >= zip64From;
  if (is64) {
    record.u32(END_64).u64(44).u16(VERSION).u16(VERSION).u32(0).u32(0);
    record.u64(members.length).u64(members.length).u64(size).u64(at);
    record
      .u32(LOCATOR_64)
      .u32(0)
      .u64(at + size)
      .u32(1);
  }
  record.u32(END).u16(0).u16(0);
  record.u16(is64 ? MOST_16 : members.length).u16(is64 ? MOST_16 : members.length);
  record.u32(is64 ? MOST_32 : size).u32(is64 ? MOST_32 : at);
  record.u16(utf8(comment).length).bytes(utf8(comment));
  return record.done();
}

function centralHeader(record: Record, { name, bytes, at, crc }: ZipMember & { crc: number }, from: number): void {
  const isLarge = bytes >= from;
  const isFar = at >= from;
  const extra = (isLarge ? 16 : 0) + (isFar ? 8 : 0);
  record.u32(CENTRAL).u16(VERSION).u16(VERSION).u16(FLAGS).u16(0).u16(0).u16(DATE).u32(crc);
  record.u32(isLarge ? MOST_32 : bytes).u32(isLarge ? MOST_32 : bytes);
  record
    .u16(utf8(name).length)
    .u16(extra > 0 ? 4 + extra : 0)
    .u16(0);
  record
    .u16(0)
    .u16(0)
    .u32(0)
    .u32(isFar ? MOST_32 : at)
    .bytes(utf8(name));
  if (extra > 0) record.u16(1).u16(extra);
  if (isLarge) record.u64(bytes).u64(bytes);
  if (isFar) record.u64(at);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Little-endian fields one after another. */
class Record {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  u16(value: number): this {
    return this.bytes(Uint8Array.of(value & 0xff, value >>> 8));
  }

  u32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.bytes(bytes);
  }

  u64(value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  done(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}
