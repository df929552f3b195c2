import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c, sha256Hex } from "../../src/base/hash.ts";
import { compressZstd } from "../../src/base/zstd.ts";
import type { SectionEntry } from "../../src/codec/contract.ts";
import { decodeSection, decodeSectionAsync, encodeSection, nextOfColumn } from "../../src/codec/section.ts";
import { CorruptError, FormatVersionError, InvalidArgumentError } from "../../src/errors.ts";
import { bytesPerElement, type DType, dtypes } from "../../src/schema/dtype.ts";
import type { Filter } from "../../src/schema/log-layout.ts";
import { bytesOf, entryOf, roundTrip, sourceOf } from "./sections.ts";

const anyContent = fc.record({
  dtype: fc.constantFrom<DType>(...dtypes),
  rowShape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  rows: fc.integer({ min: 0, max: 40 }),
  filter: fc.constantFrom<Filter>("none", "shuffle"),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  isFlat: fc.boolean(),
  shared: fc.boolean(),
});

function memoryOf(length: number, shared: boolean): Uint8Array {
  return new Uint8Array(shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
}

describe("a section", () => {
  it("gives the memory between its codecs back when it is decoded, not when V8 thinks of it", () => {
    const raw = new Float32Array(2 ** 20).map((_, i) => i);
    const section = encodeSection(sourceOf(bytesOf(raw), "float32", [], "shuffle"));
    const into = new Uint8Array(raw.byteLength);
    const entry = entryOf(section);
    decodeSection(entry, section.bytes, { into });
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 8; i++) decodeSection(entry, section.bytes, { into });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(raw.byteLength);
    expect(Buffer.compare(into, bytesOf(raw))).toBe(0);
  });

  it("decodes to exactly what was encoded, for every dtype, shape and filter", async () => {
    await fc.assert(
      fc.asyncProperty(anyContent, async ({ dtype, rowShape, rows, filter, bytes, isFlat, shared }) => {
        const length = rows * rowShape.reduce((a, b) => a * b, bytesPerElement(dtype));
        const raw = memoryOf(length, shared);
        for (let i = 0; i < length; i++) raw[i] = isFlat ? 7 : ((bytes[i % bytes.length] as number) + i * i) & 255;
        const source = { ...sourceOf(raw, dtype, rowShape, filter), shape: [rows, ...rowShape] };
        const section = encodeSection(source);
        expect(section.bytes.length).toBeLessThanOrEqual(length);
        expect(section.bytes.buffer).not.toBe(raw.buffer);
        expect([...decodeSection(entryOf(section), section.bytes)]).toEqual([...raw]);
        expect([...(await decodeSectionAsync(entryOf(section), section.bytes))]).toEqual([...raw]);
        const into = memoryOf(length, !shared);
        expect(decodeSection(entryOf(section), section.bytes, { into })).toBe(into);
        expect([...into]).toEqual([...raw]);
      }),
      { numRuns: 500 },
    );
  });

  it("that is asked for in the wrong way, or is not what it declares, is refused before anything is decoded", () => {
    const raw = bytesOf(Float32Array.of(1, 2, 3));
    const section = encodeSection(sourceOf(raw, "float32", [], "none"));
    const entry = entryOf(section);
    expect(() => decodeSection({ ...entry, rawBytes: 11 }, section.bytes, { objectName: "packs/x" })).toThrow(
      expect.objectContaining({
        code: "VARVE_CORRUPT",
        objectName: "packs/x",
        message: expect.stringContaining("declares 11 bytes for a shape of 12"),
      }),
    );
    for (const length of [11, 13]) {
      expect(() => decodeSection(entry, section.bytes, { into: new Uint8Array(length) })).toThrow(
        expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument: "into" }),
      );
    }
  });

  it("keeps NaN payloads, signed zeros and subnormals bit for bit", () => {
    const words = Uint32Array.of(0x7fc00000, 0x7f800001, 0xffc12345, 0x80000000, 0, 1, 0x7f800000, 0xff800000);
    const raw = bytesOf(Uint32Array.from({ length: 4096 }, (_, i) => words[i % words.length] as number));
    expect(Buffer.compare(roundTrip(sourceOf(raw, "float32", [2], "shuffle")), raw)).toBe(0);
  });

  it("stores ids that count up in next to nothing, modulo 2^32", () => {
    const ids = Uint32Array.from({ length: 50_000 }, (_, i) => 0xffff_ff00 + i);
    const source = sourceOf(bytesOf(ids), "uint32", [50], "delta-shuffle");
    const section = encodeSection(source);
    expect(section.bytes.length).toBeLessThan(200);
    expect(section.codecs.map(({ name }) => name)).toEqual(["numcodecs.delta", "bytes", "numcodecs.shuffle", "zstd"]);
    expect(Buffer.compare(roundTrip(source), bytesOf(ids))).toBe(0);
  });

  it("decodes random ids, also into memory that is not aligned", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 32 - 1), { maxLength: 60 }), fc.integer({ min: 0, max: 7 }), (ids, at) => {
        const raw = bytesOf(Uint32Array.from([...ids, ...Array.from({ length: 40 }, (_, i) => i)]));
        const into = new Uint8Array(new ArrayBuffer(raw.length + 8), at, raw.length);
        expect([...roundTrip(sourceOf(raw, "uint32", [], "delta-shuffle"), { into })]).toEqual([...raw]);
      }),
    );
  });

  it("is stored as it is where compressing does not pay", () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) ^ (i * i * 31));
    const { codecs, bytes } = encodeSection(sourceOf(noise, "uint8", [], "none"));
    expect(codecs).toEqual([{ name: "bytes", configuration: { endian: "little" } }]);
    expect(Buffer.compare(bytes, noise)).toBe(0);
  });

  it("lists its codecs as Zarr v3 does", () => {
    expect(encodeSection(sourceOf(new Uint8Array(4000), "float32", [], "shuffle")).codecs).toEqual([
      { name: "bytes", configuration: { endian: "little" } },
      { name: "numcodecs.shuffle", configuration: { elementsize: 4 } },
      { name: "zstd", configuration: { level: 1, checksum: false } },
    ]);
  });

  it("refuses raw bytes that do not fit its shape", () => {
    const source = sourceOf(new Uint8Array(16), "float32", [2], "shuffle");
    expect(() => encodeSection({ ...source, shape: [3, 2] })).toThrow(InvalidArgumentError);
    expect(() => encodeSection({ ...source, shape: [-2, 2] })).toThrow(InvalidArgumentError);
    expect(() => encodeSection({ ...source, dtype: "float64", filter: "delta-shuffle", shape: [2] })).toThrow(/uint32/);
  });
});

/** An entry as a hostile writer would make it: consistent with itself, checksum included. */
function forged(entry: SectionEntry, bytes: Uint8Array, changes: Partial<SectionEntry>): [SectionEntry, Uint8Array] {
  return [{ ...entry, crc32c: crc32c(bytes), storedBytes: bytes.length, ...changes }, bytes];
}

describe("a damaged or hostile section (rule 11)", () => {
  const raw = Uint8Array.from({ length: 400 }, (_, i) => i & 3);
  const section = encodeSection(sourceOf(raw, "float32", [], "shuffle"));
  const entry = entryOf(section);

  it("is noticed at every flipped byte, sync and async, naming the pack and the rows", async () => {
    for (let i = 0; i < section.bytes.length; i++) {
      const damaged = Uint8Array.from(section.bytes);
      damaged[i] = (damaged[i] as number) ^ 0x40;
      const decode = (): Uint8Array => decodeSection(entry, damaged, { objectName: "packs/x.pack" });
      expect(decode).toThrow(/"packs\/x\.pack" is corrupt: default\/transitions column rows 0\.\.100: .*CRC-32C/);
    }
    const cut = section.bytes.subarray(1);
    await expect(decodeSectionAsync(entry, cut)).rejects.toBeInstanceOf(CorruptError);
  });

  it("of a tensor is refused where it decodes to another than the one that was hashed before", async () => {
    const values = bytesOf(Float64Array.from({ length: 500 }, (_, i) => Math.sqrt(i)));
    const source = sourceOf(values, "float64", [], "shuffle");
    const tensor = (sha256: string) => encodeSection({ ...source, content: { kind: "tensor", sha256 } });
    const right = tensor(sha256Hex(values));
    expect(decodeSection(entryOf(right), right.bytes)).toEqual(values);
    const other = tensor("ab".repeat(32));
    const refusal = {
      code: "VARVE_CORRUPT",
      message: expect.stringMatching(/tensor abab.*expected SHA-256 abab.*got/),
    };
    expect(() => decodeSection(entryOf(other), other.bytes, { objectName: "it" })).toThrow(
      expect.objectContaining(refusal),
    );
    await expect(decodeSectionAsync(entryOf(other), other.bytes)).rejects.toMatchObject(refusal);
  });

  it("that decodes to more than it declares is stopped, without the memory it asks for", async () => {
    const bomb = compressZstd(new Uint8Array(256 * 1024 * 1024), 1);
    const before = process.memoryUsage().rss;
    const [lie, bytes] = forged(entry, bomb, {});
    expect(() => decodeSection(lie, bytes)).toThrow(CorruptError);
    await expect(decodeSectionAsync(lie, bytes)).rejects.toThrow(CorruptError);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  it("that decodes to less than it declares is refused", () => {
    const [lie, bytes] = forged(entry, compressZstd(raw.subarray(4), 1), {});
    expect(() => decodeSection(lie, bytes)).toThrow(/expected 400 bytes decoded, got 396/);
    expect(() => decodeSection(...forged(entry, compressZstd(new Uint8Array(0), 1), {}))).toThrow(CorruptError);
  });

  it("with codecs that do not fit together is refused", () => {
    const bytes = { name: "bytes", configuration: { endian: "little" } };
    const zstd = { name: "zstd", configuration: {} };
    const shuffleBy = (elementsize: unknown) => ({ name: "numcodecs.shuffle", configuration: { elementsize } });
    const lists = [
      [zstd, bytes],
      [bytes, bytes],
      [bytes, zstd, zstd],
      [bytes, shuffleBy(3)],
      [bytes, shuffleBy(8)],
      [{ name: "bytes", configuration: { endian: "big" } }],
      [{ name: "numcodecs.delta", configuration: { dtype: "<u4" } }, bytes],
      [{ name: "varve.next-of", configuration: { observation: "o", env: "env", exceptions: -1 } }],
      [{ name: "varve.next-of", configuration: { observation: "o", env: "env", exceptions: 101, elementsize: 4 } }],
    ];
    for (const codecs of lists) {
      expect(() => decodeSection({ ...entry, codecs }, section.bytes), JSON.stringify(codecs)).toThrow(CorruptError);
    }
  });

  it("with a codec of the future is refused as too new", () => {
    const codecs = [...entry.codecs, { name: "varve.tomorrow", configuration: {} }];
    expect(() => decodeSection({ ...entry, codecs }, section.bytes)).toThrow(FormatVersionError);
    expect(() => nextOfColumn({ ...entry, codecs })).toThrow(FormatVersionError);
  });
});
