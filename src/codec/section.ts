import { crc32c, sha256Hex } from "../base/hash.ts";
import { freeMemory } from "../base/memory.ts";
import { compressZstd, decompressZstd, decompressZstdAsync } from "../base/zstd.ts";
import { CorruptError, InvalidArgumentError } from "../errors.ts";
import { bytesPerElement } from "../schema/dtype.ts";
import { type CodecChain, codecSpecs, parseCodecs, ZSTD_LEVEL } from "./codec-chain.ts";
import type { EncodedSection, NextOfNeeds, SectionEntry, SectionSource } from "./contract.ts";
import { decodeDelta, encodeDelta } from "./delta.ts";
import { bitmapBytes, countStored, decodeNextOf, encodeNextOf } from "./next-of.ts";
import { Scratch } from "./scratch.ts";
import { describeContent, sectionSize } from "./section-size.ts";
import { type ShuffleElementSize, shuffle, unshuffle } from "./shuffle.ts";

export interface DecodeOptions {
  /** The pack, for error messages. */
  readonly objectName?: string | undefined;
  /** For `next-of` sections: the decoded observation and env columns of the same rows. See {@link nextOfColumn}. */
  readonly next?: NextOfNeeds | undefined;
  /** Where to put the result, `rawBytes` long; may be a view of shared memory. Undefined content if decoding fails. */
  readonly into?: Uint8Array | undefined;
}

/** Filtered bytes, and the codecs that say how they came about. */
interface Filtered {
  readonly chain: CodecChain;
  readonly bytes: Uint8Array;
}

const filteredScratch = new Scratch();
const deltaScratch = new Scratch();

/** Compression must save this part of a section, or it is stored as it is: reading back is then a plain copy. */
const LEAST_GAIN = 1 / 64;

/**
 * Encodes one section: filter, then zstd where it pays. On the calling thread; the result keeps nothing of `raw`.
 *
 * @throws InvalidArgumentError when dtype, shape and the length of `raw` do not agree
 * Cost: about 500 MB/s for floats, 2 GB/s for ids and small integers.
 */
export function encodeSection(source: SectionSource): EncodedSection {
  const { content, dtype, shape, raw } = source;
  const { rawBytes } = sectionSize(source);
  if (raw.length !== rawBytes) throw new InvalidArgumentError("raw", `${rawBytes} bytes long`, raw);
  const { chain, bytes } = encodeBytes(source);
  return { content, dtype, shape, codecs: codecSpecs(chain), rawBytes, crc32c: crc32c(bytes), bytes };
}

function encodeBytes(source: SectionSource): Filtered {
  const filtered = applyFilter(source);
  const { length } = filtered.bytes;
  const compressed = length > 0 ? compressZstd(filtered.bytes, ZSTD_LEVEL) : filtered.bytes;
  if (compressed.length < length - length * LEAST_GAIN) {
    return { chain: { ...filtered.chain, zstd: true }, bytes: compressed };
  }
  // Without zstd only next-of makes anything smaller; the other filters merely move bytes.
  const isSmaller = length < source.raw.length;
  const plain = isSmaller ? filtered : { chain: unfiltered, bytes: source.raw };
  return { chain: plain.chain, bytes: new Uint8Array(plain.bytes) };
}

const unfiltered: CodecChain = { delta: false, nextOf: null, elementSize: 1, zstd: false };

function applyFilter(source: SectionSource): Filtered {
  const { raw } = source;
  const elementSize = bytesPerElement(source.dtype) as 1 | ShuffleElementSize;
  if (source.filter === "next-of") return applyNextOf(source, elementSize);
  if (source.filter === "none" || elementSize === 1) return { chain: unfiltered, bytes: raw };
  const delta = source.filter === "delta-shuffle";
  const bytes = filteredScratch.take(raw.length);
  shuffle(delta ? differences(source) : raw, elementSize, bytes);
  return { chain: { ...unfiltered, delta, elementSize }, bytes };
}

function differences({ raw, dtype }: SectionSource): Uint8Array {
  if (dtype !== "uint32") throw new InvalidArgumentError("dtype", "uint32 for the filter delta-shuffle", dtype);
  const result = deltaScratch.take(raw.length);
  encodeDelta(asInt32(raw), asInt32(result));
  return result;
}

function applyNextOf({ raw, shape, next }: SectionSource, elementSize: 1 | ShuffleElementSize): Filtered {
  const [rows = 0] = shape;
  const rowBytes = rows > 0 ? raw.length / rows : 0;
  if (next === undefined || next.env.length !== rows || next.observation.length !== raw.length) {
    throw new InvalidArgumentError("next", `observation and env of the same ${rows} rows`, next);
  }
  const { bitmap, stored } = encodeNextOf(raw, { rows, rowBytes, ...next });
  const bytes = filteredScratch.take(bitmap.length + stored.length);
  bytes.set(bitmap);
  const place = bytes.subarray(bitmap.length);
  if (elementSize > 1) shuffle(stored, elementSize as ShuffleElementSize, place);
  else place.set(stored);
  const nextOf = { observation: next.column, exceptions: rowBytes > 0 ? stored.length / rowBytes : 0 };
  return { chain: { ...unfiltered, nextOf, elementSize }, bytes };
}

/** The observation column that a `next-of` section needs for decoding, besides `env`; null for any other section. */
export function nextOfColumn(entry: SectionEntry, objectName = "section"): string | null {
  return parseCodecs(entry.codecs, objectName).nextOf?.observation ?? null;
}

/**
 * Decodes one section after checking it: stored length, CRC-32C, then the exact raw length; of a tensor also the SHA-256
 * that names it, which was taken before it was encoded.
 *
 * @param stored - the section's bytes in the pack
 * @returns `options.into`, or new memory aligned to 8
 * @throws CorruptError naming the pack, column and rows
 */
export function decodeSection(entry: SectionEntry, stored: Uint8Array, options: DecodeOptions = {}): Uint8Array {
  const plan = prepare(entry, stored, options);
  try {
    if (!plan.chain.zstd) return finish(plan, stored);
    return finishOwned(plan, decompressZstd(stored, plan.filteredBytes));
  } catch (error) {
    throw plan.wrap(error);
  }
}

/** As {@link decodeSection}, with zstd on a thread of Node's pool. */
export async function decodeSectionAsync(
  entry: SectionEntry,
  stored: Uint8Array,
  options: DecodeOptions = {},
): Promise<Uint8Array> {
  const plan = prepare(entry, stored, options);
  try {
    if (!plan.chain.zstd) return finish(plan, stored);
    return finishOwned(plan, await decompressZstdAsync(stored, plan.filteredBytes));
  } catch (error) {
    throw plan.wrap(error);
  }
}

interface DecodePlan {
  readonly entry: SectionEntry;
  readonly chain: CodecChain;
  readonly rows: number;
  /** Exactly this much must come out of zstd. */
  readonly filteredBytes: number;
  readonly options: DecodeOptions;
  readonly corrupt: (detail: string, cause?: unknown) => CorruptError;
  /** What decoding threw, as an error that names the object. */
  readonly wrap: (error: unknown) => CorruptError;
}

function prepare(entry: SectionEntry, stored: Uint8Array, options: DecodeOptions): DecodePlan {
  const { objectName = "section", into, next } = options;
  const what = describeContent(entry.content);
  const corrupt: DecodePlan["corrupt"] = (detail, cause) => new CorruptError(objectName, `${what}: ${detail}`, cause);
  const wrap: DecodePlan["wrap"] = (error) =>
    error instanceof CorruptError ? error : corrupt((error as Error).message, error);
  const chain = parseCodecs(entry.codecs, objectName);
  const { rawBytes, elementBytes } = sectionSize(entry);
  const [rows = 0] = entry.shape;
  const rowBytes = rows > 0 ? rawBytes / rows : 0;
  const filteredBytes = chain.nextOf === null ? rawBytes : bitmapBytes(rows) + chain.nextOf.exceptions * rowBytes;
  if (entry.rawBytes !== rawBytes) throw corrupt(`declares ${entry.rawBytes} bytes for a shape of ${rawBytes}`);
  if (chain.elementSize !== 1 && chain.elementSize !== elementBytes) throw corrupt("shuffled by another element size");
  if (chain.delta && entry.dtype !== "uint32") throw corrupt(`differences of ${entry.dtype}`);
  if ((chain.nextOf?.exceptions ?? 0) > rows) throw corrupt("more rows stored than there are");
  if (stored.length !== entry.storedBytes) throw corrupt(`expected ${entry.storedBytes} bytes, got ${stored.length}`);
  const actual = crc32c(stored);
  if (actual !== entry.crc32c) throw corrupt(`expected CRC-32C ${entry.crc32c}, got ${actual}`);
  if (into !== undefined && into.length !== rawBytes) {
    throw new InvalidArgumentError("into", `${rawBytes} bytes long`, into);
  }
  if (chain.nextOf !== null && (next?.env.length !== rows || next.observation.length !== rawBytes)) {
    throw new InvalidArgumentError("next", `observation and env of the ${rows} rows of ${what}`, next);
  }
  return { entry, chain, rows, filteredBytes, options, corrupt, wrap };
}

function finish(plan: DecodePlan, bytes: Uint8Array): Uint8Array {
  const raw = unfilter(plan, bytes);
  const { content } = plan.entry;
  if (content.kind === "tensor") {
    const actual = sha256Hex(raw);
    if (actual !== content.sha256) throw plan.corrupt(`expected SHA-256 ${content.sha256} decoded, got ${actual}`);
  }
  return raw;
}

function unfilter({ entry, chain, rows, filteredBytes, options, corrupt }: DecodePlan, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== filteredBytes) throw corrupt(`expected ${filteredBytes} bytes decoded, got ${bytes.length}`);
  const { elementSize, nextOf } = chain;
  const isReady = nextOf === null && elementSize === 1 && !chain.delta;
  if (isReady && chain.zstd && options.into === undefined) return bytes;
  const target = options.into ?? new Uint8Array(entry.rawBytes);
  if (nextOf !== null && options.next !== undefined) {
    const bitmap = bytes.subarray(0, bitmapBytes(rows));
    const stored = unshuffled(bytes.subarray(bitmap.length), elementSize);
    if (countStored(bitmap) !== nextOf.exceptions) throw corrupt("bitmap and number of stored rows differ");
    const source = { rows, rowBytes: rows > 0 ? entry.rawBytes / rows : 0, ...options.next };
    if (!decodeNextOf(bitmap, stored, source, target)) throw corrupt("a row is left out that no other gives");
  } else if (elementSize > 1) unshuffle(bytes, elementSize as ShuffleElementSize, target);
  else target.set(bytes);
  if (chain.delta) undoDelta(target);
  return target;
}

/** What came out of zstd is given back at once, or V8 marks the whole heap again for every 64 MiB of it. */
function finishOwned(plan: DecodePlan, bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  const result = finish(plan, bytes);
  if (result !== bytes) freeMemory(bytes.buffer);
  return result;
}

function unshuffled(bytes: Uint8Array, elementSize: 1 | ShuffleElementSize): Uint8Array {
  if (elementSize === 1) return bytes;
  const result = filteredScratch.take(bytes.length);
  unshuffle(bytes, elementSize, result);
  return result;
}

function undoDelta(target: Uint8Array): void {
  const values = asInt32(target);
  decodeDelta(values);
  if (values.buffer !== target.buffer) target.set(new Uint8Array(values.buffer));
}

/** The bytes as 32-bit words, in place where they are aligned, else a copy. */
function asInt32(bytes: Uint8Array): Int32Array {
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Int32Array(new Uint8Array(bytes).buffer);
}
