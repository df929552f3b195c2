import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import { compressZstd } from "../../src/base/zstd.ts";
import { CorruptError, FormatVersionError, isVarveError } from "../../src/errors.ts";
import type { Manifest } from "../../src/manifest/manifest.ts";
import { parseManifest, serializeManifest } from "../../src/manifest/serialize.ts";
import { buffer, manifestOf, sha } from "./manifests.ts";

const NAME = "checkpoints/00000002-000000000007.json";

/** Text with a right hash: what a hostile writer would make. */
function forge(body: string): Uint8Array {
  const bytes = Buffer.from(body, "utf8");
  return Buffer.concat([bytes, Buffer.from(`,"hash":"${sha256Hex(bytes)}"}`)]);
}

function bodyOf(manifest: unknown): string {
  return JSON.stringify(manifest).slice(0, -1);
}

describe("a manifest", () => {
  it("is read back as it was written", () => {
    const { bytes, hash } = serializeManifest(manifestOf());
    expect(parseManifest(bytes, NAME)).toEqual({ manifest: manifestOf(), hash });
  });

  it("ends in the SHA-256 of all bytes before", () => {
    const text = Buffer.from(serializeManifest(manifestOf()).bytes).toString("utf8");
    const at = text.lastIndexOf(',"hash":"');
    expect(JSON.parse(text).hash).toBe(sha256Hex(Buffer.from(text.slice(0, at))));
    expect(text.slice(at)).toMatch(/^,"hash":"[0-9a-f]{64}"}$/);
  });

  it("has the same bytes in whatever order its properties were set", () => {
    const shuffled = Object.fromEntries(Object.entries(manifestOf()).reverse()) as unknown as Manifest;
    expect(serializeManifest(shuffled).hash).toBe(serializeManifest(manifestOf()).hash);
  });

  it("may hold a large tensor in parts", () => {
    const inParts = manifestOf({ state: { weights: { $tensor: [0, 1] } } });
    expect(parseManifest(serializeManifest(inParts).bytes, NAME).manifest).toEqual(inParts);
  });

  it("may have a buffer without priorities", () => {
    const plain = manifestOf({ buffers: { default: { ...buffer, prioritized: null, priorityPages: [] } } });
    expect(parseManifest(serializeManifest(plain).bytes, NAME).manifest).toEqual(plain);
  });

  it("is compressed above 64 KiB only", () => {
    const large = manifestOf({ state: "x".repeat(70_000) });
    const { bytes, hash } = serializeManifest(large);
    expect([...bytes.subarray(0, 4)]).toEqual([0x28, 0xb5, 0x2f, 0xfd]);
    expect(parseManifest(bytes, NAME)).toEqual({ manifest: large, hash });
    expect(serializeManifest(manifestOf({ state: "x".repeat(60_000) })).bytes[0]).toBe(0x7b);
  });

  it("turns metrics that JSON cannot say into null", () => {
    const metrics = { a: Number.NaN, b: Number.POSITIVE_INFINITY, c: 1 };
    const { bytes } = serializeManifest(manifestOf({ metrics }));
    expect(parseManifest(bytes, NAME).manifest.metrics).toEqual({ a: null, b: null, c: 1 });
  });

  it("that a reader would refuse is not written", () => {
    expect(() => serializeManifest(manifestOf({ step: -1 }), NAME)).toThrow(CorruptError);
    expect(() =>
      serializeManifest(
        manifestOf({ packs: [], tensors: [], state: null, buffers: { default: { ...buffer, priorityPages: [] } } }),
        NAME,
      ),
    ).toThrow(/rows 100\.\.1100 are in no pack/);
  });

  it("with any byte flipped is noticed", () => {
    const { bytes } = serializeManifest(manifestOf());
    for (let i = 0; i < bytes.length; i++) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const damaged = Uint8Array.from(bytes);
        damaged[i] = (damaged[i] as number) ^ mask;
        expect(() => parseManifest(damaged, NAME), `byte ${i}`).toThrow(CorruptError);
      }
    }
  });

  it("compressed, with any byte flipped, is noticed or says the same", () => {
    const { bytes, hash } = serializeManifest(manifestOf({ state: "abc".repeat(30_000) }));
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Uint8Array.from(bytes);
      damaged[i] = (damaged[i] as number) ^ 0x10;
      try {
        expect(parseManifest(damaged, NAME).hash).toBe(hash);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptError);
      }
    }
  });

  it("cut short or added to is noticed", () => {
    const { bytes } = serializeManifest(manifestOf());
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => parseManifest(bytes.subarray(0, length), NAME)).toThrow(CorruptError);
    }
    expect(() => parseManifest(Buffer.concat([bytes, Buffer.from("\n")]), NAME)).toThrow(CorruptError);
  });
});

describe("a manifest of the future", () => {
  it("of another version is refused as such, whatever else it holds", () => {
    const body = '{"magic":"varve-manifest","version":2,"requires":[],"entirely":"different"';
    expect(() => parseManifest(forge(body), NAME)).toThrow(FormatVersionError);
  });

  it("that requires an unknown feature is refused as such", () => {
    const body = bodyOf(manifestOf({ requires: ["sharded"] }));
    expect(() => parseManifest(forge(body), NAME)).toThrow(/unknown feature "sharded"/);
    expect(() => serializeManifest(manifestOf({ requires: ["sharded"] }))).toThrow(FormatVersionError);
  });

  it("with more properties than are known is read", () => {
    const body = bodyOf({ ...manifestOf(), remark: "hello" });
    expect(parseManifest(forge(body), NAME).manifest).toEqual(manifestOf());
  });
});

describe("a hostile manifest (rule 11)", () => {
  const [first, second, third] = manifestOf().packs;
  if (first === undefined || second === undefined || third === undefined) throw new Error("three packs");
  const [tensor] = manifestOf().tensors;
  const [log] = buffer.logs;
  const good = bodyOf(manifestOf());
  const withLog = (changes: object): string =>
    bodyOf(manifestOf({ buffers: { default: { ...buffer, logs: [{ ...log, ...changes }] as never } } }));
  const withPack = (changes: object): string =>
    bodyOf(manifestOf({ packs: [{ ...first, ...changes }, second, third] }));
  const cases: Record<string, string> = {
    "another magic": good.replace("varve-manifest", "varve-mischief"),
    "a pack that walks": withPack({ name: "packs/../../etc/passwd" }),
    "an absolute pack": withPack({ name: `/packs/00000001-${sha("1")}.pack` }),
    "a pack in capitals": withPack({ name: `packs/00000001-${sha("A")}.pack` }),
    "the same pack twice": bodyOf(manifestOf({ packs: [first, second, second] })),
    "a negative length": withPack({ bytes: -1 }),
    "a length beyond 2^53": withPack({ bytes: 2 ** 60 }),
    "a length of 1e999": good.replace('"bytes":900', '"bytes":1e999'),
    "a fractional row": withPack({ covers: [{ log: "default/transitions", from: 0.5, to: 600 }] }),
    "rows covered backwards": withPack({ covers: [{ log: "default/transitions", from: 600, to: 0 }] }),
    "rows of an unknown log": withPack({ covers: [...first.covers, { log: "default/other", from: 0, to: 1 }] }),
    "a gap": withPack({ covers: [{ log: "default/transitions", from: 0, to: 599 }] }),
    "an overlap": withPack({ covers: [{ log: "default/transitions", from: 0, to: 601 }] }),
    "rows missing at the tail": withPack({ covers: [{ log: "default/transitions", from: 101, to: 600 }] }),
    "bounds that run backwards": withLog({ tail: 1100, head: 100 }),
    "a log that walks": withLog({ name: "../transitions" }),
    "a column twice": withLog({ columns: [...(log?.columns ?? []), ...(log?.columns ?? [])] }),
    "a log twice": bodyOf(manifestOf({ buffers: { default: { ...buffer, logs: [...buffer.logs, ...buffer.logs] } } })),
    "a tensor in no pack": bodyOf(manifestOf({ tensors: [{ ...tensor, pack: 3 } as never] })),
    "a negative section": bodyOf(manifestOf({ tensors: [{ ...tensor, section: -1 } as never] })),
    "a state with an unknown tensor": bodyOf(manifestOf({ state: [{ a: { $tensor: 2 } }] })),
    "a state with a tensor that is no number": bodyOf(manifestOf({ state: { $tensor: "0" } })),
    "a state with parts of a tensor that is not there": bodyOf(manifestOf({ state: { $tensor: [0, 2] } })),
    "a state with a tensor of no parts": bodyOf(manifestOf({ state: { $tensor: [] } })),
    "a priority page that is no tensor": bodyOf(
      manifestOf({ buffers: { default: { ...buffer, priorityPages: [2] } } }),
    ),
    "too many priority pages": bodyOf(manifestOf({ buffers: { default: { ...buffer, priorityPages: [1, 1] } } })),
    "priorities of a buffer that has none": bodyOf(
      manifestOf({ buffers: { default: { ...buffer, prioritized: null, priorityPages: [1] } } }),
    ),
    "a buffer named like a method": good.replace('"default":{', '"toString":{').replaceAll("default/", "toString/"),
    "a buffer that walks": good.replace('"default":{', '"../x":{'),
    "a parent that walks": bodyOf(manifestOf({ parent: { name: "checkpoints/../x", hash: sha("a") } })),
    "a parent that is newer": bodyOf(
      manifestOf({ parent: { name: "checkpoints/00000002-000000000008.json", hash: sha("a") } }),
    ),
    "itself as parent": bodyOf(manifestOf({ parent: { name: NAME, hash: sha("a") } })),
    "an epoch of 0": bodyOf(manifestOf({ epoch: 0 })),
    "a key twice": good.replace('"step":12', '"step":12,"step":13'),
    "the key __proto__": good.replace('"step":12', '"__proto__":{"step":12}'),
    "the key __proto__ in its state": good.replace('"$$odd"', '"__proto__"'),
    "a state nested too deep": good.replace('"$$odd":', `"$$odd":${"[".repeat(300)}${"]".repeat(300)},"x":`),
    "a date that is none": bodyOf(manifestOf({ createdAt: "yesterday" })),
    "no state at all": bodyOf({ ...manifestOf(), state: undefined }),
    "only a number": "1",
  };
  for (const [title, body] of Object.entries(cases)) {
    it(`with ${title} is refused, though its hash is right`, () => {
      expect(body).not.toBe(good);
      expect(() => parseManifest(forge(body), NAME)).toThrow(CorruptError);
    });
  }

  it("that would decompress to more than is allowed is stopped", () => {
    const bomb = compressZstd(new Uint8Array(200 * 1024 * 1024).fill(0x20), 1);
    const before = process.memoryUsage().rss;
    expect(() => parseManifest(bomb, NAME)).toThrow(CorruptError);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });

  it("is refused with an error of ours, or read, however its text is mangled (fuzz)", () => {
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom(...'{}[]",:0-9e.\\u_x$'.split(""))), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(edits, (changes) => {
        const chars = good.split("");
        for (const [at, char] of changes) chars[at] = char;
        try {
          parseManifest(forge(chars.join("")), NAME);
          return true;
        } catch (error) {
          return isVarveError(error, "VARVE_CORRUPT", "VARVE_FORMAT_VERSION");
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it("that is too large as it lies is refused before it is read", () => {
    expect(() => parseManifest(new Uint8Array(128 * 1024 * 1024 + 1), NAME)).toThrow(/it is too large/);
    expect(() => parseManifest(new Uint8Array(1024 * 1024), NAME)).toThrow(/it does not end in a hash/);
  });

  it("of any bytes at all is refused (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => parseManifest(bytes, NAME)).toThrow(CorruptError);
      }),
      { numRuns: 5000 },
    );
  });
});
