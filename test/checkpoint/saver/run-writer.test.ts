import { describe, expect, it } from "vitest";
import type { WriterIdentity } from "../../../src/checkpoint/messages.ts";
import { RunWriter } from "../../../src/checkpoint/saver/run-writer.ts";
import { Tiers } from "../../../src/checkpoint/saver/tiers.ts";
import { CorruptError, FencedError, ReadOnlyError, RunMismatchError, StoreError } from "../../../src/errors.ts";
import type { Store } from "../../../src/index.ts";
import { ensureRunFile, readRunFile } from "../../../src/manifest/run-file.ts";
import { claimEpoch, findNewestEpoch } from "../../../src/manifest/writers.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { type Fault, withFaults } from "../../../src/testing/fault-store.ts";
import { nameOf } from "../../manifest/manifests.ts";

const clock = { now: () => 1_000_000, monotonicMs: () => 0 };
const NOTHING = new Uint8Array(0);
const CONTENT = {
  ...{ sequence: 1, step: 4, metrics: {}, logicalBytes: 0, packs: [], buffers: {}, tensors: [], state: null },
};

let ids = 0;
const newId = (): string => `id-${++ids}`;

interface Settings {
  readonly local?: Store;
  readonly readOnly?: boolean;
  readonly resumed?: WriterIdentity;
}

function writerOn(store: Store, { local, readOnly = false, resumed }: Settings = {}) {
  const tiers = local === undefined ? new Tiers(store, null) : new Tiers(local, store);
  const told: WriterIdentity[] = [];
  const writer = new RunWriter({
    ...{ tiers, looking: tiers, clock, newId, readOnly, resumed: resumed ?? null },
    onChange: (identity) => told.push(identity),
  });
  return { writer, told };
}

async function runIn(store: Store, run: string): Promise<void> {
  await ensureRunFile(store, { clock, newId, run });
}

const claimIn = (store: Store): Promise<number> => claimEpoch(store, { run: "run-1", clock, newId });

const away: Fault = { kind: "reject", times: Number.POSITIVE_INFINITY };

describe("a look at a run", () => {
  it("is refused where the two tiers are of different runs, and only there", async () => {
    const [store, local] = [createMemoryStore(), createMemoryStore()];
    await runIn(store, "run-1");
    expect(await writerOn(store, { local }).writer.look()).toEqual({ lastSequence: 0, checkpointCount: 0 });
    await runIn(local, "run-2");
    const refusal = writerOn(store, { local }).writer.look();
    await expect(refusal).rejects.toBeInstanceOf(RunMismatchError);
    await expect(refusal).rejects.toThrow("holds run run-2, the store it is used with holds run run-1");
  });

  it("before a restore counts once something is restored, and never takes back what was seen", async () => {
    const store = createMemoryStore();
    await runIn(store, "run-1");
    await store.put(nameOf(1, 3), NOTHING);
    const { writer, told } = writerOn(store);
    const seen = (): unknown => told.at(-1)?.newestSeen;
    await writer.lookBeforeRestore();
    expect(seen()).toMatchObject({ epoch: 0, sequence: 0 });
    writer.descendFrom({ name: nameOf(1, 3), hash: "0".repeat(64) });
    expect(seen()).toMatchObject({ epoch: 1, sequence: 3 });
    writer.descendFrom({ name: nameOf(1, 3), hash: "0".repeat(64) });
    expect(seen()).toMatchObject({ epoch: 1, sequence: 3 });
  });

  it("of who only reads passes a damaged run file over, and no store that is away", async () => {
    const store = withFaults(createMemoryStore());
    await store.put("varve.json", new TextEncoder().encode("{"));
    await store.put(nameOf(1, 3), NOTHING);
    const { writer } = writerOn(store, { readOnly: true });
    await expect(writer.look()).rejects.toBeInstanceOf(CorruptError);
    expect(await writer.look(undefined, true)).toEqual({ lastSequence: 3, checkpointCount: 1 });
    store.faults.add({ ...away, method: "get" });
    await expect(writer.look(undefined, true)).rejects.toBeInstanceOf(StoreError);
  });

  it("finds a run file that is missing before training does, and lets a reader read on", async () => {
    const store = createMemoryStore();
    await store.put(nameOf(1, 3), NOTHING);
    const refusal = writerOn(store).writer.look();
    await expect(refusal).rejects.toBeInstanceOf(CorruptError);
    await expect(refusal).rejects.toThrow(`it is missing, though there is ${nameOf(1, 3)}`);
    const reader = writerOn(store, { readOnly: true });
    expect(await reader.writer.look()).toEqual({ lastSequence: 3, checkpointCount: 1 });
    expect(reader.told.at(-1)).toMatchObject({ newestSeen: { epoch: 1, sequence: 3 }, lastSequence: 3 });
  });
});

describe("a claim (rule 8)", () => {
  it("is not made in a run that is another one than when it was looked at", async () => {
    const [store, local] = [createMemoryStore(), createMemoryStore()];
    await runIn(store, "run-1");
    const { writer } = writerOn(store, { local });
    await writer.look();
    await store.delete("varve.json");
    await runIn(store, "run-2");
    const refusal = writer.claim();
    await expect(refusal).rejects.toBeInstanceOf(RunMismatchError);
    await expect(refusal).rejects.toThrow("says run run-2, it was run run-1 when it was opened");
    expect([await findNewestEpoch(store), await readRunFile(local)]).toEqual([0, null]);
  });

  it("is made once, names the run, and is refused to a reader", async () => {
    const store = createMemoryStore();
    await runIn(store, "run-1");
    const { writer } = writerOn(store);
    expect([writer.hasClaimed, writer.epoch]).toEqual([false, null]);
    expect([await writer.claim(), await writer.claim()]).toEqual([1, 1]);
    expect(await writer.prepare(CONTENT)).toMatchObject({ run: "run-1", epoch: 1, parent: null, step: 4 });
    await expect(writerOn(store, { readOnly: true }).writer.claim()).rejects.toBeInstanceOf(ReadOnlyError);
    expect(await findNewestEpoch(store)).toBe(1);
  });

  it("is over for a writer that was fenced, however that became known", async () => {
    const store = createMemoryStore();
    const told = writerOn(store).writer;
    const error = new FencedError(1, 2);
    told.fence(error);
    await expect(told.claim()).rejects.toBe(error);
    await told.sayGoodbye([store]);
    expect(await findNewestEpoch(store)).toBe(0);

    const { writer } = writerOn(store);
    const manifest = await writer.prepare(CONTENT);
    expect(await claimIn(store)).toBe(2);
    const fenced = await writer.commit(manifest).catch((caught: unknown) => caught);
    expect(fenced).toMatchObject({ code: "VARVE_FENCED", ownEpoch: 1, newestEpoch: 2 });
    await expect(writer.claim()).rejects.toBe(fenced);
  });

  it("is not over for a save that failed of something else: the same manifest may be committed again", async () => {
    const store = withFaults(createMemoryStore());
    const { writer } = writerOn(store);
    const manifest = await writer.prepare(CONTENT);
    store.faults.add({ ...away, method: "put" });
    await expect(writer.commit(manifest)).rejects.toMatchObject({ code: "VARVE_STORE" });
    store.faults.release();
    const { name } = await writer.commit(manifest);
    expect(name).toBe(nameOf(1, 1));
    expect(writer.parent?.name).toBe(name);
  });

  it("is refused where another writer went on since this one looked, before it would fence that one", async () => {
    const store = createMemoryStore();
    await runIn(store, "run-1");
    const { writer } = writerOn(store);
    await writer.look();
    await store.put(nameOf(3, 7), NOTHING);
    const refusal = await writer.claim().catch((caught: unknown) => caught);
    expect(refusal).toMatchObject({ code: "VARVE_FENCED", ownEpoch: 0, newestEpoch: 3 });
    expect((refusal as Error).message).toContain("it made checkpoint 7 after this one had restored");
    expect(await Array.fromAsync(store.list("writers/"))).toEqual([]);
    await expect(writer.claim()).rejects.toBe(refusal);
  });

  it("is tried again after a failure, which says what it needs the store for only where there is a tier before it", async () => {
    for (const local of [undefined, createMemoryStore()]) {
      const store = withFaults(createMemoryStore());
      const { writer } = writerOn(store, local === undefined ? {} : { local });
      store.faults.add(away);
      const failure = (await writer.claim().catch((caught: unknown) => caught)) as StoreError;
      expect(failure).toMatchObject({ code: "VARVE_STORE", kind: "network" });
      expect(failure.message.includes("gives the epoch that this process needs")).toBe(local !== undefined);
      store.faults.release();
      expect(await writer.claim()).toBe(1);
    }
  });

  it("hands on what is no error of the store's as it is", async () => {
    const store = withFaults(createMemoryStore());
    const error = new TypeError("a bug of the store's");
    store.faults.add({ ...away, error: () => error });
    await expect(writerOn(store, { local: createMemoryStore() }).writer.claim()).rejects.toBe(error);
  });

  it("is mirrored in the local tier, unless the store has lost it again", async () => {
    for (const isLost of [false, true]) {
      const [inner, local] = [createMemoryStore(), createMemoryStore()];
      const get: Store["get"] = (name, options) =>
        isLost && name.startsWith("writers/") ? Promise.resolve(null) : inner.get(name, options);
      const store: Store = {
        ...{ url: inner.url, traits: inner.traits, get, put: inner.put.bind(inner), head: inner.head.bind(inner) },
        ...{ list: inner.list.bind(inner), delete: inner.delete.bind(inner) },
      };
      expect(await writerOn(store, { local }).writer.claim()).toBe(1);
      expect(await findNewestEpoch(local)).toBe(isLost ? 0 : 1);
    }
  });
});

describe("a writer in the place of one that crashed", () => {
  const resumed: WriterIdentity = {
    ...{ run: "run-1", epoch: 4, parent: { name: nameOf(4, 9), hash: "a".repeat(64) } },
    ...{ newestSeen: { epoch: 4, sequence: 9 }, lastSequence: 9 },
  };

  it("goes on under the same number, also while the store is away", async () => {
    const [store, local] = [withFaults(createMemoryStore()), createMemoryStore()];
    await runIn(local, "run-1");
    store.faults.add(away);
    const { writer } = writerOn(store, { local, resumed });
    expect([writer.hasClaimed, writer.epoch, writer.parent]).toEqual([true, 4, resumed.parent]);
    const manifest = await writer.prepare({ ...CONTENT, sequence: 10 });
    expect(manifest).toMatchObject({ run: "run-1", epoch: 4, parent: resumed.parent });
    expect(store.faults.calls).toEqual({ put: 0, get: 0, head: 0, list: 0, delete: 0 });
  });

  it("makes the run file of a local tier that lost it, and claims no other number", async () => {
    const [store, local] = [createMemoryStore(), createMemoryStore()];
    await runIn(store, "run-1");
    const { writer } = writerOn(store, { local, resumed });
    expect(await writer.prepare({ ...CONTENT, sequence: 10 })).toMatchObject({ run: "run-1", epoch: 4 });
    expect((await readRunFile(local))?.run).toBe("run-1");
    expect(await findNewestEpoch(store)).toBe(0);
  });

  it("remembers what its predecessor had seen", async () => {
    const store = createMemoryStore();
    await runIn(store, "run-1");
    await store.put(nameOf(4, 9), NOTHING);
    const { writer } = writerOn(store, { resumed: { ...resumed, epoch: null } });
    expect(writer.hasClaimed).toBe(false);
    expect(await writer.claim()).toBe(5);
  });
});
