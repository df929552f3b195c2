import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { type FaultStore, withFaults } from "../../src/testing/fault-store.ts";
import { type SessionOfTest, type SessionSettings, sequencesIn, startSession, stateOf } from "./session-of-test.ts";

/** A machine that sleeps, or a process that is held still: no limit of ours is so long. */
const NIGHT_MS = 8 * 3_600_000;
const KEEP_ONE = { keepLast: 1, keepEvery: null, keepBest: null, gracePeriodMs: 86_400_000 };

const reset = (): StoreError => new StoreError("network", "put", "x", "ECONNRESET");

interface Suspended {
  readonly session: SessionOfTest;
  readonly remote: FaultStore;
  /** The request that is under way. */
  readonly hanging: { readonly isMet: () => boolean; readonly answer: (error: Error | null) => void };
}

/** A run of one save, in which the next put of such a name has no answer until the test gives one. */
async function withHanging(
  where: "one tier" | "two tiers",
  name: RegExp,
  settings: Partial<SessionSettings> = {},
): Promise<Suspended> {
  const remote = withFaults(createMemoryStore());
  let answered: PromiseWithResolvers<void> | null = null;
  let isWatching = false;
  const store: Store = {
    ...{ url: remote.url, traits: remote.traits },
    put: async (...[object, bytes, options]: Parameters<Store["put"]>) => {
      if (isWatching && name.test(object)) {
        isWatching = false;
        answered = Promise.withResolvers<void>();
        await answered.promise;
      }
      return remote.put(object, bytes, options);
    },
    get: (...args) => remote.get(...args),
    head: (...args) => remote.head(...args),
    list: (...args) => remote.list(...args),
    delete: (...args) => remote.delete(...args),
  };
  const localStore = where === "one tier" ? undefined : createMemoryStore();
  const session = await startSession({ remote: store, localStore, ...settings });
  session.save();
  await session.idle();
  isWatching = true;
  const answer = (error: Error | null): void => (error === null ? answered?.resolve() : answered?.reject(error));
  return { session, remote, hanging: { isMet: () => answered !== null, answer } };
}

/** Lets pauses between tries pass. */
async function passMinute({ time }: SessionOfTest): Promise<void> {
  for (let second = 0; second < 60; second++) await time.advance(1000);
}

describe.each(["one tier", "two tiers"] as const)("a clock that jumps forward for a night, %s", (where) => {
  it.each([/^packs/, /^checkpoints/])("fails no save whose request was under way: put %s", async (name) => {
    const { session, remote, hanging } = await withHanging(where, name);
    const save = session.save();
    await session.until(hanging.isMet);
    await session.time.jump(NIGHT_MS);
    // Nor is the network back at once.
    remote.faults.add({ kind: "reject", error: reset, times: 3 });
    hanging.answer(reset());
    await passMinute(session);
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
  });

  it("fails no save in the pause between two tries", async () => {
    const { session, remote } = await withHanging(where, /^nothing/);
    remote.faults.add({ kind: "reject", method: "put", error: reset, times: 3 });
    const save = session.save();
    await session.until(() => remote.faults.injected.reject > 0);
    await session.time.jump(NIGHT_MS);
    await passMinute(session);
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
  });

  it("does not end the patience of who closes the run", async () => {
    const { session, remote, hanging } = await withHanging(where, /^packs/);
    const save = session.save();
    await session.until(hanging.isMet);
    const closed = session.call({ method: "close" });
    await session.time.settle();
    await session.time.jump(NIGHT_MS);
    hanging.answer(null);
    await session.time.settle();
    await closed;
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
    expect(await sequencesIn(remote)).toEqual([1, 2]);
  });

  it("a prune in the middle of which it happens deletes nothing, and the next one does", async () => {
    const { session, remote } = await withHanging(where, /^nothing/, { retention: KEEP_ONE });
    remote.faults.add({ kind: "stall", method: "list", name: /^packs/ });
    session.save();
    await session.until(() => remote.faults.injected.stall > 0);
    await session.time.jump(NIGHT_MS);
    remote.faults.release();
    await session.idle();
    await session.until(() => session.told("warning").length > 0);
    expect(session.told("warning")).toMatchObject([
      { event: { message: expect.stringMatching(/old checkpoints were not removed.*its listing is/) } },
    ]);
    expect(await sequencesIn(remote)).toEqual([1, 2]);
    session.save();
    await session.idle();
    await session.until(() => session.fateOf(3).length === 2);
    await expect.poll(() => sequencesIn(remote)).toEqual([3]);
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
  });
});

it("a store that was away before it is asked again after it, and gets all that it lacks", async () => {
  const { session, remote } = await withHanging("two tiers", /^nothing/);
  const denied = (): StoreError => new StoreError("permission", "put", "x", "HTTP 403");
  remote.faults.add({ kind: "reject", error: denied, times: Number.POSITIVE_INFINITY });
  session.save();
  await session.idle();
  await session.time.jump(NIGHT_MS);
  await session.idle();
  expect(session.told("recovered")).toEqual([]);
  remote.faults.release();
  await passMinute(session);
  await session.idle();
  expect(session.told("recovered")).toHaveLength(1);
  expect(await sequencesIn(remote)).toEqual([1, 2]);
});
