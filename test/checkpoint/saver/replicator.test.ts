import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Backlog } from "../../../src/checkpoint/saver/backlog.ts";
import { Replicator } from "../../../src/checkpoint/saver/replicator.ts";
import { frozen, type Store } from "../../../src/index.ts";
import { writerName } from "../../../src/manifest/names.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { TransferQueue } from "../../../src/transfer/transfer-queue.ts";
import { namesIn, observedStore, open, temporaryFolder } from "../support.ts";

const MEBIBYTE = 1024 * 1024;

/** Bytes that no codec makes smaller, in shared memory, so that `save()` copies nothing. */
function noise(bytes: number, seed: number): Uint8Array {
  const values = new Uint8Array(new SharedArrayBuffer(bytes));
  let block = createHash("sha512").update(String(seed)).digest();
  for (let at = 0; at < bytes; at += 64) {
    block = createHash("sha512").update(block).digest();
    values.set(block.subarray(0, Math.min(64, bytes - at)), at);
  }
  return values;
}

/** What `get` has handed out, to see what becomes of its memory. */
function keepingWhatIsRead(inner: Store): { readonly store: Store; readonly read: Uint8Array[] } {
  const read: Uint8Array[] = [];
  const store: Store = {
    ...{ url: inner.url, traits: inner.traits, location: inner.location },
    put: (name, bytes, options) => inner.put(name, bytes, options),
    head: (name, options) => inner.head(name, options),
    list: (prefix, options) => inner.list(prefix, options),
    delete: (name, options) => inner.delete(name, options),
    get: async (name, options) => {
      const bytes = await inner.get(name, options);
      if (bytes !== null && name.startsWith("packs/")) read.push(bytes);
      return bytes;
    },
  };
  return { store, read };
}

describe("packs on their way from the local tier to the store", () => {
  it("go four at a time where each has 10 MB", { timeout: 60_000 }, async () => {
    const { store, faulty } = observedStore();
    const checkpointer = await open({ store, local: await temporaryFolder() });
    await checkpointer.save({ step: 1, state: 1 }).committed;
    const stalledBefore = faulty.faults.injected.stall;
    faulty.faults.add({ kind: "stall", method: "put", name: /^packs/, times: Number.POSITIVE_INFINITY });
    const state = Array.from({ length: 6 }, (_, seed) => frozen(noise(10 * MEBIBYTE, seed)));
    const save = checkpointer.save({ step: 2, state });
    await save.durable;
    while (faulty.faults.injected.stall - stalledBefore < 4) await new Promise((wake) => setTimeout(wake, 5));
    // Shown a little later: the saver's thread publishes it several times a second.
    while (checkpointer.status().upload.running < 4) await new Promise((wake) => setTimeout(wake, 5));
    faulty.faults.release();
    await save.committed;
  });

  it("give their memory back when the store has them", async () => {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    const state = Array.from({ length: 3 }, (_, seed) => frozen(noise(9 * MEBIBYTE, seed)));
    await checkpointer.save({ step: 1, state }).committed;
    const { store: first, read } = keepingWhatIsRead(await openStore(folder));
    const second = createMemoryStore();
    const [name] = await namesIn(first, "checkpoints/");
    const replicator = new Replicator({
      ...{ first, second, bareSecond: second, backlog: new Backlog(), onProgress: () => undefined },
      queue: new TransferQueue({ maxQueuedBytes: 40 * MEBIBYTE }),
    });
    await replicator.send(name as string, 1, AbortSignal.timeout(60_000));

    expect(await namesIn(second, "packs/")).toEqual(await namesIn(first, "packs/"));
    expect(read.length).toBeGreaterThanOrEqual(3);
    expect(read.map(({ byteLength }) => byteLength)).toEqual(read.map(() => 0));
  });

  it.each(["created", "unread"] as const)("are read here only where the store could not: %s", async (outcome) => {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    await checkpointer.save({ step: 1, state: [frozen(noise(MEBIBYTE, 1))] }).committed;
    const { store: first, read } = keepingWhatIsRead(await openStore(folder));
    const asked: unknown[] = [];
    const second = Object.assign(createMemoryStore(), {
      copyFrom: async (...args: Parameters<NonNullable<Store["copyFrom"]>>) => {
        asked.push(...args.slice(0, 2));
        return outcome;
      },
    });
    const [name] = await namesIn(first, "checkpoints/");
    const [pack] = await namesIn(first, "packs/");
    const replicator = new Replicator({
      ...{ first, second, bareSecond: second, backlog: new Backlog(), onProgress: () => undefined },
      queue: new TransferQueue({ maxQueuedBytes: MEBIBYTE }),
    });
    await replicator.send(name as string, 1, AbortSignal.timeout(60_000));

    expect(asked).toEqual([first.location, pack]);
    expect(read).toHaveLength(outcome === "created" ? 0 : 1);
    expect(await namesIn(second, "packs/")).toEqual(outcome === "created" ? [] : [pack]);
  });
});

describe("a checkpoint whose packs are gone from both tiers", () => {
  it.each([
    ["replaced", 2, "VARVE_FENCED"],
    ["corrupt", 1, "VARVE_CORRUPT"],
  ])("is told as %s where the newest epoch is %i", async (_, newest, code) => {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    await checkpointer.save({ step: 1, state: Float32Array.of(1) }).committed;
    const first = await openStore(folder);
    for (const pack of await namesIn(first, "packs/")) await first.delete(pack);
    const second = createMemoryStore();
    for (let epoch = 1; epoch <= newest; epoch++) await second.put(writerName(epoch), new Uint8Array(1));
    const [name] = await namesIn(first, "checkpoints/");
    const replicator = new Replicator({
      ...{ first, second, bareSecond: second, backlog: new Backlog(), onProgress: () => undefined },
      queue: new TransferQueue({}),
    });
    const sent = replicator.send(name as string, 1, AbortSignal.timeout(60_000));
    await expect(sent).rejects.toMatchObject({ code });
  });
});
