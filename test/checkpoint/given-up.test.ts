import { describe, expect, it } from "vitest";
import type { FromSaver } from "../../src/checkpoint/messages.ts";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { SessionOfTest, startSession, stateOf } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

/** All that a store does, but for what is given. */
function changed(inner: Store, changes: Partial<Store>): Store {
  return {
    ...{ url: inner.url, traits: inner.traits },
    put: (...args) => inner.put(...args),
    get: (...args) => inner.get(...args),
    head: (...args) => inner.head(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
    ...changes,
  };
}

describe("what a save that was given up leaves behind", () => {
  it("does not come back over a newer one, where a saver goes on after a crash", async () => {
    const inner = createMemoryStore();
    const first = await startSession({ remote: inner });
    first.save();
    await first.idle();
    const isWriter = (message: FromSaver): message is Extract<FromSaver, { type: "writer" }> =>
      message.type === "writer";
    const writer = first.messages.filter(isWriter).at(-1)?.writer ?? null;
    const late = Promise.withResolvers<void>();
    let reads = 0;
    const get: Store["get"] = async (name, options) => {
      const bytes = await inner.get(name, options);
      if (name === writer?.parent?.name && reads++ === 0) await late.promise;
      return bytes;
    };
    const retention = { keepLast: 1, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
    const second = new SessionOfTest({ remote: changed(inner, { get }), writer, retention });
    second.save();
    await second.until(() => reads === 1);
    second.status.abandonUpTo(1, 4096);
    await second.until(() => second.fateOf(1).includes("failed"));
    // Another state: nothing of the parent is named any more, and retention removes it.
    second.save(600);
    await second.idle();
    late.resolve();
    await new Promise((resolve) => setTimeout(resolve, 20));
    second.save(500);
    await second.idle();
    expect([second.fateOf(2), second.fateOf(3)]).toEqual([
      ["durable", "committed"],
      ["durable", "committed"],
    ]);
    expect((await stateOf(inner)).isIntact).toBe(true);
  });

  it.each(["rows", "state"])("is told of all that gave way to it, where its %s had to go", async (memory) => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", name: /^packs/, ...forEver });
    session.save();
    await session.until(() => remote.faults.injected.stall > 0);
    session.save();
    session.save();
    // SIGTERM: save 3 gives way to save 4.
    await session.call({ method: "hurry" });
    if (memory === "rows") session.status.abandonUpTo(4, 4096);
    else session.status.dropUpTo(4, 4096);
    await session.until(() => session.fateOf(4).includes("failed"));
    remote.faults.release();
    await session.idle();
    expect(session.fateOf(3)).toEqual(["failed"]);
    expect(session.status.pending).toBe(0);
  });
});

describe("two tiers", () => {
  it("lets local saves go on while a prune waits for an upload", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote, localStore: createMemoryStore() });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", name: /^packs/, ...forEver });
    session.save();
    await session.until(() => session.fateOf(2).includes("durable") && remote.faults.injected.stall > 0);
    const pruned = session.call({ method: "prune", dryRun: false, takeOver: false, quarantine: false });
    await session.time.settle();
    session.save();
    await session.until(() => session.fateOf(3).includes("durable"));
    remote.faults.release();
    await session.idle();
    expect(await pruned).toMatchObject({ dryRun: false });
    expect(session.fateOf(3)).toEqual(["durable", "committed"]);
  });

  it.each([false, true])(
    "tells a save committed that a comparison saw before it had ended; store away: %s",
    async (away) => {
      const [local, remote] = [createMemoryStore(), createMemoryStore()];
      let [isSlow, isAway] = [false, false];
      const linked = Promise.withResolvers<void>();
      const synced = Promise.withResolvers<void>();
      const back = Promise.withResolvers<void>();
      // As a disk whose fsync of the folder takes a while: the manifest is seen, and its put has not returned.
      const slow = changed(local, {
        url: "file:///none",
        put: async (name, bytes, options) => {
          const result = await local.put(name, bytes, options);
          if (!isSlow || !name.startsWith("checkpoints/")) return result;
          linked.resolve();
          await synced.promise;
          return result;
        },
      });
      const flaky = changed(remote, {
        url: "s3://bucket/run",
        put: async (...args) => {
          if (isAway) await back.promise;
          return remote.put(...args);
        },
      });
      const session = await startSession({ remote: flaky, localStore: slow });
      session.save();
      await session.idle();
      isSlow = true;
      session.save();
      await linked.promise;
      isAway = away;
      const compared = session.call({ method: "sync" });
      if (away) await session.until(() => session.status.get("behind") === 1);
      else await compared;
      synced.resolve();
      await session.until(() => session.fateOf(2).includes("durable"));
      isAway = false;
      back.resolve();
      await compared;
      await session.idle();
      expect(session.fateOf(2)).toEqual(["durable", "committed"]);
    },
  );
});
