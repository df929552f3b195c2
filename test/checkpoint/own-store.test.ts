import { markAsUntransferable } from "node:worker_threads";
import { expect, it } from "vitest";
import type { ObjectInfo, Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { addInline, inlineBuffer, open } from "./support.ts";

/** As a user may write it: what `get` resolves to is what lies in the map. */
function mapStore(): Store {
  const objects = new Map<string, Uint8Array>();
  const info = (name: string): ObjectInfo => ({
    name,
    sizeBytes: objects.get(name)?.length ?? 0,
    modifiedAtMs: Date.now(),
  });
  return {
    url: "own://map",
    traits: { conditionalCreate: true, stronglyConsistent: true },
    async put(name, bytes, { ifAbsent } = {}) {
      if (ifAbsent && objects.has(name)) return false;
      objects.set(name, bytes);
      return true;
    },
    async get(name, { range } = {}) {
      const bytes = objects.get(name) ?? null;
      return range === undefined || bytes === null ? bytes : bytes.subarray(range.offset, range.offset + range.length);
    },
    async head(name) {
      return objects.has(name) ? info(name) : null;
    },
    async *list(prefix) {
      for (const name of [...objects.keys()].filter((each) => each.startsWith(prefix)).sort()) yield info(name);
    },
    async delete(name) {
      objects.delete(name);
    },
  };
}

it("restores twice from a store that answers with what it keeps", async () => {
  const store = mapStore();
  const writer = await open({ store });
  const buffer = inlineBuffer();
  addInline(buffer, 30);
  await writer.save({ step: 1, buffer, state: { a: new Float64Array(100).fill(3) } }).committed;
  await writer.close();
  for (const turn of [1, 2]) {
    const reader = await open({ store, readOnly: true });
    const copy = inlineBuffer();
    expect([turn, (await reader.restore({ buffer: copy }))?.step]).toEqual([turn, 1]);
    await reader.close();
  }
});

it("ends a request whose answer lies in memory that cannot be handed over", async () => {
  const inner = createMemoryStore();
  const writer = await open({ store: inner });
  await writer.save({ step: 1, state: { a: new Float64Array(10) } }).committed;
  await writer.close();
  const store: Store = {
    url: "own://wasm",
    traits: inner.traits,
    put: (...args) => inner.put(...args),
    head: (...args) => inner.head(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
    get: async (name, options) => {
      const bytes = await inner.get(name, options);
      if (bytes === null || !name.startsWith("packs/")) return bytes;
      const kept = bytes.slice();
      markAsUntransferable(kept.buffer);
      return kept;
    },
  };
  const reader = await open({ store, readOnly: true });
  const result = await Promise.race([
    reader.restore({}).then(
      () => "restored",
      (error: Error) => error.message,
    ),
    new Promise((resolve) => setTimeout(resolve, 3000, "hangs")),
  ]);
  expect(result).toBe("restored");
});
