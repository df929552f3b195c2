import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckpointContents, Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { addInline, addWindows, inlineBuffer, open, temporaryFolder, windowBuffer } from "./support.ts";

const STATE = {
  generation: 7,
  score: Number.NEGATIVE_INFINITY,
  seed: 12n,
  name: "best \u001b[31m so far",
  history: Array.from({ length: 1000 }, (_, i) => i / 2),
  population: [{ actor: new Float32Array(300).fill(1) }, { actor: new Float32Array(300).fill(2) }],
  $own: { "a key": [] },
};

/** Everything that a checkpoint's parts add up to. */
function sumOf({ buffers, state, manifestBytes, otherBytes }: CheckpointContents): number {
  const ofBuffers = Object.values(buffers).flatMap(({ logs, priorities }) => [
    ...logs.flatMap(({ columns }) => columns.map((column) => column.storedBytes)),
    priorities?.storedBytes ?? 0,
  ]);
  return ofBuffers.reduce((sum, bytes) => sum + bytes, 0) + (state?.storedBytes ?? 0) + manifestBytes + otherBytes;
}

describe("what is in a checkpoint", () => {
  it("tells fields, bounds, bytes by column, and the tree of the state", async () => {
    const run = await open({ store: createMemoryStore() });
    const buffer = windowBuffer({ prioritized: {} });
    addWindows(buffer, 40);
    await run.save({ step: 3, buffer, state: STATE, metrics: { fitness: 1.5 } }).committed;
    const [info] = await run.list();
    const contents = (await run.describe()) as CheckpointContents;
    expect(contents).toMatchObject({ ...info, step: 3, problems: [], skipped: [] });
    const saved = contents.buffers["default"];
    expect(saved).toMatchObject({ capacity: 64, size: 40, fields: buffer.fields });
    expect(saved?.logs.map(({ name, tail, head }) => [name, tail, head])).toEqual([
      ["transitions", 0, 40],
      // Window n shows frames n, n + 1 and n + 2, and the last next one goes one further.
      ["frames/observation", 0, 43],
      // One slice is enough for each of them.
      ["slices/observation", 0, 80],
    ]);
    const columns = Object.fromEntries(saved?.logs[0]?.columns.map((column) => [column.name, column]) ?? []);
    expect(columns["reward"]).toMatchObject({ dtype: "float32", shape: [], rawBytes: 160 });
    expect(columns["slices.observation"]).toMatchObject({ dtype: "uint32", shape: [], rawBytes: 160 });
    // The rows of the last block are too few to be worth a filter.
    expect(columns["reward"]?.codecs).toEqual(["bytes", "bytes, numcodecs.shuffle, zstd"]);
    expect(saved?.logs[1]?.columns).toMatchObject([{ name: "frame", shape: [2], rawBytes: 43 * 8 }]);
    expect(saved?.logs[2]?.columns.map(({ name, rawBytes }) => [name, rawBytes])).toEqual([
      ["start", 320],
      ["count", 160],
      ["step", 160],
    ]);
    expect(saved?.priorities).toMatchObject({ alpha: 0.6, beta: 0.4 });
    expect(saved?.priorities?.rawBytes).toBeGreaterThanOrEqual(40 * 8);
    expect(contents.state?.tensors).toMatchObject([
      { path: "population[0].actor", dtype: "float32", length: 300 },
      { path: "population[1].actor", dtype: "float32", length: 300 },
    ]);
    expect(contents.state).toMatchObject({ rawBytes: 2400, codecs: ["bytes, numcodecs.shuffle, zstd"] });
    expect(Object.fromEntries(contents.state?.values.map(({ path, text }) => [path, text]) ?? [])).toEqual({
      generation: "7",
      score: "-Infinity",
      seed: "12n",
      name: JSON.stringify(STATE.name),
      history: "[0, 0.5, 1, 1.5, … 1000 items]",
      '$own["a key"]': "[]",
    });
    expect(sumOf(contents)).toBe(info?.storedBytes);
    expect(contents.otherBytes).toBeGreaterThan(0);
  });

  it("counts only rows that the checkpoint holds, and shares of packs with its parents", async () => {
    const run = await open({ store: createMemoryStore() });
    const buffer = inlineBuffer({ capacity: 64 });
    for (let step = 1; step <= 6; step++) {
      addInline(buffer, 32);
      await run.save({ step, buffer }).committed;
    }
    const [first, last] = [await run.describe({ step: 1 }), await run.describe({ sequence: 6 })];
    const rewards = (contents: CheckpointContents | null) =>
      contents?.buffers["default"]?.logs[0]?.columns.find(({ name }) => name === "reward")?.rawBytes;
    expect(rewards(first)).toBe(32 * 4);
    expect(last?.buffers["default"]?.logs[0]).toMatchObject({ tail: 128, head: 192 });
    expect(rewards(last)).toBe(64 * 4);
    expect(sumOf(last as CheckpointContents)).toBe(last?.storedBytes);
  });

  it("reads the ends of packs, and nothing else of them", async () => {
    const inner = createMemoryStore();
    const writer = await open({ store: inner });
    const state = Float64Array.from({ length: 200_000 }, (_, i) => Math.sin(i));
    await writer.save({ step: 1, state }).committed;
    await writer.close();
    let packBytes = 0;
    const store: Store = {
      ...{ url: inner.url, traits: inner.traits },
      put: (name, bytes, options) => inner.put(name, bytes, options),
      head: (name, options) => inner.head(name, options),
      list: (prefix, options) => inner.list(prefix, options),
      delete: (name, options) => inner.delete(name, options),
      get: async (name, options) => {
        const bytes = await inner.get(name, options);
        if (name.startsWith("packs/")) packBytes += bytes?.length ?? 0;
        return bytes;
      },
    };
    const reader = await open({ store, readOnly: true });
    const contents = await reader.describe();
    expect(contents?.state?.storedBytes).toBeGreaterThan(1_000_000);
    expect(packBytes).toBeGreaterThan(0);
    expect(packBytes).toBeLessThanOrEqual(65_536 * (contents?.packs ?? 0));
  });

  it.each(["missing", "cut"])("names a pack that is %s, and tells the rest", async (damage) => {
    const store = await temporaryFolder();
    const writer = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 40);
    await writer.save({ step: 1, buffer, state: new Float32Array(10).fill(3) }).committed;
    await writer.close();
    const packs = (await readdir(join(store, "packs"))).sort();
    for (const pack of packs) {
      if (damage === "missing") await rm(join(store, "packs", pack));
      else await truncate(join(store, "packs", pack), 50);
    }
    const reader = await open({ store, readOnly: true });
    const contents = await reader.describe();
    expect(contents?.problems.map(({ object }) => object)).toEqual(packs.map((pack) => `packs/${pack}`));
    expect(contents?.buffers["default"]).toMatchObject({ size: 40 });
    expect(contents?.state?.tensors).toMatchObject([{ path: "", length: 10 }]);
    expect(contents?.otherBytes).toBe(0);
  });

  it("lists no more of a state than a person could read", async () => {
    const run = await open({ store: createMemoryStore() });
    const many = Object.fromEntries(Array.from({ length: 12_000 }, (_, i) => [`key${i}`, { text: "x".repeat(1000) }]));
    await run.save({ step: 1, state: many }).committed;
    const state = (await run.describe())?.state;
    expect([state?.values.length, state?.omitted]).toEqual([10_000, 2_000]);
    expect(Math.max(...(state?.values.map(({ text }) => text.length) ?? []))).toBe(200);
  });

  it("of an empty run is null; what is not there, or cannot be asked for, is an error", async () => {
    const run = await open({ store: createMemoryStore() });
    expect(await run.describe()).toBeNull();
    await run.save({ step: 1, state: null }).committed;
    expect(await run.describe()).toMatchObject({ step: 1, buffers: {}, state: null });
    await expect(run.describe({ step: 2 })).rejects.toMatchObject({ code: "VARVE_CHECKPOINT_NOT_FOUND" });
    await expect(run.describe({ step: -1 })).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    await expect(run.describe({ stpe: 1 } as never)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
  });
});
