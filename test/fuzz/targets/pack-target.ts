import { crc32c } from "../../../src/base/hash.ts";
import type { Random } from "../../../src/base/random.ts";
import { decompressZstd } from "../../../src/base/zstd.ts";
import type { EncodedSection, SectionEntry } from "../../../src/codec/contract.ts";
import { type PackIndex, readPackIndex, readPackIndexFrom } from "../../../src/codec/pack-index.ts";
import { type DecodeOptions, decodeSection, decodeSectionAsync, nextOfColumn } from "../../../src/codec/section.ts";
import { sectionBytes } from "../../../src/codec/section-size.ts";
import { assertRefusal, type FuzzTarget, isPartOf, type Verdict } from "../fuzz.ts";
import { chance, type Json, mutateBytes, mutateJson, mutateJsonText, pick, randomBytesOf } from "../mutations.ts";
import { allSections, forgePack, type PackParts, packOf, rawOf, sound, type Trailer } from "./forge-pack.ts";

const NAME = `packs/00000001-${"cd".repeat(32)}.pack`;
const refusal = { codes: ["VARVE_CORRUPT", "VARVE_FORMAT_VERSION"], names: NAME };

const FIELDS = ["indexBytes", "indexRawBytes", "indexCrc32c", "encoding", "packBytes", "major", "minor"] as const;
const LENGTHS = [0, 1, 39, 40, 48, 2 ** 16, 2 ** 27, 2 ** 27 + 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, -1];

function changeTrailer(random: Random): (trailer: Trailer) => void {
  return (trailer) => {
    const field = pick(random, FIELDS);
    trailer[field] = chance(random, 0.5) ? pick(random, LENGTHS) : trailer[field] + random.int(3) - 1;
  };
}

/** The index with other bytes in one section, its length and checksum as they are then. */
function withOtherBytes({ bytes, index }: PackParts, random: Random): Uint8Array {
  const parsed = JSON.parse(index) as { sections: { offset: number; storedBytes: number; crc32c: number }[] };
  const place = random.int(parsed.sections.length);
  let at = 8;
  const parts = parsed.sections.map((entry, number) => {
    const stored = bytes.subarray(entry.offset - 8, entry.offset - 8 + entry.storedBytes);
    const part = number === place ? mutateBytes(stored, random) : stored;
    Object.assign(entry, { offset: at, storedBytes: part.length, crc32c: crc32c(part) });
    at += part.length;
    return part;
  });
  return forgePack(Buffer.concat(parts), Buffer.from(JSON.stringify(parsed)));
}

function withOtherIndex(parts: PackParts, random: Random, onlyEntry: boolean): Uint8Array {
  const tree = JSON.parse(parts.index) as { requires: Json; sections: Json[] };
  let changed: Json = tree;
  for (let change = random.int(3); change >= 0; change--) {
    if (!onlyEntry) changed = mutateJson(changed, random);
    else {
      const place = random.int(tree.sections.length);
      tree.sections[place] = mutateJson(tree.sections[place] as Json, random);
    }
  }
  return forgePack(parts.bytes, Buffer.from(JSON.stringify(changed)), { isCompressed: chance(random, 0.03) });
}

function hostile(parts: PackParts, random: Random): Uint8Array {
  const kind = random.int(100);
  if (kind < 45) return withOtherIndex(parts, random, false);
  if (kind < 60) return forgePack(parts.bytes, Buffer.from(mutateJsonText(parts.index, random)));
  if (kind < 75) return withOtherBytes(parts, random);
  if (kind < 85) {
    const isCompressed = chance(random, 0.2);
    return forgePack(parts.bytes, Buffer.from(parts.index), { isCompressed, change: changeTrailer(random) });
  }
  return kind < 95 ? mutateBytes(parts.pack, random) : randomBytesOf(random, 200);
}

/** What the columns that a section repeats decode to, as a restore does it. */
function needsOf(index: PackIndex, entry: SectionEntry, decoded: ReadonlyMap<SectionEntry, Uint8Array>): DecodeOptions {
  const column = nextOfColumn(entry, NAME);
  if (column === null || entry.content.kind !== "rows") return { objectName: NAME };
  const { log, from, to } = entry.content;
  const find = (name: string): Uint8Array => {
    const found = index.sections.find(
      ({ content }) =>
        content.kind === "rows" &&
        content.column === name &&
        content.log === log &&
        content.from === from &&
        content.to === to,
    );
    return decoded.get(found as SectionEntry) ?? new Uint8Array(0);
  };
  const env = find("env");
  const envs = new Uint16Array(env.buffer, env.byteOffset, env.length / 2);
  return { objectName: NAME, next: { observation: find(column), env: envs } };
}

function decodeAll(pack: Uint8Array, index: PackIndex): Map<SectionEntry, Uint8Array> {
  const decoded = new Map<SectionEntry, Uint8Array>();
  const isLast = (entry: SectionEntry): boolean => nextOfColumn(entry, NAME) !== null;
  const plain = index.sections.filter((entry) => !isLast(entry));
  for (const entry of [...plain, ...index.sections.filter(isLast)]) {
    const bytes = decodeSection(entry, sectionBytes(pack, entry), needsOf(index, entry, decoded));
    if (bytes.length !== entry.rawBytes) throw new Error(`${bytes.length} bytes decoded, declared ${entry.rawBytes}`);
    decoded.set(entry, bytes);
  }
  return decoded;
}

function indexText(pack: Uint8Array): unknown {
  const trailer = Buffer.from(pack.subarray(-40));
  const stored = pack.subarray(pack.length - 40 - trailer.readUInt32LE(0), pack.length - 40);
  const json = trailer.readUInt32LE(12) === 1 ? decompressZstd(stored, 2 ** 20) : stored;
  return JSON.parse(new TextDecoder().decode(json)) as unknown;
}

function judge(pack: Uint8Array, sections: readonly EncodedSection[]): { index: PackIndex; verdict: Verdict } {
  const index = readPackIndex(pack, NAME);
  if (!isPartOf(index, indexText(pack))) throw new Error("what was read is not what the index says");
  for (const [entry, bytes] of decodeAll(pack, index)) {
    const original = sections.find(({ bytes: stored, ...rest }) => {
      return isPartOf(rest, entry) && Buffer.compare(stored, sectionBytes(pack, entry)) === 0;
    });
    // What repeats the rows of others says what they say.
    const isOwn = nextOfColumn(entry, NAME) === null;
    const expected = original === undefined || !isOwn ? undefined : rawOf(original.content);
    if (expected !== undefined && Buffer.compare(expected, bytes) !== 0)
      throw new Error("other rows than were encoded");
  }
  return { index, verdict: "accepted" };
}

/** The same by way of ranges and of Node's pool of threads. */
async function judgeAsync(pack: Uint8Array, expected: PackIndex | null): Promise<Verdict> {
  const read = async (offset: number, length: number): Promise<Uint8Array> => pack.subarray(offset, offset + length);
  let index: PackIndex;
  try {
    index = await readPackIndexFrom(read, pack.length, NAME);
    for (const entry of index.sections) {
      if (nextOfColumn(entry, NAME) !== null) continue;
      await decodeSectionAsync(entry, sectionBytes(pack, entry), { objectName: NAME });
    }
  } catch (error) {
    if (expected !== null) throw error;
    return assertRefusal(error, refusal);
  }
  if (expected !== null && !isPartOf(index, expected)) throw new Error("two ways to read an index, two indexes");
  return "accepted";
}

function createTarget(name: string, sections: readonly EncodedSection[], make: typeof hostile): FuzzTarget {
  const parts = packOf(sections);
  return {
    name,
    mostAllocatedBytes: 1024 * 1024,
    attempt(random, input) {
      const pack = make(parts, random);
      input(Buffer.from(pack));
      const isAsync = random.int(16) === 0;
      try {
        const { index, verdict } = judge(pack, sections);
        return isAsync ? judgeAsync(pack, index) : verdict;
      } catch (error) {
        const verdict = assertRefusal(error, refusal);
        return isAsync ? judgeAsync(pack, null).then(() => verdict) : verdict;
      }
    },
  };
}

export const packTarget: FuzzTarget = createTarget("pack", allSections, hostile);

/** The pack is sound but for one section: its entry, or its bytes under a checksum that is right. */
function hostileSection(parts: PackParts, random: Random): Uint8Array {
  return chance(random, 0.6) ? withOtherBytes(parts, random) : withOtherIndex(parts, random, true);
}

export const sectionTargets: readonly FuzzTarget[] = Object.entries(sound).map(([codec, sections]) =>
  createTarget(`section, ${codec}`, sections, hostileSection),
);
