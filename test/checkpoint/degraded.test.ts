import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { type SessionOfTest, sequencesIn, startSession, stateOf } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
const denied = (): StoreError => new StoreError("permission", "put", "x", "HTTP 403");
const offline = (): StoreError => new StoreError("network", "put", "x", "ECONNREFUSED");

/** Two tiers whose store is away from now on; one checkpoint is in both. */
async function withStoreAway(error: () => StoreError = denied, settings = {}) {
  const remote = withFaults(createMemoryStore());
  const localStore = createMemoryStore();
  const session = await startSession({ remote, localStore, ...settings });
  session.save();
  await session.idle();
  remote.faults.add({ kind: "reject", error, ...forEver });
  return { session, remote, localStore };
}

describe("a store that fails for good", () => {
  it("lets local saves go on, and is told once and not for every save", async () => {
    const { session, localStore } = await withStoreAway();
    for (let round = 0; round < 5; round++) {
      session.save();
      await session.idle();
    }
    expect(await sequencesIn(localStore)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const sequence of [2, 3, 4, 5, 6]) expect(session.fateOf(sequence)).toEqual(["durable", "commitFailed"]);
    expect(session.told("commitFailed")[0]).toMatchObject({ willRetry: true, error: { className: "StoreError" } });
    expect(session.told("degraded")).toMatchObject([{ behind: 1, error: { fields: { kind: "permission" } } }]);
    expect(session.status.storeStatus(session.time.nowMs + 5000)).toMatchObject({
      ...{ behind: 5, isDegraded: true, behindMs: 5000 },
      upload: { waiting: 0, running: 0 },
    });
    expect(session.status.get("sending")).toBe(0);
  });

  it("is tried again after pauses that grow to a minute, with one request each", async () => {
    const { session, remote } = await withStoreAway();
    session.save();
    await session.idle();
    const probes: number[] = [];
    const before = (): number => Object.values(remote.faults.calls).reduce((sum, calls) => sum + calls, 0);
    for (let second = 1; second <= 600; second++) {
      const calls = before();
      await session.time.advance(1000);
      await session.idle();
      for (let made = calls; made < before(); made++) probes.push(second);
    }
    const pauses = probes.map((at, index) => at - (probes[index - 1] ?? 0));
    expect(pauses.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(probes.length).toBeLessThan(20);
    expect(session.told("degraded")).toHaveLength(1);
  });

  it("gets the whole backlog by itself when it is back, oldest first, and that is told", async () => {
    const { session, remote } = await withStoreAway();
    for (let round = 0; round < 3; round++) {
      session.save();
      await session.idle();
    }
    expect(session.status.amount("behindBytes")).toBeGreaterThan(0);
    await session.time.advance(3500);
    remote.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    expect(session.told("recovered")).toMatchObject([{ event: { behind: 2, awayMs: expect.closeTo(7000) } }]);
    expect(
      session.told("committed").flatMap((message) => (message.type === "event" ? [message.event] : [])),
    ).toMatchObject([1, 2, 3, 4].map((sequence) => ({ sequence, step: sequence, store: remote.url })));
    expect(session.status.storeStatus(0)).toMatchObject({ behind: 0, behindBytes: 0, behindMs: 0, isDegraded: false });
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
    // And goes on as if nothing had been.
    const next = session.save();
    await session.idle();
    expect(session.fateOf(next)).toEqual(["durable", "committed"]);
  });

  it("has its retries used up first where they can help", async () => {
    const { session, remote } = await withStoreAway(offline);
    const save = session.save();
    await session.until(() => session.fateOf(save).includes("durable"));
    await session.time.settle();
    expect(session.told("degraded")).toEqual([]);
    await session.time.advance(90_000);
    await session.idle();
    expect(session.told("degraded")).toHaveLength(1);
    expect(session.status.get("retries")).toBeGreaterThan(5);
    remote.faults.release();
  });

  it("is waited for by the first save of a process, which cannot be durable before the store has given the epoch", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote, localStore: createMemoryStore() });
    remote.faults.add({ kind: "reject", error: offline, ...forEver });
    const saves = [session.save(), session.save()];
    for (let second = 0; second < 100; second++) await session.time.advance(1000);
    for (const save of saves) expect(session.fateOf(save)).toEqual([]);
    remote.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    for (const save of saves) expect(session.fateOf(save)).toEqual(["durable", "committed"]);
  });

  it("is not given up on for a checkpoint that is damaged locally; the others are sent", async () => {
    const { session, remote, localStore } = await withStoreAway();
    const damaged = session.save();
    await session.idle();
    const good = session.save();
    await session.idle();
    for await (const { name } of localStore.list("checkpoints/")) {
      if (name.endsWith(`${damaged}.json`)) await localStore.put(name, new Uint8Array(5));
    }
    remote.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    expect(await sequencesIn(remote)).toEqual([1, good]);
    expect(session.status.get("isDegraded")).toBe(0);
    expect(session.status.get("behind")).toBe(1);
    expect(session.told("warning")).toMatchObject([{ event: { message: expect.stringContaining("was not sent") } }]);
  });
});

describe("rule 8: a store that goes away between opening and the first save", () => {
  it.each([
    ["denied", denied, "permission"],
    ["offline", offline, "network"],
  ] as const)("fails that save, says why, and the first one after its return works: %s", async (_, error, kind) => {
    const remote = withFaults(createMemoryStore());
    const localStore = createMemoryStore();
    const session = await startSession({ remote, localStore });
    remote.faults.add({ kind: "reject", error, ...forEver });
    for (let round = 0; round < 2; round++) {
      const save = session.save();
      // Nothing else keeps the first save, so it is waited for as long as one without a local tier.
      await session.time.advance(360_000);
      await session.idle();
      expect(session.fateOf(save)).toEqual(["failed"]);
    }
    for (const told of session.told("failed")) {
      expect(told).toMatchObject({
        error: {
          className: "StoreError",
          message: expect.stringMatching(
            /^Store claim of "writers\/" failed .*: the run's store memory:.* gives the epoch .* could not be reached\. The save was not made, on local disk neither: Store /,
          ),
          fields: { kind, hint: expect.stringMatching(/^Training goes on, and the next save tries again/) },
        },
      });
    }
    // No number was taken, and nothing is there that a later writer would have to sort in.
    for (const store of [remote, localStore]) {
      remote.faults.release();
      expect(await sequencesIn(store)).toEqual([]);
      expect((await Array.fromAsync(store.list("writers/"))).length).toBe(0);
    }
    const next = session.save();
    await session.idle();
    expect(session.fateOf(next)).toEqual(["durable", "committed"]);
    expect([await sequencesIn(localStore), await sequencesIn(remote)]).toEqual([[next], [next]]);
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
    // From here on local saves need it no more.
    remote.faults.add({ kind: "reject", error: denied, ...forEver });
    const local = session.save();
    await session.idle();
    expect(session.fateOf(local)).toEqual(["durable", "commitFailed"]);
    remote.faults.release();
  });

  it("says nothing of the store where local disk is the one that fails", async () => {
    const localStore = withFaults(createMemoryStore());
    const session = await startSession({ remote: createMemoryStore(), localStore });
    localStore.faults.add({
      kind: "reject",
      error: () => new StoreError("no-space", "put", "x", "ENOSPC"),
      ...forEver,
    });
    const save = session.save();
    await session.time.advance(90_000);
    await session.idle();
    expect(session.fateOf(save)).toEqual(["failed"]);
    expect(session.told("failed")).toMatchObject([{ error: { message: expect.not.stringContaining("epoch") } }]);
    localStore.faults.release();
  });
});

describe("closing while the store lacks checkpoints", () => {
  it("tries once more at once", async () => {
    const { session, remote } = await withStoreAway();
    session.save();
    await session.idle();
    remote.faults.release();
    await session.call({ method: "close" });
    expect(await sequencesIn(remote)).toEqual([1, 2]);
    expect(session.told("warning")).toEqual([]);
  });

  it("tells how many stay behind and how to send them, with few requests", async () => {
    const { session, remote } = await withStoreAway();
    session.save();
    await session.idle();
    session.save();
    await session.idle();
    const calls = { ...remote.faults.calls };
    await session.call({ method: "close" });
    expect(session.told("warning")).toMatchObject([
      { event: { message: expect.stringMatching(/^2 checkpoints are durable in .*HTTP 403.*varve sync memory:/) } },
    ]);
    expect(remote.faults.calls).toEqual({ ...calls, head: calls.head + 1 });
    // The sign of an orderly end would tell a prune that nothing is missing.
    await expect(remote.head("writers/00000001.closed")).rejects.toThrow();
  });

  it("does not wait for a store that stands still, and rejects what was waited for", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote, localStore: createMemoryStore(), closeTimeoutMs: 25_000 });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "stall", ...forEver });
    const save = session.save();
    await session.until(() => session.fateOf(save).includes("durable"));
    const closed = session.call({ method: "close" });
    await session.time.advance(24_000);
    expect(session.fateOf(save)).toEqual(["durable"]);
    await session.time.advance(27_000);
    await closed;
    expect(session.fateOf(save)).toEqual(["durable", "commitFailed"]);
    expect(session.told("commitFailed")).toMatchObject([{ error: { fields: { kind: "timeout" } } }]);
    remote.faults.release();
  });
});

describe("one tier far away", () => {
  it("fails the save with its error, counts as degraded, and the next save tries again", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    const first = session.save();
    await session.idle();
    expect(session.fateOf(first)).toEqual(["durable", "committed"]);
    remote.faults.add({ kind: "reject", method: "put", name: /^packs/, error: denied, ...forEver });
    const lost = session.save();
    await session.idle();
    expect(session.fateOf(lost)).toEqual(["failed"]);
    session.save();
    await session.idle();
    expect(session.told("degraded")).toHaveLength(1);
    expect(session.status.get("isDegraded")).toBe(1);
    remote.faults.release();
    const next = session.save();
    await session.idle();
    expect(session.fateOf(next)).toEqual(["durable", "committed"]);
    expect(session.status.get("isDegraded")).toBe(0);
    expect(session.told("recovered")).toHaveLength(1);
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
  });

  it("is waited for longer than a minute: nothing else keeps the checkpoint", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    remote.faults.add({ kind: "reject", error: offline, ...forEver });
    const save = session.save();
    for (let second = 0; second < 100; second++) await session.time.advance(1000);
    expect(session.fateOf(save)).toEqual([]);
    remote.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
  });

  it("is shown as away after 5 s of nothing but failures, while it is still tried, and as well at the first answer", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    remote.faults.add({ kind: "reject", error: offline, ...forEver });
    const save = session.save();
    await session.time.advance(2500);
    expect([session.status.get("retries") > 2, session.status.get("isDegraded")]).toEqual([true, 0]);
    await session.time.advance(10_000);
    expect([session.fateOf(save), session.status.get("isDegraded")]).toEqual([[], 1]);
    expect(session.told("degraded")).toMatchObject([{ error: { fields: { kind: "network" } } }]);
    remote.faults.release();
    await session.time.advance(30_000);
    await session.idle();
    expect([session.fateOf(save), session.status.get("isDegraded")]).toEqual([["durable", "committed"], 0]);
    expect([session.told("degraded").length, session.told("recovered").length]).toEqual([1, 1]);
  });

  it("is not shown as away for failures between answers, however long they go on", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    for (let second = 0; second < 60; second++) {
      remote.faults.add({ kind: "reject", error: offline }, { kind: "reject", after: 2, error: offline });
      session.save();
      await session.time.advance(1000);
    }
    await session.time.advance(60_000);
    await session.idle();
    expect(session.status.get("retries")).toBeGreaterThan(20);
    expect(session.told("degraded")).toEqual([]);
  });

  it("that may be read and not written is not well again because it was read", async () => {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote });
    remote.faults.add({ kind: "reject", method: "put", error: denied, ...forEver });
    session.save();
    await session.idle();
    await session.call({ method: "list" });
    expect([session.status.get("isDegraded"), session.told("recovered")]).toEqual([1, []]);
  });
});

describe("closing one tier far away", () => {
  /** Five saves of which none can be made. */
  async function stuck(kind: "stall" | "reject", settings = {}) {
    const remote = withFaults(createMemoryStore());
    const session = await startSession({ remote, ...settings });
    session.save();
    await session.idle();
    remote.faults.add(kind === "stall" ? { kind, ...forEver } : { kind, error: offline, ...forEver });
    const saves = [2, 3, 4, 5, 6].map(() => session.save());
    await session.time.settle();
    return { remote, session, saves };
  }

  const failures = (session: SessionOfTest) =>
    session.messages.flatMap((message) =>
      message.type === "failed" ? [`${message.sequence}: ${message.error.message}`] : [],
    );

  it("waits once for a store that refuses, not once for each save, and names every save that was not made", async () => {
    const { session, saves } = await stuck("reject", { closeTimeoutMs: 20_000 });
    const closed = session.call({ method: "close" });
    await session.time.advance(19_000);
    expect(failures(session)).toEqual([]);
    await session.time.advance(1_500);
    await closed;
    expect(failures(session)).toHaveLength(5);
    for (const save of saves) {
      expect(session.fateOf(save)).toEqual(["failed"]);
      expect(failures(session)).toContainEqual(
        expect.stringMatching(new RegExp(`^${save}: Save ${save} \\(step ${save}\\) was not made .*ECONNREFUSED`)),
      );
    }
    expect(session.status.pending).toBe(0);
    expect(session.status.get("failed")).toBe(5);
  });

  it("ends when its own time is up, also a shorter one that is given later", async () => {
    const { session, saves, remote } = await stuck("stall");
    const closed = session.call({ method: "close" });
    await session.time.advance(60_000);
    expect(failures(session)).toEqual([]);
    const sooner = session.call({ method: "close", timeoutMs: 3000 });
    await session.time.advance(3000);
    await Promise.all([closed, sooner]);
    expect(saves.map((save) => session.fateOf(save))).toEqual(saves.map(() => ["failed"]));
    remote.faults.release();
  });

  it("makes the newest of those that wait once half of the time is gone, and the others count as replaced by it", async () => {
    const { session, saves, remote } = await stuck("stall");
    const closed = session.call({ method: "close", timeoutMs: 20_000 });
    await session.time.advance(12_000);
    remote.faults.release();
    await closed;
    const [underWay, ...waiting] = saves;
    expect(session.fateOf(underWay as number)).toEqual(["durable", "committed"]);
    const fates = waiting.map((save) => session.fateOf(save));
    expect(fates).toEqual([["replaced"], ["replaced"], ["replaced"], ["durable", "committed"]]);
    expect(await sequencesIn(remote)).toEqual([1, underWay, waiting.at(-1)]);
    expect(await stateOf(remote)).toMatchObject({ isIntact: true });
  });

  it("makes every save in order where the store answers", async () => {
    const { session, saves, remote } = await stuck("stall");
    const closed = session.call({ method: "close", timeoutMs: 20_000 });
    remote.faults.release();
    await closed;
    expect(await sequencesIn(remote)).toEqual([1, ...saves]);
  });
});
