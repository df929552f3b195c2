import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeState } from "../../src/checkpoint/state-tree.ts";
import { readConfigFile } from "../../src/cli/config-file.ts";
import { readPackIndex } from "../../src/codec/pack-index.ts";
import { createRandom, ReplayBuffer } from "../../src/index.ts";
import { openStore } from "../../src/store/open-store.ts";
import { diffConfig } from "../../src/trainer/config.ts";
import { readCsvPrices } from "../../src/trainer/market/csv-prices.ts";
import { assertStateFits } from "../../src/trainer/state-check.ts";
import { addInline, inlineBuffer, temporaryFolder } from "../checkpoint/support.ts";
import { forgePack, packOf, sound } from "./targets/forge-pack.ts";

describe("what fuzzing found stays mended:", () => {
  it("a number of the state that is named like a method of every object", () => {
    for (const name of ["toString", "hasOwnProperty", "__proto__", "constructor"]) {
      expect(() => decodeState({ $number: name }, []), name).toThrow("a tree written by Varve");
    }
  });

  it("a secret in a URL that is refused, with a slash in it, or in a URL of another kind", async () => {
    const secret = "hunter2/SEC+RET";
    for (const url of [
      `s3://key:${secret}@bucket/prefix`,
      `file://user:${secret}@host/run`,
      `memory://user:${secret}@name`,
      `http://user:${secret}@host\0`,
      `s3://bucket/prefix?${secret}`,
    ]) {
      const error = await openStore(url).then(
        () => new Error("opened"),
        (refusal: Error) => refusal,
      );
      expect(error, url).toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
      expect(`${error.message} ${String((error.cause as Error | undefined)?.message)}`).not.toMatch(/hunter2|SEC/);
    }
  });

  it("a setting that is given twice, and one that is no setting at all", async () => {
    const path = join(await temporaryFolder(), "varve.config.json");
    for (const text of ['{"seed": 1, "seed": 2}', '{"__proto__": {"seed": 2}}', "[".repeat(100_000)]) {
      writeFileSync(path, text);
      expect(() => readConfigFile(path), text.slice(0, 40)).toThrow(`The configuration file ${path} is not JSON`);
    }
  });

  it("a price that an adjustment makes infinite", async () => {
    const path = join(await temporaryFolder(), "prices.csv");
    writeFileSync(path, "date,open,high,low,close,adjclose\n2020-01-02,1,1,1,1e-320,1e300\n");
    expect(() => readCsvPrices([path])).toThrow(/prices\.csv line 2: `open`, scaled by adjusted \/ close/);
  });

  it("the state of a generator that is none", () => {
    for (const generator of [[], [1, 2, 3], [1, 2, 3, 0.5], [1, 2, 3, 2 ** 40]]) {
      expect(() => createRandom(1).setState({ generator, spareNormal: null })).toThrow("that of a generator");
    }
  });

  it("a section that declares more than its bytes could decode to", () => {
    const { bytes, index } = packOf(sound.none);
    const tree = JSON.parse(index) as { sections: { shape: number[]; rawBytes: number; content: { to: number } }[] };
    const rows = 2 ** 30;
    Object.assign(tree.sections[0] as object, { shape: [rows], rawBytes: rows });
    (tree.sections[0] as { content: { to: number } }).content.to = rows;
    const pack = forgePack(bytes, Buffer.from(JSON.stringify(tree)));
    expect(() => readPackIndex(pack, "packs/a")).toThrow(/bytes cannot decode to 1073741824/);
  });

  it("a section that repeats a column whose name is no text", () => {
    const { bytes, index } = packOf(sound["next-of"]);
    for (const name of ["{}", "[]", "1", "null", '["observation"]']) {
      const hostile = index.replace('"observation":"observation"', `"observation":${name}`);
      expect(hostile).not.toBe(index);
      expect(() => readPackIndex(forgePack(bytes, Buffer.from(hostile)), "packs/a"), name).toThrow(
        "what it repeats is not in this pack",
      );
    }
  });

  it("a trainer's state that does not fit, and one with a bigint where a setting was", () => {
    const pattern = { generation: 1, actor: new Float32Array(3), mind: null };
    const check = (state: object) => () => assertStateFits(state, pattern, {});
    expect(check({ ...pattern, actor: new Float32Array(4) })).toThrow("actor has 4 values, expected 3");
    expect(check({ ...pattern, actor: new Float64Array(3) })).toThrow("actor is Float64Array, expected Float32Array");
    expect(check({ ...pattern, mind: {} })).toThrow("mind is object, expected null");
    expect(check({ ...pattern, generation: { toString: 1 } })).toThrow("generation is no count");
    expect(check({ generation: 1 })).toThrow("actor is missing");
    expect(diffConfig({ seed: 5n }, { seed: 5 })).toEqual(['seed: "5n" in the checkpoint, 5 now']);
  });

  describe("a file of a buffer", () => {
    async function forgedFile(change: (tree: Record<string, never>) => void): Promise<string> {
      const buffer = inlineBuffer();
      addInline(buffer, 40);
      const path = join(await temporaryFolder(), "buffer.pack");
      await buffer.save(path);
      const file = readFileSync(path);
      const index = readPackIndex(file, "sound");
      const end = index.sections.reduce((sum, { storedBytes }) => sum + storedBytes, 8);
      const tree = JSON.parse(JSON.stringify({ requires: [], ...index })) as Record<string, never>;
      change(tree);
      writeFileSync(path, forgePack(file.subarray(8, end), Buffer.from(JSON.stringify(tree))));
      return path;
    }
    // oxlint-disable-next-line no-explicit-any -- a tree of any form
    const bufferOf = (tree: any) => tree.manifest.buffers.default;

    it("whose fields are none is corrupt, and is named", async () => {
      const path = await forgedFile((tree) => (bufferOf(tree).fields.action.shape = { a: 1 }));
      await expect(ReplayBuffer.load(path)).rejects.toMatchObject({ code: "VARVE_CORRUPT", objectName: "buffer.pack" });
    });

    it("that lacks rows is refused before memory is taken for them", async () => {
      const path = await forgedFile((tree) => {
        const buffer = bufferOf(tree);
        Object.assign(buffer, { capacity: 2 ** 30 });
        buffer.logs[0].head = 2 ** 30;
        // oxlint-disable-next-line no-explicit-any -- a tree of any form
        (tree as any).manifest.packs[0].covers[0].to = 2 ** 30;
      });
      await expect(ReplayBuffer.load(path)).rejects.toThrow(/rows 40 to 1073741824 of transitions.* are missing/);
    });

    it.skipIf(process.platform !== "linux")("that is refused is closed", async () => {
      const path = await forgedFile((tree) => (bufferOf(tree).logs[0].head = -1));
      const before = readdirSync("/proc/self/fd").length;
      for (let round = 0; round < 5; round++) {
        await expect(ReplayBuffer.load(path)).rejects.toMatchObject({ code: "VARVE_CORRUPT" });
      }
      expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 5);
    });
  });

  it("checksums of the forger are right, or it would test nothing", () => {
    const { bytes, index, pack } = packOf(sound.none);
    const forged = forgePack(bytes, Buffer.from(index));
    expect(readPackIndex(forged, "packs/a")).toEqual(readPackIndex(pack, "packs/a"));
  });
});
