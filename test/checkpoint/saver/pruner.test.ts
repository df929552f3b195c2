import { describe, expect, it } from "vitest";
import type { PruneReport, RetentionOptions } from "../../../src/checkpoint/messages.ts";
import { PruneRefusedError } from "../../../src/errors.ts";
import type { Store } from "../../../src/index.ts";
import { pinCheckpoint } from "../../../src/manifest/pins.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { nameOf } from "../../manifest/manifests.ts";
import { type SessionOfTest, sequencesIn, startSession, stateOf } from "../session-of-test.ts";
import { namesIn } from "../support.ts";

const keeping = (keepLast: number | null): RetentionOptions => ({
  ...{ keepLast, keepEvery: null, keepBest: null, gracePeriodMs: 0 },
});

/** The same store, with a hand on single requests. */
function changed(store: Store, changes: Partial<Store>): Store {
  return {
    ...{ url: store.url, traits: store.traits, put: store.put.bind(store), get: store.get.bind(store) },
    ...{ head: store.head.bind(store), list: store.list.bind(store), delete: store.delete.bind(store) },
    ...changes,
  };
}

async function saved(remote: Store, count: number): Promise<SessionOfTest> {
  const session = await startSession({ remote });
  for (let save = 0; save < count; save++) {
    session.save();
    await session.idle();
  }
  return session;
}

async function closed(session: SessionOfTest): Promise<void> {
  await session.call({ method: "close" });
}

interface Asked {
  readonly dryRun?: boolean;
  readonly takeOver?: boolean;
  readonly quarantine?: boolean;
}

const prune = (session: SessionOfTest, asked: Asked = {}): Promise<PruneReport> =>
  session.call({
    ...{ method: "prune", dryRun: false, takeOver: false, quarantine: false, ...asked },
  }) as Promise<PruneReport>;

describe("a prune", () => {
  it("that only tells deletes nothing and claims nothing", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 3));
    const before = await namesIn(store, "");
    const teller = await startSession({ remote: store, retention: keeping(1), readOnly: true });
    const told = await prune(teller, { dryRun: true });
    expect(told).toMatchObject({
      ...{ dryRun: true, checkpoints: [nameOf(1, 1), nameOf(1, 2)], kept: [nameOf(1, 3)], quarantined: [] },
    });
    expect(await namesIn(store, "")).toEqual(before);
    const pruner = await startSession({ remote: store, retention: keeping(1) });
    await pruner.time.advance(10);
    const { checkpoints, kept } = await prune(pruner);
    expect({ checkpoints, kept }).toEqual({ checkpoints: told.checkpoints, kept: told.kept });
    expect(await sequencesIn(store)).toEqual([3]);
  });

  it("leaves what is pinned while it works, by this process or by another, with its packs", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 110));
    const pinBoth = async (): Promise<void> => {
      await pruner.call({ method: "pin", step: 50, pinned: true });
      await pinCheckpoint(store, nameOf(1, 105));
    };
    let pinned: Promise<void> | null = null;
    const remote = changed(store, {
      delete: async (name, options) => {
        if (name.startsWith("checkpoints/")) await (pinned ??= pinBoth());
        await store.delete(name, options);
      },
    });
    const pruner: SessionOfTest = await startSession({ remote, retention: keeping(1) });
    const { checkpoints, bytes } = await prune(pruner);
    expect(checkpoints).toHaveLength(107);
    expect(bytes).toBeGreaterThan(0);
    expect(await sequencesIn(store)).toEqual([50, 105, 110]);
    expect((await stateOf(store)).isIntact).toBe(true);
  });

  it("is refused beside a writer that did not say goodbye, unless it is to take over", async () => {
    const store = createMemoryStore();
    await saved(store, 2);
    const pruner = await startSession({ remote: store, retention: keeping(1) });
    await expect(prune(pruner)).rejects.toBeInstanceOf(PruneRefusedError);
    await expect(prune(pruner)).rejects.toThrow("writer 1 of this run did not close it; it may still be training");
    expect(await sequencesIn(store)).toEqual([1, 2]);
    expect((await prune(pruner, { takeOver: true })).checkpoints).toEqual([nameOf(1, 1)]);
    expect(await sequencesIn(store)).toEqual([2]);
  });

  it("does not tell of a checkpoint that somebody else removed since it was read", async () => {
    const store = createMemoryStore();
    const session = await saved(store, 3);
    expect((await prune(session)).kept).toEqual([1, 2, 3].map((sequence) => nameOf(1, sequence)));
    await store.delete(nameOf(1, 1));
    expect((await prune(session)).kept).toEqual([nameOf(1, 2), nameOf(1, 3)]);
  });

  it("passes over a checkpoint that goes between its listing and its reading", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 2));
    const get: Store["get"] = async (name, options) => {
      if (name === nameOf(1, 1)) await store.delete(name);
      return store.get(name, options);
    };
    const pruner = await startSession({ remote: changed(store, { get }), retention: keeping(null) });
    expect(await prune(pruner)).toMatchObject({ checkpoints: [], kept: [nameOf(1, 2)] });
  });

  it("deletes nothing where a store of the user's own breaks while it is read", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 2));
    const get: Store["get"] = (name, options) =>
      name === nameOf(1, 1) ? Promise.reject(new TypeError("a bug of the store's")) : store.get(name, options);
    const pruner = await startSession({ remote: changed(store, { get }), retention: keeping(1) });
    await expect(prune(pruner)).rejects.toThrow("a bug of the store's");
    expect(await sequencesIn(store)).toEqual([1, 2]);
  });

  it("moves what cannot be read aside when asked, and only tells of it where it only tells", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 3));
    await store.put(nameOf(1, 1), new Uint8Array(3));
    const pruner = await startSession({ remote: store, retention: keeping(1) });
    await expect(prune(pruner)).rejects.toThrow(`Nothing was deleted: "${nameOf(1, 1)}" cannot be read`);
    await expect(prune(pruner, { dryRun: true })).rejects.toBeInstanceOf(PruneRefusedError);
    const before = await namesIn(store, "checkpoints/");
    const told = await prune(pruner, { dryRun: true, quarantine: true });
    expect(told).toMatchObject({ checkpoints: [nameOf(1, 2)], quarantined: [nameOf(1, 1)] });
    expect(await namesIn(store, "checkpoints/")).toEqual(before);
    expect(await prune(pruner, { quarantine: true })).toMatchObject({
      ...{ checkpoints: [nameOf(1, 2)], quarantined: [nameOf(1, 1)] },
    });
    expect(await namesIn(store, "quarantine/")).toEqual([`quarantine/${nameOf(1, 1).replace("/", "-")}`]);
    expect(await sequencesIn(store)).toEqual([3]);
  });

  it("moves nothing aside that is gone by then", async () => {
    const store = createMemoryStore();
    await closed(await saved(store, 2));
    await store.put(nameOf(1, 1), new Uint8Array(3));
    let reads = 0;
    const get: Store["get"] = async (name, options) => {
      if (name === nameOf(1, 1) && ++reads > 1) await store.delete(name);
      return store.get(name, options);
    };
    const pruner = await startSession({ remote: changed(store, { get }), retention: keeping(1) });
    expect((await prune(pruner, { quarantine: true })).quarantined).toEqual([nameOf(1, 1)]);
    expect(await namesIn(store, "quarantine/")).toEqual([]);
  });
});

describe("retention after a save", () => {
  it.each([
    ["an error", new Error("no deletion today"), "no deletion today"],
    ["something else", "a text", "a text"],
  ])("is no failure of the save where the store throws %s", async (_, thrown, said) => {
    const store = createMemoryStore();
    const remove: Store["delete"] = async (name, options) => {
      // oxlint-disable-next-line only-throw-error -- whatever a store of the user's own throws
      if (name.startsWith("checkpoints/")) throw thrown;
      await store.delete(name, options);
    };
    const remote = changed(store, { delete: remove });
    const session = await startSession({ remote, retention: keeping(1) });
    for (let save = 0; save < 2; save++) {
      session.save();
      await session.idle();
    }
    expect(session.fateOf(2)).toContain("committed");
    expect(session.told("warning")).toEqual([
      { type: "event", event: { kind: "warning", message: `old checkpoints were not removed: ${said}` } },
    ]);
  });
});
