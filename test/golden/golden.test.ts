import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SectionEntry } from "../../src/codec/contract.ts";
import { verifyPack } from "../../src/codec/pack.ts";
import { type PackIndex, readPackIndex } from "../../src/codec/pack-index.ts";
import { sectionBytes } from "../../src/codec/section-size.ts";
import { decodeSection, nextOfColumn } from "../../src/codec/section.ts";
import type { Manifest } from "../../src/manifest/manifest.ts";
import { checkpointName, parsePackName } from "../../src/manifest/names.ts";
import { parseRunFile } from "../../src/manifest/run-file.ts";
import { parseManifest } from "../../src/manifest/serialize.ts";
import { buildGoldenRun } from "./golden-run.ts";

const folder = join(import.meta.dirname, "v1");
const golden = buildGoldenRun();
const facts = JSON.parse(read("expected.json").toString("utf8")) as { zstd: string; expected: unknown };

function read(name: string): Buffer {
  return readFileSync(join(folder, name));
}

function filesUnder(name: string): string[] {
  return readdirSync(join(folder, name), { recursive: true, encoding: "utf8" }).map((file) => `${name}/${file}`);
}

/** Every section of a pack, decoded. */
function decodePack(bytes: Uint8Array, { sections }: PackIndex): string[] {
  const decode = (entry: SectionEntry): Uint8Array => {
    const observation = nextOfColumn(entry);
    const sibling = (column: string): Uint8Array => {
      const { content } = entry;
      const found = sections.find(
        (other) =>
          other.content.kind === "rows" &&
          content.kind === "rows" &&
          other.content.column === column &&
          other.content.from === content.from &&
          other.content.log === content.log,
      );
      if (found === undefined) throw new Error(`no column ${column}`);
      return decode(found);
    };
    const next =
      observation === null
        ? undefined
        : { observation: sibling(observation), env: new Uint16Array(sibling("env").buffer) };
    return decodeSection(entry, sectionBytes(bytes, entry), { next });
  };
  return sections.map((entry) => Buffer.from(decode(entry)).toString("hex"));
}

/** Without what depends on the version of zstd. */
function withoutPackNames(manifest: Manifest): unknown {
  const { parent, packs, tensors, ...rest } = manifest;
  return {
    ...rest,
    parent: parent?.name,
    packs: packs.map(({ covers }) => covers),
    tensors: tensors.map(({ storedBytes: _storedBytes, ...tensor }) => tensor),
  };
}

describe("the golden run of format 1", () => {
  it("has its packs read, and gives the values that it was made of", () => {
    const stored = new Map(filesUnder("packs").map((name) => [name, read(name)]));
    expect(stored.size).toBe(golden.packs.length);
    const decodedStored = [...stored].map(([name, bytes]) => {
      verifyPack(bytes, parsePackName(name)?.sha256 ?? "");
      return decodePack(bytes, readPackIndex(bytes, name));
    });
    const rebuilt = golden.packs.map(({ bytes, name }) => decodePack(bytes, readPackIndex(bytes, name)));
    expect(decodedStored.map(String).sort()).toEqual(rebuilt.map(String).sort());
  });

  it("has its manifests read, and says what was put into them", () => {
    for (const manifest of golden.manifests) {
      const name = checkpointName(manifest);
      const stored = parseManifest(read(name), name).manifest;
      expect(withoutPackNames(stored)).toEqual(withoutPackNames(manifest));
      for (const pack of stored.packs) expect(existsSync(join(folder, pack.name)), pack.name).toBe(true);
    }
  });

  it("has its run file read", () => {
    expect(parseRunFile(read("varve.json")).run).toBe("golden");
  });

  it("gives the same arrays to any reader", () => {
    expect(facts.expected).toEqual(golden.expected);
  });

  it("is rebuilt byte for byte where zstd is the same version", () => {
    if (process.versions["zstd"] !== facts.zstd) return;
    for (const [name, bytes] of golden.objects) expect(read(name).equals(bytes), name).toBe(true);
  });
});
