import { stat } from "node:fs/promises";
import { ConfigError } from "../index.ts";
import { readPart } from "./random-access-file.ts";

/** A member of a ZIP archive, as its directory says. */
export interface ZipEntry {
  readonly name: string;
  readonly isDeflated: boolean;
  readonly crc: number;
  readonly storedBytes: number;
  readonly bytes: number;
  /** Where its local header lies. */
  readonly at: number;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const ENCRYPTED = 1;
const DEFLATED = 8;

/**
 * Reads the directory of a ZIP archive, with 64-bit sizes or without.
 *
 * @throws ConfigError where it is no archive, is cut off, or says what cannot be
 */
export async function readZipDirectory(path: string): Promise<readonly ZipEntry[]> {
  const { size } = await stat(path);
  const tailBytes = Math.min(size, END_BYTES + LOCATOR_BYTES + MAX_COMMENT_BYTES);
  const tail = Buffer.from(await readPart(path, size - tailBytes, tailBytes));
  const end = findEnd(tail);
  if (end < 0) throw new ConfigError(`${path} is not an npz file: it does not end as a ZIP archive`);
  const place = await directoryPlace(path, tail, end, size);
  if (place.at + place.bytes > size || place.bytes > MAX_DIRECTORY_BYTES) {
    throw new ConfigError(`${path} is damaged: its directory of ${place.bytes} bytes would lie at ${place.at}`);
  }
  const directory = Buffer.from(await readPart(path, place.at, place.bytes));
  const entries: ZipEntry[] = [];
  for (let at = 0; at + CENTRAL_BYTES <= directory.length; ) {
    const { entry, next } = readEntry(path, directory, at);
    if (entry.at + LOCAL_BYTES + entry.storedBytes > size) {
      throw new ConfigError(`${path} is damaged: "${entry.name}" would end behind the file`);
    }
    if (entries.some(({ name }) => name === entry.name)) throw new ConfigError(`${path} holds "${entry.name}" twice`);
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** Where the bytes of a member begin: behind its local header, which may be of another length than the directory says. */
export async function dataPlace(path: string, { name, at }: ZipEntry): Promise<number> {
  const header = Buffer.from(await readPart(path, at, LOCAL_BYTES));
  if (header.length < LOCAL_BYTES || header.readUInt32LE(0) !== LOCAL) {
    throw new ConfigError(`${path} is damaged: "${name}" does not lie where its directory says`);
  }
  const nameBytes = header.readUInt16LE(26);
  const ownName = Buffer.from(await readPart(path, at + LOCAL_BYTES, nameBytes)).toString("utf8");
  // No checksum holds for names, and under a wrong one an array would be left out: it is there twice, though.
  if (ownName !== name) throw new ConfigError(`${path} is damaged: "${name}" calls itself "${ownName.slice(0, 80)}"`);
  return at + LOCAL_BYTES + nameBytes + header.readUInt16LE(28);
}

function findEnd(tail: Buffer): number {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) === END && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return -1;
}

async function directoryPlace(
  path: string,
  tail: Buffer,
  end: number,
  size: number,
): Promise<{ readonly at: number; readonly bytes: number }> {
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_64) {
    return { at: tail.readUInt32LE(end + 16), bytes: tail.readUInt32LE(end + 12) };
  }
  const at = readU64(tail, locator + 8);
  const record = Buffer.from(at + 56 <= size ? await readPart(path, at, 56) : []);
  if (record.length < 56 || record.readUInt32LE(0) !== END_64) {
    throw new ConfigError(`${path} is damaged: its 64-bit directory is not where it says`);
  }
  return { at: readU64(record, 48), bytes: readU64(record, 40) };
}

function readEntry(path: string, directory: Buffer, at: number): { readonly entry: ZipEntry; readonly next: number } {
  const nameBytes = directory.readUInt16LE(at + 28);
  const extraBytes = directory.readUInt16LE(at + 30);
  const next = at + CENTRAL_BYTES + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
  if (directory.readUInt32LE(at) !== CENTRAL || next > directory.length) {
    throw new ConfigError(`${path} is damaged: its directory cannot be read at ${at}`);
  }
  const name = directory.toString("utf8", at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
  const method = directory.readUInt16LE(at + 10);
  if ((directory.readUInt16LE(at + 8) & ENCRYPTED) !== 0) throw new ConfigError(`"${name}" in ${path} is encrypted`);
  if (method !== 0 && method !== DEFLATED) {
    throw new ConfigError(`"${name}" in ${path} is compressed by method ${method}`, {
      hint: "NumPy's savez and savez_compressed write what can be read here.",
    });
  }
  const extra = directory.subarray(next - extraBytes - directory.readUInt16LE(at + 32)).subarray(0, extraBytes);
  const wide = wideNumbers(extra);
  const number = (offset: number): number => {
    const value = directory.readUInt32LE(at + offset);
    return value === 0xffff_ffff ? (wide.shift() ?? value) : value;
  };
  // In this order: 64-bit numbers are there for those fields alone that need them.
  const [bytes, storedBytes, place] = [number(24), number(20), number(42)] as const;
  const entry = { name, isDeflated: method === DEFLATED, crc: directory.readUInt32LE(at + 16) };
  if (!entry.isDeflated && bytes !== storedBytes) throw new ConfigError(`${path} is damaged: the sizes of "${name}"`);
  return { entry: { ...entry, storedBytes, bytes, at: place }, next };
}

function wideNumbers(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      const count = Math.min(Math.floor(length / 8), Math.floor((extra.length - at - 4) / 8));
      return Array.from({ length: count }, (_, index) => readU64(extra, at + 4 + 8 * index));
    }
    at += 4 + length;
  }
  return [];
}

/** A number beyond 2^53 is beyond any file: it fails where it is compared with the file's size. */
function readU64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}
