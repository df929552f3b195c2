import { z } from "zod";
import { parseStrictJson } from "../base/strict-json.ts";
import { CorruptError, FormatVersionError } from "../errors.ts";
import { dtypes } from "../schema/dtype.ts";
import type { SectionEntry } from "./contract.ts";
import { describeContent, MAX_SECTION_BYTES, sectionSize } from "./section-size.ts";

/** The index of a pack: what every section of it holds, and where it lies. */
export interface PackIndex {
  /** In the order in which they lie in the pack, without gaps. */
  readonly sections: readonly SectionEntry[];
  /** A manifest, where the pack is a self-contained file; its names of packs are then without meaning. */
  readonly manifest?: unknown;
}

/** Sections start right after the header. */
export const HEADER_BYTES = 8;
const MAX_SECTIONS = 2 ** 20;
/** A tree of state nests 200 levels deep at most; the rest is what lies around it. */
const MAX_DEPTH = 256;
const NEXT_OF = "varve.next-of";
/** Features of packs that this version knows. */
const KNOWN_FEATURES: readonly string[] = [];

const count = z.int().nonnegative();
/** `<buffer>/transitions`, `<buffer>/frames/<field>`. No part begins with a dot. */
const log = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}){1,2}$/);
const column = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,159}$/);
const content = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("rows"), log, column, from: count, to: count }),
  z.object({ kind: z.literal("tensor"), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
]);
const codec = z.object({ name: z.string().min(1).max(64), configuration: z.record(z.string().max(64), z.unknown()) });
const section = z.object({
  content,
  dtype: z.enum(dtypes),
  shape: z.array(count).min(1).max(33),
  codecs: z.array(codec).min(1).max(8),
  offset: count,
  storedBytes: count.max(MAX_SECTION_BYTES),
  rawBytes: count.max(MAX_SECTION_BYTES),
  crc32c: count.max(2 ** 32 - 1),
});
const features = z.object({ requires: z.array(z.string().max(64)).max(64) });
const index = z.object({ sections: z.array(section).max(MAX_SECTIONS), manifest: z.unknown().optional() });

/**
 * Reads and checks the JSON of an index.
 *
 * @param sectionBytes - the length of the part of the pack that its sections must fill exactly
 */
export function parsePackIndex(json: Uint8Array, sectionBytes: number, objectName: string): PackIndex {
  let value: unknown;
  try {
    value = parseStrictJson(json, MAX_DEPTH);
  } catch (error) {
    throw new CorruptError(objectName, `index: ${(error as Error).message}`, error);
  }
  const { requires } = parse(features, value, objectName);
  const unknown = requires.find((feature) => !KNOWN_FEATURES.includes(feature));
  if (unknown !== undefined) throw new FormatVersionError(objectName, `it requires the unknown feature "${unknown}"`);
  const { sections, manifest } = parse(index, value, objectName);
  assertContiguous(sections, sectionBytes, objectName);
  for (const entry of sections) assertConsistent(entry, objectName);
  assertDistinct(sections, objectName);
  assertSourcesPresent(sections, objectName);
  return manifest === undefined ? { sections } : { sections, manifest };
}

function parse<Output>(schema: z.ZodType<Output>, value: unknown, objectName: string): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CorruptError(objectName, `index.${issue?.path.join(".")}: ${issue?.message}`);
}

/** Sections lie one after another from the header to the index: no overlap, no gap, nothing that no checksum covers. */
function assertContiguous(sections: readonly SectionEntry[], sectionBytes: number, objectName: string): void {
  let offset = HEADER_BYTES;
  for (const [place, entry] of sections.entries()) {
    if (entry.offset !== offset) {
      throw new CorruptError(objectName, `section ${place} starts at ${entry.offset}, expected ${offset}`);
    }
    offset += entry.storedBytes;
  }
  const end = HEADER_BYTES + sectionBytes;
  if (offset !== end) throw new CorruptError(objectName, `sections end at ${offset}, expected ${end}`);
}

function assertConsistent(entry: SectionEntry, objectName: string): void {
  const { content: holds, shape, rawBytes } = entry;
  const fail = (detail: string): never => {
    throw new CorruptError(objectName, `${describeContent(holds)}: ${detail}`);
  };
  if (holds.kind === "rows" && shape[0] !== holds.to - holds.from) fail(`its shape has ${shape[0]} rows`);
  if (holds.kind === "tensor" && shape.length !== 1) fail(`its shape has ${shape.length} axes, expected 1`);
  let actual = -1;
  try {
    actual = sectionSize(entry).rawBytes;
  } catch (error) {
    fail((error as Error).message);
  }
  if (actual !== rawBytes) fail(`its shape makes ${actual} bytes, declared are ${rawBytes}`);
  if (rawBytes > mostDecoded(entry)) fail(`${entry.storedBytes} bytes cannot decode to ${rawBytes}`);
}

/** A block of zstd makes at most 128 KiB, and takes at least 4 bytes: header and content. */
const MOST_PER_STORED_BYTE = (128 * 1024) / 4;

/** Whoever makes room for what a section declares must not do so on the word of a few bytes. */
function mostDecoded({ codecs, storedBytes }: SectionEntry): number {
  // It has as many bytes as the column that it repeats, for which the limit holds.
  if (codecs.some(({ name }) => name === NEXT_OF)) return MAX_SECTION_BYTES;
  return codecs.some(({ name }) => name === "zstd") ? storedBytes * MOST_PER_STORED_BYTE : storedBytes;
}

/**
 * No row of a column twice: a reader could not tell which is right. (Equal tensors may occur twice: they are named by
 * their place, and have the same content.)
 *
 * @throws CorruptError
 */
export function assertDistinct(sections: readonly SectionEntry[], objectName: string): void {
  const columns = new Map<string, RowsContent[]>();
  for (const { content: holds } of sections) {
    if (holds.kind !== "rows") continue;
    const key = `${holds.log} ${holds.column}`;
    const ranges = columns.get(key);
    if (ranges === undefined) columns.set(key, [holds]);
    else ranges.push(holds);
  }
  for (const [key, ranges] of columns) {
    ranges.sort((a, b) => a.from - b.from || a.to - b.to);
    for (const [place, range] of ranges.entries()) {
      const previous = ranges[place - 1];
      if (previous === undefined || range.from >= previous.to) continue;
      throw new CorruptError(objectName, `${key}: rows ${range.from} and on occur twice`);
    }
  }
}

type RowsContent = Extract<SectionEntry["content"], { kind: "rows" }>;

/** What a `varve.next-of` section is decoded from lies in the same pack, and covers exactly the same rows. */
function assertSourcesPresent(sections: readonly SectionEntry[], objectName: string): void {
  const dependent = sections.filter((entry) => entry.codecs.some(({ name }) => name === NEXT_OF));
  if (dependent.length === 0) return;
  const keyOf = ({ log: of, from, to }: RowsContent, name: string): string => `${of} ${name} ${from} ${to}`;
  const forms = new Map<string, string>();
  for (const entry of sections) {
    const isSource = entry.content.kind === "rows" && !dependent.includes(entry);
    if (isSource) forms.set(keyOf(entry.content, entry.content.column), formOf(entry.dtype, entry.shape));
  }
  for (const { content: holds, codecs, dtype, shape } of dependent) {
    const observation = codecs.find(({ name }) => name === NEXT_OF)?.configuration["observation"];
    const isSound =
      holds.kind === "rows" &&
      typeof observation === "string" &&
      forms.get(keyOf(holds, observation)) === formOf(dtype, shape) &&
      forms.get(keyOf(holds, "env")) === formOf("uint16", shape.slice(0, 1));
    if (!isSound) throw new CorruptError(objectName, `${describeContent(holds)}: what it repeats is not in this pack`);
  }
}

function formOf(dtype: string, shape: readonly number[]): string {
  return `${dtype} ${shape.join(" ")}`;
}
