import { describe, expect, it } from "vitest";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { startSession } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

describe("a local save of a process whose epoch is claimed does not need the store", () => {
  it.each([false, true])("also after a restore of what only the store has: %s", async (restores) => {
    const remote = withFaults(createMemoryStore());
    const first = await startSession({ remote });
    first.save();
    await first.idle();
    await first.call({ method: "close" });
    // A new machine: the local tier is empty.
    const session = await startSession({ remote, localStore: createMemoryStore() });
    session.save();
    await session.idle();
    expect(session.fateOf(2)).toEqual(["durable", "committed"]);
    if (restores) {
      const selected = (await session.call({ method: "select", step: 1, sequence: null, after: null })) as {
        manifest: string;
      };
      await session.call({ method: "restored", manifest: selected.manifest });
    }
    remote.faults.add({ kind: "reject", ...forEver });
    session.save();
    await session.time.advance(20 * 60_000);
    await session.until(() => session.fateOf(3).length > 0);
    const fates = session.fateOf(3);
    remote.faults.release();
    expect(fates[0]).toBe("durable");
  });
});

describe("what gave way", () => {
  it("to a save that is made counts as replaced, whatever becomes of a newer one", async () => {
    const remote = createMemoryStore();
    const gates = new Map([2, 4].map((n) => [n, Promise.withResolvers<void>()] as const));
    const reached = new Set<number>();
    const put: Store["put"] = async (name, bytes, options) => {
      const sequence = Number(/^checkpoints.*-0*(\d+)\.json$/.exec(name)?.[1]);
      reached.add(sequence);
      await gates.get(sequence)?.promise;
      return remote.put(name, bytes, options);
    };
    const { url, traits } = remote;
    const slow: Store = {
      ...{ url, traits, put },
      get: (...args) => remote.get(...args),
      head: (...args) => remote.head(...args),
      list: (...args) => remote.list(...args),
      delete: (...args) => remote.delete(...args),
    };
    const session = await startSession({ remote: slow });
    session.save();
    await session.idle();
    session.save();
    await session.until(() => reached.has(2));
    session.save();
    session.save();
    // SIGTERM: save 3 gives way to save 4.
    await session.call({ method: "hurry" });
    gates.get(2)?.resolve();
    await session.until(() => reached.has(4));
    session.save();
    session.status.dropUpTo(5, 4096);
    await session.until(() => session.fateOf(5).length > 0);
    gates.get(4)?.resolve();
    await session.idle();
    expect(session.fateOf(4)).toEqual(["durable", "committed"]);
    expect(session.fateOf(3)).toEqual(["replaced"]);
  });
});
