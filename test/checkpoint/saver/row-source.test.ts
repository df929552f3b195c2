import { describe, expect, it } from "vitest";
import type { ReadRows, SaverCall } from "../../../src/checkpoint/messages.ts";
import { loadPack } from "../../../src/checkpoint/saver/pack-reader.ts";
import { Recent } from "../../../src/checkpoint/saver/recent.ts";
import { RowSource } from "../../../src/checkpoint/saver/row-source.ts";
import { CorruptError, InvalidArgumentError } from "../../../src/index.ts";
import type { Manifest } from "../../../src/manifest/manifest.ts";
import { readManifest } from "../../../src/manifest/read-history.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { addWindows, namesIn, open, windowBuffer } from "../support.ts";

const signal = new AbortController().signal;
type RowsCall = Extract<SaverCall, { method: "rows" }>;

/** A checkpoint of windows, its manifest changed before anything is read of it. */
async function sourceOf(change: (manifest: Manifest) => Manifest = (manifest) => manifest) {
  const store = createMemoryStore();
  const checkpointer = await open({ store });
  const buffer = windowBuffer();
  addWindows(buffer, 100);
  await checkpointer.save({ step: 1, buffer, state: Float32Array.of(1, 2) }).committed;
  const [name = ""] = await namesIn(store, "checkpoints/");
  const stored = await readManifest(store, name);
  if (stored === null) throw new Error("there is a manifest");
  const manifest = change(stored.manifest);
  let loads = 0;
  const source = new RowSource({
    manifest: async () => manifest,
    pack: (ref) => {
      loads += 1;
      return loadPack(store, ref, signal);
    },
  });
  const call: RowsCall = {
    ...{ method: "rows", manifest: name, buffer: "default", log: 0, from: 0, to: 64, asWindows: true },
    maxBytes: 1e6,
  };
  const read = (changed: Partial<RowsCall> = {}): Promise<ReadRows> => source.rows({ ...call, ...changed }, signal);
  return { source, read, name, loads: () => loads };
}

describe("rows of a checkpoint", () => {
  it("end where the rows that were decoded together do, and read each pack once", async () => {
    const { read, loads } = await sourceOf();
    let rows = 0;
    while (rows < 64) {
      const { from, to } = await read({ from: rows });
      expect([from, to > rows]).toEqual([rows, true]);
      rows = to;
    }
    const packs = loads();
    expect(rows).toBe(64);
    for (let from = 0; from < 64; from++) expect((await read({ from, maxBytes: 1 })).to).toBe(from + 1);
    expect(loads()).toBe(packs);
  });

  it("are copies: whoever changes them changes nothing that is read later", async () => {
    const { read } = await sourceOf();
    const before = await read({ asWindows: false });
    const copy = before.columns.map(({ bytes }) => bytes.slice());
    for (const { bytes } of before.columns) bytes.fill(9);
    expect((await read({ asWindows: false })).columns.map(({ bytes }) => bytes)).toEqual(copy);
  });

  it("are refused where they are not held", async () => {
    const { read, source, name } = await sourceOf();
    await expect(read({ buffer: "other" })).rejects.toThrow("one of the checkpoint's buffers (default)");
    await expect(read({ buffer: "toString" })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(read({ log: 3 })).rejects.toThrow("one of 3 logs");
    await expect(read({ from: 64 })).rejects.toThrow("a row that is held");
    await expect(read({ from: -1 })).rejects.toThrow("a row that is held");
    const tensor = { method: "tensor", manifest: name, index: 0 } as const;
    expect(new Float32Array(await source.tensor(tensor, signal))).toEqual(Float32Array.of(1, 2));
    await expect(source.tensor({ ...tensor, index: 5 }, signal)).rejects.toThrow("the number of a tensor");
  });

  it("are corrupt where they name frames or slices that are not held, or a layout that is not that of the fields", async () => {
    const withBuffer = (change: (buffer: Manifest["buffers"][string]) => object) => (manifest: Manifest) => {
      const buffer = manifest.buffers["default"] as Manifest["buffers"][string];
      return { ...manifest, buffers: { default: { ...buffer, ...change(buffer) } } } as Manifest;
    };
    const shorten = (index: number, rows: number) =>
      withBuffer(({ logs }) => ({
        logs: logs.map((log, i) => (i === index ? { ...log, head: log.tail + rows } : log)),
      }));
    const cases = [1, 2].flatMap((log) => [true, false].map((asWindows) => ({ log, asWindows })));
    for (const { log, asWindows } of cases) {
      const { read } = await sourceOf(shorten(log, 3));
      const all = async (): Promise<void> => {
        for (let from = 0; from < 64; ) from = (await read({ from, asWindows })).to;
      };
      await expect(all()).rejects.toThrow("is named and not held");
    }
    const otherFields = withBuffer(() => ({ fields: { observation: { dtype: "int8", shape: [] }, action: 1 } }));
    await expect((await sourceOf(otherFields)).read()).rejects.toBeInstanceOf(CorruptError);
  });

  it("are corrupt where a pack lacks what the manifest places in it", async () => {
    const { read } = await sourceOf((manifest) => ({
      ...manifest,
      // Each pack is said to hold the rows of the other.
      packs: manifest.packs.map((pack, index) => ({
        ...pack,
        covers: manifest.packs[manifest.packs.length - 1 - index]?.covers ?? [],
      })),
    }));
    await expect(read()).rejects.toThrow("which the manifest places in it, is missing");
  });
});

describe("what was used lately", () => {
  it("is kept up to a size in all, the newest whatever its size", () => {
    const recent = new Recent<number>(10);
    recent.set("a", 1, 4);
    recent.set("b", 2, 4);
    expect(recent.get("a")).toBe(1);
    recent.set("c", 3, 4);
    expect([recent.get("a"), recent.get("b"), recent.get("c")]).toEqual([1, undefined, 3]);
    recent.set("a", 4, 2);
    expect([recent.get("a"), recent.get("c")]).toEqual([4, 3]);
    recent.set("large", 5, 100);
    expect([recent.get("a"), recent.get("large")]).toEqual([undefined, 5]);
    recent.clear();
    expect(recent.get("large")).toBeUndefined();
  });
});
