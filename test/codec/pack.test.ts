import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import type { EncodedSection } from "../../src/codec/contract.ts";
import { buildPack, PackLayout, packHeader, verifyPack } from "../../src/codec/pack.ts";
import { readPackIndex, readPackIndexFrom } from "../../src/codec/pack-index.ts";
import { decodeSection, encodeSection } from "../../src/codec/section.ts";
import { sectionBytes } from "../../src/codec/section-size.ts";
import { CorruptError } from "../../src/errors.ts";
import { bytesOf, rowsOf, sourceOf } from "./sections.ts";

const tensor = Float64Array.of(1.5, Number.NaN, -0, 4e-320);

function sections(): EncodedSection[] {
  const actions = bytesOf(Float32Array.from({ length: 200 }, (_, i) => Math.sin(i)));
  const flags = Uint8Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 1 : 0));
  return [
    encodeSection({ ...sourceOf(actions, "float32", [2], "shuffle"), content: rowsOf("action", 0, 100) }),
    encodeSection({ ...sourceOf(flags, "uint8", [], "none"), content: rowsOf("terminated", 0, 100) }),
    encodeSection({ ...sourceOf(new Uint8Array(0), "uint8", [], "none"), content: rowsOf("terminated", 100, 100) }),
    encodeSection({
      ...sourceOf(bytesOf(tensor), "float64", [], "shuffle"),
      content: { kind: "tensor", sha256: sha256Hex(bytesOf(tensor)) },
    }),
  ];
}

describe("a pack", () => {
  it("is named after its epoch and its SHA-256, and gives back every section", () => {
    const pack = buildPack(sections(), { epoch: 3 });
    expect(pack.name).toBe(`packs/00000003-${sha256Hex(pack.bytes)}.pack`);
    verifyPack(pack.bytes, pack.sha256);
    const index = readPackIndex(pack.bytes, pack.name);
    expect(index.sections).toEqual(pack.entries);
    expect(index.manifest).toBeUndefined();
    const last = index.sections.at(-1);
    if (last === undefined) throw new Error("no section");
    const decoded = decodeSection(last, sectionBytes(pack.bytes, last));
    expect(Buffer.compare(decoded, bytesOf(tensor))).toBe(0);
  });

  it("has the same bytes whenever it is built from the same sections", () => {
    const [first, second] = [buildPack(sections(), { epoch: 1 }), buildPack(sections(), { epoch: 1 })];
    expect(first.name).toBe(second.name);
  });

  it("may be empty", () => {
    const pack = buildPack([], { epoch: 1 });
    expect(readPackIndex(pack.bytes, pack.name)).toEqual({ sections: [] });
  });

  it("carries a manifest where it is to be a file of its own", () => {
    const manifest = { magic: "varve-manifest", state: { deep: [1, { $number: "NaN" }] } };
    const pack = buildPack(sections(), { epoch: 1, manifest });
    expect(readPackIndex(pack.bytes, pack.name).manifest).toEqual(manifest);
  });

  it("takes the memory of its sections where it is told to, but not what is only a part of one", () => {
    const noise = Uint32Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 0x9e3779b1) ^ (i << 7));
    const large = encodeSection(sourceOf(bytesOf(noise), "uint32", [], "none"));
    const pair = new Uint8Array(2 * large.bytes.length);
    const halves = [0, 1].map((half): EncodedSection => {
      const bytes = pair.subarray(half * large.bytes.length, (half + 1) * large.bytes.length);
      bytes.set(large.bytes);
      return { ...large, bytes, content: rowsOf("column", (half + 1) * 50_000, (half + 2) * 50_000) };
    });
    const all = [large, ...halves];
    const kept = buildPack(all, { epoch: 1 });
    expect(all.map(({ bytes }) => bytes.length)).toEqual(all.map(() => large.bytes.length));
    const taken = buildPack(all, { epoch: 1, takesMemory: true });
    expect(taken.name).toBe(kept.name);
    expect(large.bytes.length).toBe(0);
    expect(pair.length).toBeGreaterThan(100_000);
    // A pack of what is gone would be of zeros, under a hash that fits them.
    const twice = encodeSection(sourceOf(bytesOf(noise), "uint32", [], "none"));
    const tensors = [twice, twice].map((each) => ({
      ...each,
      content: { kind: "tensor", sha256: "0".repeat(64) } as const,
    }));
    expect(() => buildPack(tensors, { epoch: 1, takesMemory: true })).toThrow(/lost its memory/);
  });

  it("may hold equal tensors twice", () => {
    const last = sections().slice(-1);
    const pack = buildPack([...last, ...last], { epoch: 1 });
    expect(readPackIndex(pack.bytes, pack.name).sections).toHaveLength(2);
  });

  it("is not made where rows would lie in it twice: nobody could read it", () => {
    const flags = (from: number, to: number): EncodedSection =>
      encodeSection({
        ...sourceOf(new Uint8Array(to - from), "uint8", [], "none"),
        content: rowsOf("terminated", from, to),
      });
    expect(() => buildPack([flags(0, 10), flags(20, 30), flags(9, 12)], { epoch: 1 })).toThrow(
      /about to be written" is corrupt: .*terminated: rows 9 and on occur twice/,
    );
    expect(buildPack([flags(0, 10), flags(20, 30), flags(10, 20)], { epoch: 1 }).entries).toHaveLength(3);
  });

  it("written piece by piece is the same pack", () => {
    const layout = new PackLayout();
    const pieces = [packHeader()];
    for (const section of sections()) {
      layout.add(section);
      pieces.push(section.bytes);
    }
    pieces.push(layout.footer());
    expect(Buffer.compare(Buffer.concat(pieces), buildPack(sections(), { epoch: 1 }).bytes)).toBe(0);
  });

  it("is read in parts: the index in one request, in two where it is large", async () => {
    const few = buildPack(sections(), { epoch: 1 });
    const many = buildPack(
      Array.from({ length: 3000 }, (_, i) => {
        const raw = bytesOf(Uint32Array.of(i));
        return encodeSection({
          ...sourceOf(raw, "uint32", [], "none"),
          content: { kind: "tensor", sha256: sha256Hex(raw) },
        });
      }),
      { epoch: 1 },
    );
    for (const [pack, requests] of [
      [few, 1],
      [many, 2],
    ] as const) {
      const asked: [number, number][] = [];
      const read = (offset: number, length: number): Promise<Uint8Array> => {
        asked.push([offset, length]);
        return Promise.resolve(pack.bytes.slice(offset, offset + length));
      };
      const index = await readPackIndexFrom(read, pack.bytes.length, pack.name);
      expect(index.sections).toEqual(pack.entries);
      expect(asked).toHaveLength(requests);
    }
  });

  it("with any byte flipped is noticed, even without its SHA-256", () => {
    const pack = buildPack(sections(), { epoch: 1 });
    const readAll = (bytes: Uint8Array): void => {
      for (const entry of readPackIndex(bytes, pack.name).sections) {
        decodeSection(entry, sectionBytes(bytes, entry), { objectName: pack.name });
      }
    };
    readAll(pack.bytes);
    for (let i = 0; i < pack.bytes.length; i++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const damaged = Uint8Array.from(pack.bytes);
        damaged[i] = (damaged[i] as number) ^ mask;
        expect(() => readAll(damaged), `byte ${i}`).toThrow(CorruptError);
        expect(() => verifyPack(damaged, pack.sha256)).toThrow(CorruptError);
      }
    }
  });

  it("is checked against nothing but a whole SHA-256", () => {
    const { bytes, sha256 } = buildPack(sections(), { epoch: 1 });
    verifyPack(bytes, sha256);
    for (const wrong of [sha256.slice(1), `${sha256}0`, sha256.toUpperCase(), ""]) {
      expect(() => verifyPack(bytes, wrong), wrong).toThrow(
        expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument: "expectedSha256" }),
      );
    }
  });

  it("cut short or added to at either end is noticed", async () => {
    const { bytes, name } = buildPack(sections(), { epoch: 1 });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readPackIndex(bytes.subarray(0, length), name)).toThrow(CorruptError);
    }
    for (const longer of [Buffer.concat([bytes, Buffer.of(0)]), Buffer.concat([Buffer.of(0), bytes])]) {
      expect(() => readPackIndex(longer, name)).toThrow(CorruptError);
    }
    const short = (offset: number, length: number): Promise<Uint8Array> =>
      Promise.resolve(bytes.slice(offset, offset + length - 1));
    await expect(readPackIndexFrom(short, bytes.length, name)).rejects.toThrow(/expected \d+ bytes at/);
  });
});
