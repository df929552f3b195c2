import { describe, expect, it } from "vitest";
import { isInMemory, loadPack, loadPackIndex } from "../../../src/checkpoint/saver/pack-reader.ts";
import { storePack } from "../../../src/checkpoint/saver/pack-writer.ts";
import { Tiers } from "../../../src/checkpoint/saver/tiers.ts";
import { buildPack } from "../../../src/codec/pack.ts";
import { encodeSection } from "../../../src/codec/section.ts";
import { CorruptError, type Store, StoreError } from "../../../src/index.ts";
import type { PackRef } from "../../../src/manifest/manifest.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { withFaults } from "../../../src/testing/fault-store.ts";
import { bytesOf, sourceOf } from "../../codec/sections.ts";
import { recordingStore } from "../../manifest/recording-store.ts";

const section = encodeSection(sourceOf(bytesOf(Float32Array.of(1, 2, 3)), "float32", [], "none"));
const { name, bytes } = buildPack([section], { epoch: 1 });
const ref: PackRef = { name, bytes: bytes.length, covers: [] };

async function storeWith(content: Uint8Array | null): Promise<Store> {
  const store = createMemoryStore();
  if (content !== null) await store.put(name, content);
  return store;
}

const damaged = bytes.with(20, (bytes[20] as number) ^ 1);

describe("reading a pack", () => {
  it("gives its index and its sections, whole or by ranges", async () => {
    const store = await storeWith(bytes);
    const pack = await loadPack(store, ref);
    const [entry] = pack.index.sections;
    if (entry === undefined) throw new Error("no section");
    expect(await pack.stored(entry)).toEqual(section.bytes);
    expect(await loadPackIndex(store, ref)).toEqual(pack.index);
    const { bytes: _, ...elsewhere } = pack;
    expect([isInMemory(pack), isInMemory(elsewhere)]).toEqual([true, false]);
  });

  it("refuses what is missing, of another length or content, or has a name that says nothing of it", async () => {
    await expect(loadPack(await storeWith(null), ref)).rejects.toThrow("it is missing");
    await expect(loadPackIndex(await storeWith(null), ref)).rejects.toThrow("it is missing");
    const short = await storeWith(bytes.subarray(1));
    await expect(loadPack(short, ref)).rejects.toThrow(`it has ${bytes.length - 1} bytes, the manifest says`);
    await expect(loadPack(await storeWith(damaged), ref)).rejects.toBeInstanceOf(CorruptError);
    const store = createMemoryStore();
    await store.put("packs/other", bytes);
    await expect(loadPack(store, { ...ref, name: "packs/other" })).rejects.toThrow("its name holds no hash");
  });
});

describe("reading from two tiers", () => {
  it.each([null, damaged])("takes from the second what the first has not, or damaged", async (content) => {
    const tiers = new Tiers(await storeWith(content), await storeWith(bytes));
    expect((await tiers.pack(ref)).index.sections).toHaveLength(1);
    expect((await tiers.packIndex(ref)).sections).toHaveLength(1);
    expect(await tiers.manifest("checkpoints/00000001-000000000001.json", {})).toBeNull();
  });

  it("takes it from the first where that has it, and tells what none has", async () => {
    const [whole, empty] = [await storeWith(bytes), await storeWith(null)];
    expect((await new Tiers(whole, empty).pack(ref)).name).toBe(name);
    await expect(new Tiers(empty, empty).pack(ref)).rejects.toThrow("it is missing");
    await expect(new Tiers(empty, null).packIndex(ref)).rejects.toThrow("it is missing");
  });

  it("fails where the first cannot be asked: that says nothing about the pack", async () => {
    const away = withFaults(await storeWith(null), [{ kind: "reject", method: "get" }]);
    await expect(new Tiers(away, await storeWith(bytes)).pack(ref)).rejects.toBeInstanceOf(StoreError);
  });
});

it("a pack that a newer writer prunes while it is written again is no pack of other bytes", async () => {
  const store = recordingStore(await storeWith(bytes));
  store.before("get", name, () => store.delete(name));
  expect(await storePack(store, name, bytes, {})).toBe("created");
  expect(await store.get(name)).toEqual(bytes);
});
