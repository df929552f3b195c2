import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { type SessionOfTest, sequencesIn, startSession } from "./session-of-test.ts";
import { namesIn } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

function told(session: SessionOfTest): string[] {
  return session.messages.flatMap((message) => {
    if (message.type === "failed" || message.type === "commitFailed") return [message.error.message];
    return message.type === "event" && message.event.kind === "warning" ? [message.event.message] : [];
  });
}

/** One save in both tiers, and one that neither has begun to take. */
async function twoTiers(settings = {}) {
  const [remote, localStore] = [withFaults(createMemoryStore()), withFaults(createMemoryStore())];
  const session = await startSession({ remote, localStore, ...settings });
  session.save();
  await session.idle();
  for (const { faults } of [remote, localStore]) faults.add({ kind: "stall", method: "put", ...forEver });
  const save = session.save();
  await session.time.settle();
  return { remote, localStore, session, save };
}

describe("closing with two tiers when no time is left for the store", () => {
  it.each([
    ["because the machine goes away", {}, { storeTimeoutMs: 0 }],
    ["because nobody wants to wait for it", { closeTimeoutMs: 0 }, {}],
  ])("makes the save that is under way on local disk: %s", async (_, settings, limits) => {
    const { session, localStore, remote, save } = await twoTiers(settings);
    const closed = session.call({ method: "close", ...limits });
    await session.time.advance(9_000);
    localStore.faults.release();
    await session.until(() => session.fateOf(save).length === 2);
    await session.time.advance(2_000);
    await closed;
    expect(session.fateOf(save)).toEqual(["durable", "commitFailed"]);
    expect(await sequencesIn(localStore)).toEqual([1, save]);
    expect(told(session).at(-1)).toMatch(/^1 checkpoint is durable in memory:.* and not in memory:.* varve sync /);
    remote.faults.release();
  });

  it("waits for a local disk as long as it answers anything, and no longer", async () => {
    const { session, localStore, remote, save } = await twoTiers();
    localStore.faults.release();
    await session.until(() => session.fateOf(save).includes("durable"));
    const last = session.save();
    localStore.faults.add({ kind: "stall", method: "put", ...forEver });
    await session.time.settle();
    const closed = session.call({ method: "close", storeTimeoutMs: 0 });
    // Each time one more answer of the disk, and less than ten seconds between two of them.
    for (let round = 0; round < 5 && session.fateOf(last).length === 0; round++) {
      await session.time.advance(9_000);
      await session.call({ method: "list" });
    }
    expect(session.fateOf(last)).toEqual([]);
    await session.time.advance(25_000);
    await closed;
    expect(session.fateOf(last)).toEqual(["failed"]);
    expect(told(session)).toContainEqual(expect.stringMatching(/^Save 3 \(step 3\) was not made .*nothing moved for/));
    for (const { faults } of [localStore, remote]) faults.release();
  });

  it("waits for a save that is being encoded, though no disk answers and no byte moves", async () => {
    const { session, localStore, remote, save } = await twoTiers();
    const closed = session.call({ method: "close", storeTimeoutMs: 0 });
    const encode = (rawBytes: number): void => session.status.setAmount("rawDone", rawBytes);
    for (let round = 1; round <= 5; round++) {
      encode(round);
      await session.time.advance(9_000);
    }
    expect(session.fateOf(save)).toEqual([]);
    await session.time.advance(25_000);
    await closed;
    expect(session.fateOf(save)).toEqual(["failed"]);
    for (const { faults } of [localStore, remote]) faults.release();
  });
});

describe("closing one tier far away when the machine goes away", () => {
  it.each([
    [0, 10_000],
    [20_000, 20_000],
  ])("gives a save that nothing else keeps ten seconds at least: %i ms left", async (storeTimeoutMs, limitMs) => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", ...forEver });
    const save = session.save();
    await session.time.settle();
    const closed = session.call({ method: "close", storeTimeoutMs });
    await session.time.advance(limitMs - 1);
    expect(session.fateOf(save)).toEqual([]);
    await session.time.advance(2_000);
    await closed;
    expect(session.fateOf(save)).toEqual(["failed"]);
    expect(told(session)).toContainEqual(expect.stringContaining(`SIGTERM has come, and the store had ${limitMs} ms`));
    remote.faults.release();
  });
});

describe("one tier far away, when its machine is to go away", () => {
  it.each(["queue", "skip", "coalesce"] as const)("makes the newest save next: %s", async (onBacklog) => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote, onBacklog });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", ...forEver });
    const underWay = session.save();
    const waiting = onBacklog === "queue" ? [session.save(), session.save(), session.save()] : [];
    await session.time.settle();
    await session.call({ method: "hurry" });
    const newest = session.save();
    // A generation may end after it.
    const last = session.save();
    remote.faults.release();
    await session.idle();
    expect(await sequencesIn(remote)).toEqual([1, underWay, last]);
    for (const save of [...waiting, newest]) expect(session.fateOf(save)).toEqual(["replaced"]);
  });

  it("does not call a save lost whose last request had no answer", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", method: "put", name: /^checkpoints/, ...forEver });
    const [unknown, waiting] = [session.save(), session.save()];
    await session.until(() => remote.faults.injected.stall > 0);
    const closed = session.call({ method: "close", timeoutMs: 1000 });
    await session.time.advance(3000);
    await closed;
    for (const save of [unknown, waiting]) expect(session.fateOf(save)).toEqual(["failed"]);
    expect(told(session)).toContainEqual(expect.stringMatching(/^Save 2 \(step 2\) may have been made or not/));
    expect(told(session)).toContainEqual(expect.stringMatching(/^Save 3 \(step 3\) was not made/));
    remote.faults.release();
  });

  it("makes no checkpoint of a save that was told to have failed, when its store answers after all", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    remote.faults.add({ kind: "stall", method: "put", ...forEver });
    const save = session.save();
    await session.until(() => remote.faults.injected.stall > 0);
    const closed = session.call({ method: "close", timeoutMs: 1000 });
    await session.time.advance(3000);
    await closed;
    expect(session.fateOf(save)).toEqual(["failed"]);
    remote.faults.release();
    // What was under way goes on unheard, up to the packs.
    await expect.poll(async () => (await namesIn(remote, "packs/")).length).toBe(3);
    await session.time.settle();
    expect(await sequencesIn(remote)).toEqual([]);
  });
});
