import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { Store } from "../../src/index.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { SessionOfTest, sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { namesIn, open, temporaryFolder } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

/** The same store, with a hand on the creation of one checkpoint. */
function withHook(store: Store, sequence: number, around: (create: () => Promise<boolean>) => Promise<boolean>): Store {
  const hooked = new RegExp(`^checkpoints/\\d+-0*${sequence}\\.json$`);
  return {
    ...{ url: store.url, traits: store.traits, get: store.get.bind(store), head: store.head.bind(store) },
    ...{ list: store.list.bind(store), delete: store.delete.bind(store) },
    put: (name, bytes, options) => {
      const put = (): Promise<boolean> => store.put(name, bytes, options);
      return hooked.test(name) ? around(put) : put();
    },
  };
}

describe("rule 8: a writer that comes between the creation of a manifest and the last look at the epoch", () => {
  it("is noticed by that save, which is not told to be committed", async () => {
    const folder = await temporaryFolder();
    const inner = createLocalStore(folder);
    const store = withHook(inner, 2, async (create) => {
      const created = await create();
      // A process of its own would do the same: it sees the checkpoint, goes on from it, and saves.
      const newer = await open({ store: folder });
      expect((await newer.restore())?.step).toBe(2);
      await newer.save({ step: 3, state: 3 }).committed;
      return created;
    });
    const older = await open({ store, local: await temporaryFolder() });
    await older.save({ step: 1, state: 1 }).committed;
    const late = older.save({ step: 2, state: 2 });
    await expect(late.committed).rejects.toMatchObject({ code: "VARVE_FENCED", ownEpoch: 1, newestEpoch: 2 });
    expect(late.phase).toBe("durable");
    // It is over for this writer at once, not at its next try to send.
    await expect(older.save({ step: 3, state: 4 }).durable).rejects.toMatchObject({ code: "VARVE_FENCED" });
    expect(await namesIn(inner, "checkpoints/")).toEqual([
      "checkpoints/00000001-000000000001.json",
      "checkpoints/00000001-000000000002.json",
      "checkpoints/00000002-000000000003.json",
    ]);
  });

  it("rule 6: may have pruned packs that were trusted, which is not passed over", async () => {
    const memory = createMemoryStore();
    const localStore = createMemoryStore();
    const faulty = withFaults(memory);
    const died = new SessionOfTest({ remote: faulty, localStore });
    await died.open();
    died.save();
    await died.idle();
    faulty.faults.add({
      ...{ kind: "reject", method: "put", name: /^checkpoints/, ...forEver },
      error: () => new StoreError("permission", "put", "x", "the process is gone"),
    });
    died.save();
    await died.idle();
    const sentAhead = await namesIn(memory, "packs/");
    const remote = withHook(memory, 2, async (create) => {
      const retention = { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
      const newer = await startSession({ remote: memory, retention });
      await newer.call({ method: "prune", dryRun: false, takeOver: true, quarantine: false });
      return create();
    });
    const session = await startSession({ remote, localStore, sendMissing: false });
    await expect(session.call({ method: "sync" })).rejects.toMatchObject({ code: "VARVE_FENCED" });
    expect((await namesIn(memory, "packs/")).length).toBeLessThan(sentAhead.length);
    expect([session.told("committed"), session.status.get("behind")]).toEqual([[], 1]);
    // What is now in the store is not whole; whoever compares the two next finds that, and mends it.
    expect((await stateOf(memory)).isIntact).toBe(false);
    const next = await startSession({ remote: memory, localStore });
    await next.idle();
    expect(await sequencesIn(memory)).toEqual([1, 2]);
    expect((await stateOf(memory)).isIntact).toBe(true);
  });
});
