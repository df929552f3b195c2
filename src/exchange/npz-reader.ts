import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import { ConfigError, type DType, type TypedArray } from "../index.ts";
import { dtypeNames, elementsOf } from "./dtypes.ts";
import { MAX_NPY_HEADER_BYTES, type NpyHeader, parseNpyHeader } from "./npy.ts";
import { viewOf } from "./typed-view.ts";
import { dataPlace, readZipDirectory, type ZipEntry } from "./zip-directory.ts";

/** One array of an npz file. */
export interface NpzArray {
  readonly name: string;
  readonly dtype: DType;
  readonly isBool: boolean;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** An npz file, of which the headers were read. */
export interface NpzFile {
  readonly arrays: readonly NpzArray[];
  /** Arrays of types that a buffer cannot hold. */
  readonly unheld: readonly { readonly name: string; readonly descr: string }[];
  /** Members that are no arrays. */
  readonly others: readonly string[];
  /**
   * The elements of an array in order, as many at a time as asked for. Reads no more than that ahead.
   *
   * @throws ConfigError where the file is damaged, at the end also where its CRC-32 is not right
   */
  elements(array: NpzArray, atOnce: number): AsyncGenerator<TypedArray>;
}

/** Where an array lies in the archive, and what it is of. */
interface Member {
  readonly entry: ZipEntry;
  readonly dtype: DType;
  /** From the start of the member. */
  readonly dataOffset: number;
}

/** @throws ConfigError for a file that is no npz, and for arrays that cannot be taken as they are */
export async function openNpz(path: string): Promise<NpzFile> {
  const entries = await readZipDirectory(path);
  const members = new Map<string, Member>();
  const unheld: { name: string; descr: string }[] = [];
  const arrays: NpzArray[] = [];
  const others: string[] = [];
  for (const entry of entries) {
    if (!entry.name.endsWith(".npy")) {
      await dataPlace(path, entry);
      others.push(entry.name);
      continue;
    }
    const name = entry.name.slice(0, -".npy".length);
    const header = await readHeader(path, entry, name);
    const { dtype, isBool, shape, descr } = header;
    if (dtype === null) {
      unheld.push({ name, descr });
      continue;
    }
    members.set(name, { entry, dtype, dataOffset: header.dataOffset });
    arrays.push({ name, bytes: elementsOf(shape) * dtypeNames[dtype].bytes, dtype, isBool, shape });
  }
  return {
    ...{ arrays, unheld, others },
    elements: (array, atOnce) => {
      const member = members.get(array.name);
      if (member === undefined) throw new Error(`${array.name} is of another file`);
      return readElements(path, member, atOnce);
    },
  };
}

/** @throws ConfigError: that the file is damaged, where that is why its header cannot be used */
async function readHeader(path: string, entry: ZipEntry, name: string): Promise<NpyHeader> {
  try {
    const header = parseNpyHeader(await firstBytes(path, entry), name);
    const { dtype, dataOffset, shape } = header;
    // What is left out is not read later: a damaged type must not leave out an array that was fine.
    if (dtype === null) await assertWhole(path, entry);
    const bytes = dtype === null ? 0 : elementsOf(shape) * dtypeNames[dtype].bytes;
    if (dtype === null || dataOffset + bytes === entry.bytes) return header;
    throw new ConfigError(
      `"${name}" has ${entry.bytes - dataOffset} bytes, its shape [${shape.join(", ")}] needs ${bytes}`,
    );
  } catch (error) {
    await assertWhole(path, entry);
    throw error;
  }
}

/** Reads all of a member for its CRC-32. */
async function assertWhole(path: string, entry: ZipEntry): Promise<void> {
  let [crc, seen] = [0, 0];
  for await (const content of contentOf(path, entry, entry.bytes)) {
    crc = crc32(content, crc);
    seen += content.length;
    if (seen > entry.bytes) break;
  }
  if (seen !== entry.bytes || crc !== entry.crc) throw notAsWritten(path, entry);
}

function notAsWritten(path: string, { name }: ZipEntry): ConfigError {
  return new ConfigError(`${path} is damaged: "${name}" is not what was written (CRC-32)`, {
    hint: "Copy the file again from where it came.",
  });
}

async function firstBytes(path: string, entry: ZipEntry): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const wanted = Math.min(MAX_NPY_HEADER_BYTES + 12, entry.bytes);
  for await (const bytes of contentOf(path, entry, wanted)) {
    parts.push(bytes);
    length += bytes.length;
    if (length >= wanted) break;
  }
  return Buffer.concat(parts).subarray(0, wanted);
}

async function* readElements(
  path: string,
  { entry, dtype, dataOffset }: Member,
  atOnce: number,
): AsyncGenerator<TypedArray> {
  const pieceBytes = atOnce * dtypeNames[dtype].bytes;
  let crc = 0;
  let seen = 0;
  let piece = new Uint8Array(0);
  let filled = 0;
  const whole = entry.bytes - dataOffset;
  for await (const content of contentOf(path, entry, entry.bytes)) {
    crc = crc32(content, crc);
    let rest = content.subarray(Math.max(0, dataOffset - seen));
    seen += content.length;
    if (seen > entry.bytes) break;
    while (rest.length > 0) {
      // Only as much as is left is allocated, and never more than one piece.
      if (filled === 0) piece = new Uint8Array(Math.min(pieceBytes, whole - (seen - dataOffset - rest.length)));
      const taken = rest.subarray(0, piece.length - filled);
      piece.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < piece.length) continue;
      filled = 0;
      yield viewOf(dtype, piece);
    }
  }
  if (seen !== entry.bytes || crc !== entry.crc) throw notAsWritten(path, entry);
}

/** The bytes of a member, decompressed, to its end or to where nobody wants more. */
async function* contentOf(path: string, entry: ZipEntry, wanted: number): AsyncGenerator<Uint8Array> {
  if (entry.storedBytes === 0) return;
  const at = await dataPlace(path, entry);
  const storedBytes = entry.isDeflated ? entry.storedBytes : Math.min(entry.storedBytes, wanted);
  const file = createReadStream(path, { start: at, end: at + storedBytes - 1, highWaterMark: 256 * 1024 });
  if (!entry.isDeflated) {
    yield* file as AsyncIterable<Uint8Array>;
    return;
  }
  const inflate = createInflateRaw();
  // Its failure ends the reading below, which tells it.
  const piped = pipeline(file, inflate).catch(() => undefined);
  try {
    yield* inflate as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new ConfigError(`${path} is damaged: "${entry.name}" cannot be decompressed`, { cause: error });
  } finally {
    inflate.destroy();
    file.destroy();
    await piped;
  }
}
