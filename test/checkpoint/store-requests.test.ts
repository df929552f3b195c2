import { describe, expect, it, vi } from "vitest";
import { withCounting } from "../../src/checkpoint/saver/counting-store.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { readPackIndex } from "../../src/codec/pack-index.ts";
import { StoreError } from "../../src/errors.ts";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type StoreMethod, withFaults } from "../../src/testing/fault-store.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { SessionOfTest, sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { observedStore, open } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
const THREE_TRIES = { attempts: 3, baseDelayMs: 0 };

/** Every request that saves, opens, restores or prunes. The first try fails, and all further ones. */
const requests: readonly (readonly [StoreMethod, RegExp])[] = [
  ["get", /^varve\.json$/],
  ["put", /^varve\.json$/],
  ["list", /^writers\/$/],
  ["list", /^checkpoints\/$/],
  ["put", /^writers\/0+1\.json$/],
  ["put", /^packs\//],
  ["put", /^checkpoints\//],
  ["head", /^writers\/0+2\.json$/],
];

describe("retries", () => {
  it.each([
    ["one tier", (): Store | undefined => undefined],
    ["two tiers", (): Store | undefined => createMemoryStore()],
  ] as const)("are one layer for every request, never a multiple: %s", async (_, createLocal) => {
    for (const [method, name] of requests) {
      const faulty = withFaults(createMemoryStore());
      const recorded = withRecording(faulty);
      const settings = { remote: recorded, localStore: createLocal(), retry: THREE_TRIES, concurrency: 1 };
      faulty.faults.add({ kind: "reject", method, name, ...forEver });
      const session = new SessionOfTest(settings);
      const isOpen = await session.open().then(
        () => true,
        () => false,
      );
      if (isOpen) {
        const sequence = session.save();
        await session.idle();
        expect(session.fateOf(sequence).some((fate) => /ailed/.test(fate))).toBe(true);
      }
      const triesOf = () => {
        const rejected = recorded.operations.filter(({ outcome }) => outcome === "rejected");
        return [...Map.groupBy(rejected, (each) => `${each.method} ${each.name}`).values()].map(({ length }) => length);
      };
      // A save fails with its first pack; the others have their tries meanwhile.
      await session.until(() => session.status.get("uploadsRunning") === 0 && triesOf().every((tries) => tries >= 3));
      await session.time.settle();
      expect(triesOf(), `${method} ${name}`).toEqual(triesOf().map(() => 3));
      expect(session.status.get("retries")).toBe(2 * triesOf().length);
      expect(triesOf().length).toBeGreaterThan(0);
    }
  });

  it("get over lost answers to every request of a save, in either tier of two", async () => {
    for (let after = 0; after < 12; after++) {
      const remote = withFaults(createMemoryStore());
      const session = await startSession({ remote, localStore: createMemoryStore(), retry: THREE_TRIES });
      remote.faults.add({ kind: "lost-answer", after }, { kind: "lost-answer", after: after + 2 });
      const saves = [session.save(), session.save()];
      await session.idle();
      for (const save of saves) expect(session.fateOf(save), `after ${after}`).toEqual(["durable", "committed"]);
      expect(await stateOf(remote)).toMatchObject({ isIntact: true });
      expect(await sequencesIn(remote)).toEqual([1, 2]);
    }
  });
});

describe("what is counted", () => {
  it("is every request to the run's store, by kind, with its bytes, and nothing of the local tier", async () => {
    const recorded = withRecording(createMemoryStore());
    const faulty = withFaults(recorded);
    const session = await startSession({ remote: faulty, localStore: createMemoryStore(), retry: THREE_TRIES });
    faulty.faults.add({ kind: "reject", method: "put", name: /^packs/, times: 2 });
    session.save();
    await session.idle();
    session.save();
    await session.idle();
    const { calls } = faulty.faults;
    const status = session.status.storeStatus(0);
    expect(status.requestsByKind).toEqual(calls);
    expect(status.retries).toBe(2);
    const sum = (method: string, of: (operation: (typeof recorded.operations)[number]) => number): number =>
      recorded.operations.filter((each) => each.method === method).reduce((total, each) => total + of(each), 0);
    expect(status.bytesUp).toBe(sum("put", ({ bytes }) => bytes?.length ?? 0));
    expect(status.bytesDown).toBe(sum("get", ({ result }) => (result as Uint8Array | null)?.length ?? 0));
    expect(status.bytesUp).toBeGreaterThan(0);
    // Both tries that failed were of packs, whole.
    expect(status.bytesUpInVain).toBeGreaterThan(100);
    expect(status.bytesUpInVain).toBeLessThan(status.bytesUp);
    // What a save costs is what its own tier was asked for, whatever is being sent meanwhile.
    const results = session.messages.flatMap((message) => (message.type === "durable" ? [message.result] : []));
    expect(results[1]?.requests).toBeLessThan(8);
  });

  it("counts a listing for each thousand names", async () => {
    const store = createMemoryStore();
    for (let index = 0; index < 2001; index++) await store.put(`packs/${index}`, new Uint8Array(1));
    const status = new SharedStatus();
    const counted = withCounting(store, status, { first: true, own: true });
    expect(await Array.fromAsync(counted.list("packs/"))).toHaveLength(2001);
    expect(await Array.fromAsync(counted.list("none/"))).toEqual([]);
    expect(status.get("lists")).toBe(3 + 1);
  });
});

describe("bandwidth", () => {
  it("is one limit for packs and manifests to the store, and none for local disk", async () => {
    const recorded = withRecording(createMemoryStore());
    const localStore = createMemoryStore();
    const settings = { remote: recorded, localStore, maxUploadBytesPerSecond: 100 };
    const session = await startSession(settings);
    const save = session.save();
    await session.until(() => session.fateOf(save).includes("durable") || session.time.sleeping > 0);
    // The claim goes to the store, and is paced too.
    for (let second = 0; second < 20 && !session.fateOf(save).includes("durable"); second++) {
      await session.time.advance(1000);
    }
    await session.until(() => session.fateOf(save).includes("durable"));
    const startedMs = session.time.nowMs;
    const sent = session.status.amount("bytesUp");
    while (!session.fateOf(save).includes("committed")) {
      await session.time.advance(500);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const bytes = session.status.amount("bytesUp") - sent;
    const seconds = (session.time.nowMs - startedMs) / 1000;
    expect(bytes).toBeGreaterThan(1000);
    // The last object is let go when those before it are paid for.
    const last = recorded.operations.findLast(({ method }) => method === "put")?.bytes?.length ?? 0;
    expect(seconds).toBeGreaterThan((bytes - last) / 100 - 1);
    expect(seconds).toBeLessThan(bytes / 100 + 5);
  });
});

describe("order of value", () => {
  it("sends state before rows, and the manifest last", async () => {
    const recorded = withRecording(createMemoryStore());
    const remote = withFaults(recorded);
    const session = await startSession({ remote, localStore: createMemoryStore(), concurrency: 1 });
    session.save();
    await session.idle();
    const before = recorded.operations.length;
    session.save();
    await session.idle();
    const puts = recorded.operations.slice(before).filter(({ method }) => method === "put");
    const kinds = puts.map(({ name, bytes }) => {
      if (!name.startsWith("packs/")) return name.replace(/\/.*/, "");
      return readPackIndex(bytes ?? new Uint8Array(0), name).sections[0]?.content.kind;
    });
    expect(kinds).toEqual(["tensor", "tensor", "rows", "checkpoints"]);
  });

  it("is oldest first, but the newest first where a run is closed and there is no time for all", async () => {
    for (const [bytesPerSecond, expected] of [
      [10_000, [2, 3, 4]],
      [100, [4, 3, 2]],
    ] as const) {
      const recorded = withRecording(createMemoryStore());
      const remote = withFaults(recorded);
      const localStore = createMemoryStore();
      const session = new SessionOfTest({ remote, localStore, maxUploadBytesPerSecond: bytesPerSecond });
      await session.open();
      const denied = (): StoreError => new StoreError("permission", "put", "x", "HTTP 403");
      // What is known of the rate is what was seen in the last seconds.
      const first = session.save();
      await pass(session, () => session.fateOf(first).includes("committed"));
      remote.faults.add({ kind: "reject", error: denied, ...forEver });
      for (let round = 0; round < 3; round++) {
        const save = session.save();
        await pass(session, () => session.fateOf(save).includes("commitFailed"));
      }
      remote.faults.release();
      let isClosed = false;
      void session.call({ method: "close" }).then(() => (isClosed = true));
      await pass(session, () => isClosed);
      const sent = recorded.operations.filter(
        ({ method, name }) => method === "put" && name.startsWith("checkpoints/"),
      );
      expect(sent.map(({ name }) => Number(name.slice(-17, -5))).slice(1)).toEqual(expected);
      expect(await stateOf(recorded)).toMatchObject({ isIntact: true });
    }
  });
});

/** Lets time go on until something has happened. */
async function pass(session: SessionOfTest, until: () => boolean): Promise<void> {
  for (let step = 0; !until(); step++) {
    if (step > 5000) throw new Error(`never: ${until.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await session.time.advance(1000);
  }
}

describe("memory without a local tier", () => {
  it("holds no more packs than the budget, however much there is to send", async () => {
    const { store, faulty } = observedStore();
    const checkpointer = await open({ store });
    faulty.faults.add({ kind: "stall", method: "put", name: /^packs/, ...forEver });
    const noise = new Float64Array(5_000_000);
    let seed = 1;
    for (let index = 0; index < noise.length; index++) {
      seed = (seed * 48_271) % 2_147_483_647;
      noise[index] = seed / 3;
    }
    const save = checkpointer.save({ step: 1, state: { noise } });
    await vi.waitUntil(() => faulty.faults.injected.stall >= 1, { timeout: 20_000 });
    let settled = 0;
    for (let last = -1; last !== settled; ) {
      last = settled;
      await new Promise((resolve) => setTimeout(resolve, 400));
      settled = checkpointer.status().upload.bytesTotal;
    }
    expect(settled).toBeGreaterThan(7 * 1024 * 1024);
    expect(settled).toBeLessThanOrEqual(16 * 1024 * 1024);
    faulty.faults.release();
    expect((await save.committed).storedBytes).toBeGreaterThan(20 * 1024 * 1024);
    expect(checkpointer.status().upload).toMatchObject({ waiting: 0, running: 0, etaMs: expect.any(Number) });
  });
});
