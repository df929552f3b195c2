import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "../../src/base/hash.ts";
import { compressZstd } from "../../src/base/zstd.ts";
import { buildPack } from "../../src/codec/pack.ts";
import { readPackIndex } from "../../src/codec/pack-index.ts";
import { decodeSection, encodeSection } from "../../src/codec/section.ts";
import { sectionBytes } from "../../src/codec/section-size.ts";
import { FormatVersionError, isVarveError } from "../../src/errors.ts";
import { bytesOf, rowsOf, sourceOf } from "./sections.ts";

const raw = bytesOf(Float32Array.from({ length: 20 }, (_, i) => i));
const section = encodeSection({ ...sourceOf(raw, "float32", [], "shuffle"), content: rowsOf("action", 0, 20) });
const [entry] = buildPack([section], { epoch: 1 }).entries;
if (entry === undefined) throw new Error("no entry");

interface Trailer {
  readonly indexBytes?: number;
  readonly indexRawBytes?: number;
  readonly encoding?: number;
  readonly packBytes?: number;
  readonly major?: number;
}

/** A pack around any index, with every checksum right: what a hostile writer would make. */
function forge(index: string | Uint8Array, trailer: Trailer = {}): Uint8Array {
  const stored = typeof index === "string" ? Buffer.from(index) : index;
  const head = Buffer.concat([Buffer.from("VARVPACK"), section.bytes, stored]);
  const tail = Buffer.alloc(40);
  tail.writeUInt32LE(trailer.indexBytes ?? stored.length, 0);
  tail.writeUInt32LE(trailer.indexRawBytes ?? stored.length, 4);
  tail.writeUInt32LE(crc32c(stored), 8);
  tail.writeUInt32LE(trailer.encoding ?? 0, 12);
  tail.writeBigUInt64LE(BigInt(trailer.packBytes ?? head.length + 40), 16);
  tail.writeUInt16LE(trailer.major ?? 1, 24);
  tail.writeUInt32LE(crc32c(tail.subarray(0, 28)), 28);
  tail.write("VARVEEND", 32);
  return Buffer.concat([head, tail]);
}

function indexOf(sections: readonly unknown[], more: object = {}): string {
  return JSON.stringify({ requires: [], sections, ...more });
}

const good = indexOf([entry]);

function readAll(bytes: Uint8Array): void {
  for (const found of readPackIndex(bytes, "packs/hostile.pack").sections) {
    decodeSection(found, sectionBytes(bytes, found));
  }
}

const rejected = expect.objectContaining({ code: "VARVE_CORRUPT", objectName: "packs/hostile.pack" });

function rejection(index: string | Uint8Array, trailer?: Trailer): unknown {
  try {
    readAll(forge(index, trailer));
  } catch (error) {
    return error;
  }
  return "accepted";
}

describe("a hostile pack index (rule 11)", () => {
  it("is made by this test with all checksums right", () => {
    expect(rejection(good)).toBe("accepted");
    const compressed = compressZstd(Buffer.from(good), 1);
    expect(rejection(compressed, { encoding: 1, indexRawBytes: good.length })).toBe("accepted");
  });

  const bad = (changes: object): string => indexOf([{ ...entry, ...changes }]);
  const empty = { ...entry, content: rowsOf("b", 0, 0), shape: [0], rawBytes: 0, storedBytes: 0, crc32c: 0 };
  const end = 8 + section.bytes.length;
  const cases: Record<string, string> = {
    "an offset before the header": bad({ offset: 0 }),
    "an offset beyond the end": bad({ offset: 2 ** 40 }),
    "a negative offset": bad({ offset: -8 }),
    "a fractional offset": bad({ offset: 8.5 }),
    "an offset of 1e999": good.replace('"offset":8', '"offset":1e999'),
    "a length beyond the end": bad({ storedBytes: 10 ** 6 }),
    "a length that leaves a gap": bad({ storedBytes: section.bytes.length - 1 }),
    "sections that overlap": indexOf([entry, { ...entry, content: rowsOf("b", 0, 20) }]),
    "sections in the wrong order": indexOf([{ ...empty, offset: end }, entry]),
    "no sections for the bytes there are": indexOf([]),
    "the same rows twice": indexOf([entry, { ...empty, offset: end, content: rowsOf("action", 5, 5) }, entry]),
    "overlapping rows": indexOf([
      entry,
      { ...empty, offset: end, content: rowsOf("action", 19, 19), shape: [0] },
      { ...empty, offset: end, content: rowsOf("action", 19, 24), shape: [5, 0] },
    ]),
    "a next-of section without its sources": bad({
      codecs: [
        { name: "varve.next-of", configuration: { observation: "o", env: "env", exceptions: 0, elementsize: 4 } },
      ],
    }),
    "a next-of section that repeats itself": bad({
      codecs: [
        { name: "varve.next-of", configuration: { observation: "action", env: "env", exceptions: 0, elementsize: 4 } },
      ],
    }),
    "rows that run backwards": bad({ content: rowsOf("action", 20, 0) }),
    "a shape with another number of rows": bad({ shape: [10, 2] }),
    "a shape of another size": bad({ shape: [20, 2] }),
    "a huge shape": bad({ shape: [20, 2 ** 31, 2 ** 31], rawBytes: 80 }),
    "a huge raw length": bad({ rawBytes: 2 ** 40 }),
    "an unknown dtype": bad({ dtype: "float16" }),
    "a dtype from the prototype": bad({ dtype: "constructor" }),
    "no codecs": bad({ codecs: [] }),
    "codecs that are not codecs": bad({ codecs: [1] }),
    "a log that walks": bad({ content: rowsOf("action", 0, 20, "../../etc") }),
    "a column that walks": bad({ content: rowsOf("../action", 0, 20) }),
    "a tensor with two axes": bad({ content: { kind: "tensor", sha256: "0".repeat(64) }, shape: [10, 2] }),
    "a tensor without a hash": bad({ content: { kind: "tensor", sha256: "abc" } }),
    "an unknown kind of content": bad({ content: { kind: "row" } }),
    "the key __proto__": good.replace('"requires"', '"__proto__":{"sections":[]},"requires"'),
    "the key __proto__ with an escape": good.replace('"requires"', '"\\u005f_proto__":{},"requires"'),
    "a key twice": good.replace('"offset":8', '"offset":8,"offset":8'),
    "a key twice, once escaped": good.replace('"offset":8', '"offset":8,"\\u006fffset":8'),
    "a null": "null",
    "an array": "[]",
    nothing: "",
    "text after the end": `${good}x`,
    "deep nesting": `${'{"a":'.repeat(300)}1${"}".repeat(300)}`,
    "deep nesting without an end": "[".repeat(5_000_000),
    "a string without an end": '{"requires":"',
  };
  for (const [title, index] of Object.entries(cases)) {
    it(`with ${title} is refused`, () => {
      expect(rejection(index)).toEqual(rejected);
    });
  }

  it("with an unknown feature or another major version is refused as too new", () => {
    expect(rejection(indexOf([entry], { requires: ["tomorrow"] }))).toBeInstanceOf(FormatVersionError);
    expect(rejection(good, { major: 2 })).toBeInstanceOf(FormatVersionError);
  });

  it("that is not UTF-8 is refused", () => {
    expect(rejection(Buffer.from(good.replace("action", "acti\xff"), "latin1"))).toEqual(rejected);
  });

  it("with lengths in the trailer that lie is refused before anything is allocated", () => {
    expect(rejection(good, { indexBytes: 2 ** 32 - 1 })).toEqual(rejected);
    expect(rejection(good, { indexRawBytes: 2 ** 32 - 1, encoding: 1 })).toEqual(rejected);
    const longest = good.length + section.bytes.length;
    for (const indexBytes of [longest + 1, longest + 1000]) {
      const error = rejection(good, { indexBytes, indexRawBytes: indexBytes });
      expect(error).toMatchObject({ code: "VARVE_CORRUPT", message: expect.stringMatching(/its index does not fit/) });
    }
    expect(rejection(good, { indexRawBytes: good.length - 1 })).toEqual(rejected);
    expect(rejection(good, { encoding: 2 })).toEqual(rejected);
    expect(rejection(good, { packBytes: 1 })).toEqual(rejected);
    const bomb = compressZstd(new Uint8Array(64 * 1024 * 1024).fill(0x20), 1);
    expect(rejection(bomb, { encoding: 1, indexRawBytes: 1000 })).toEqual(rejected);
  });
});

describe("any bytes at all", () => {
  it("are read as a pack, or refused with an error of ours (fuzz)", () => {
    const base = forge(good);
    const edits = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const refused = (bytes: Uint8Array): boolean => {
      try {
        readAll(bytes);
        return false;
      } catch (error) {
        if (!isVarveError(error, "VARVE_CORRUPT", "VARVE_FORMAT_VERSION")) throw error;
        return true;
      }
    };
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = Buffer.from(base);
        for (const [at, value] of changes) bytes[at] = value;
        return refused(bytes) || bytes.equals(base);
      }),
      { numRuns: 20_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => refused(bytes)),
      { numRuns: 5_000 },
    );
  });

  it("are refused or read alike when an index of sound checksums is mangled (fuzz)", () => {
    const text = fc.array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom(...'{}[]",:0-9e.\\u_xa'.split(""))), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(text, (changes) => {
        const chars = good.split("");
        for (const [at, char] of changes) chars[at] = char;
        const outcome = rejection(chars.join(""));
        return outcome === "accepted" || isVarveError(outcome, "VARVE_CORRUPT", "VARVE_FORMAT_VERSION");
      }),
      { numRuns: 20_000 },
    );
  });
});
