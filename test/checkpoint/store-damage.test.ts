import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { StoreError } from "../../src/errors.ts";
import type { Store, SyncReport } from "../../src/index.ts";
import { parseManifest, serializeManifest } from "../../src/manifest/serialize.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { type RecordedStore, withRecording } from "../../src/testing/recording-store.ts";
import { SessionOfTest, type SessionSettings, sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { namesIn, temporaryFolder } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
const manifestOf = (sequence: number): string => `checkpoints/00000001-${String(sequence).padStart(12, "0")}.json`;

interface TwoTiers {
  readonly localStore: Store;
  readonly recorded: RecordedStore;
}

/** Three checkpoints of a process that is gone, in both tiers. */
async function threeInBoth(store: Store = createMemoryStore()): Promise<TwoTiers> {
  const recorded = withRecording(store);
  const localStore = createMemoryStore();
  const session = new SessionOfTest({ remote: recorded, localStore });
  await session.open();
  for (let save = 0; save < 3; save++) {
    session.save();
    await session.idle();
  }
  await session.call({ method: "close" });
  return { localStore, recorded };
}

/** A session that has compared the tiers, and sends nothing by itself. */
const reopen = ({ recorded, localStore }: TwoTiers, settings: Partial<SessionSettings> = {}): Promise<SessionOfTest> =>
  startSession({ remote: recorded, localStore, sendMissing: false, ...settings });

const sync = (session: SessionOfTest): Promise<SyncReport> => session.call({ method: "sync" }) as Promise<SyncReport>;

const packsNamedBy = async (store: Store, name: string): Promise<string[]> => {
  const { manifest } = parseManifest((await store.get(name)) ?? new Uint8Array(0), name);
  return manifest.packs.map((pack) => pack.name);
};

const cutShort = async (store: Store, name: string): Promise<void> => {
  await store.put(name, ((await store.get(name)) ?? new Uint8Array(0)).subarray(0, -1));
};

const warningsOf = (session: SessionOfTest): string[] =>
  session
    .told("warning")
    .flatMap((told) => (told.type === "event" && "message" in told.event ? told.event.message : []));

describe("a pack that the store has lost", () => {
  it.each(["removed", "cut short"] as const)("is noticed and sent again, each of them: %s", async (damage) => {
    for (const makeStore of [createMemoryStore, async () => createLocalStore(await temporaryFolder())]) {
      const tiers = await threeInBoth(await makeStore());
      const { recorded } = tiers;
      const whole = await stateOf(recorded);
      const packs = await namesIn(recorded, "packs/");
      expect(packs.length).toBeGreaterThan(6);
      const named = await Promise.all(whole.checkpoints.map((name) => packsNamedBy(recorded, name)));
      const session = await reopen(tiers);
      for (const pack of packs) {
        if (damage === "removed") await recorded.delete(pack);
        else await cutShort(recorded, pack);
        const harmed = whole.checkpoints.filter((_, index) => named[index]?.includes(pack));
        expect((await stateOf(recorded)).isIntact).toBe(false);
        const report = await sync(session);
        expect(report, pack).toMatchObject({
          ...{ sent: [], repaired: harmed, broken: [], packs: 1 },
          alreadyThere: whole.checkpoints.filter((name) => !harmed.includes(name)),
        });
        expect(await stateOf(recorded)).toEqual(whole);
        expect(await sync(session)).toMatchObject({
          repaired: [],
          alreadyThere: whole.checkpoints,
          packs: 0,
          bytes: 0,
        });
      }
    }
  });

  it("is sent when the run is opened, is counted as behind until then, and the checkpoints are not committed anew", async () => {
    const tiers = await threeInBoth();
    const { recorded } = tiers;
    const packs = await namesIn(recorded, "packs/");
    for (const pack of packs) await recorded.delete(pack);
    const before = recorded.length;
    const faulty = withFaults(recorded);
    faulty.faults.add({
      ...{ kind: "reject", method: "put", ...forEver },
      error: () => new StoreError("permission", "put", "x", "HTTP 403"),
    });
    const session = await startSession({ ...tiers, remote: faulty });
    await session.idle();
    expect(session.status.storeStatus(session.time.nowMs)).toMatchObject({ behind: 3, isDegraded: true });
    expect(session.status.amount("behindBytes")).toBe(await sizeOf(tiers.localStore, "packs/"));
    faulty.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    expect(session.status.storeStatus(session.time.nowMs)).toMatchObject({
      behind: 0,
      behindBytes: 0,
      isDegraded: false,
    });
    expect(await stateOf(recorded)).toMatchObject({ isIntact: true });
    const puts = recorded.operations.filter(({ method, calledAt }) => method === "put" && calledAt >= before);
    expect(puts.map(({ name }) => name).sort()).toEqual(packs);
    expect(session.told("committed")).toEqual([]);
    expect(warningsOf(session)).toEqual(
      [1, 2, 3].map((sequence) => expect.stringMatching(`^${manifestOf(sequence)} is damaged in .* sent again from`)),
    );
  });

  it("is sent again before a new checkpoint names it", async () => {
    const tiers = await threeInBoth();
    const { recorded } = tiers;
    const session = await startSession({ remote: recorded, localStore: tiers.localStore, sendMissing: false });
    session.save();
    await session.idle();
    const acknowledged = await packsNamedBy(recorded, "checkpoints/00000002-000000000004.json");
    for (const pack of acknowledged) await recorded.delete(pack);
    await sync(session);
    session.save();
    await session.idle();
    expect(await stateOf(recorded)).toMatchObject({ isIntact: true });
    expect(await sequencesIn(recorded)).toEqual([1, 2, 3, 4, 5]);
  });

  it("is reported where the local tier lacks it too, and the others are mended", async () => {
    const tiers = await threeInBoth();
    const { recorded, localStore } = tiers;
    const first = await packsNamedBy(recorded, manifestOf(1));
    const [lost, ...others] = (await packsNamedBy(recorded, manifestOf(2))).filter((pack) => !first.includes(pack));
    if (lost === undefined) throw new Error("the second checkpoint stored nothing");
    for (const pack of [lost, ...others]) await recorded.delete(pack);
    await localStore.delete(lost);
    const session = await reopen(tiers);
    const report = await sync(session);
    expect(report.broken.length).toBeGreaterThan(0);
    for (const { checkpoint, object, why } of report.broken) {
      expect(await packsNamedBy(recorded, checkpoint)).toContain(object);
      expect([object, why]).toEqual([lost, "it is missing, and in the local tier it is missing"]);
    }
    expect(report.alreadyThere).toContain(manifestOf(1));
    expect(report.alreadyThere).not.toContain(manifestOf(2));
    expect(report.packs).toBe(others.length);
    expect(warningsOf(session).filter((text) => text.includes(lost))).toHaveLength(report.broken.length);
    await localStore.put(lost, new Uint8Array(7));
    const [broken] = (await sync(session)).broken;
    expect(broken?.why).toMatch(/^it is missing, and in the local tier it has 7 bytes, expected \d+$/);
  });

  it("is reported where the local tier has other bytes of the same length", async () => {
    const tiers = await threeInBoth();
    const { recorded, localStore } = tiers;
    const [one, two] = await packsNamedBy(recorded, manifestOf(3));
    if (one === undefined || two === undefined) throw new Error("the third checkpoint stored nothing");
    const bytes = (await localStore.get(one)) ?? new Uint8Array(0);
    await localStore.put(one, bytes.with(9, (bytes[9] ?? 0) ^ 1));
    for (const pack of [one, two]) await recorded.delete(pack);
    const session = await reopen(tiers);
    const report = await sync(session);
    expect(report.broken).toContainEqual({
      ...{ checkpoint: manifestOf(3), object: one },
      why: expect.stringContaining("damaged in the local tier"),
    });
    // Nothing damaged went up, and what is whole did.
    expect(await recorded.head(one)).toBeNull();
    expect(await recorded.head(two)).not.toBeNull();
    expect(session.status.get("behind")).toBe(report.broken.length);
  });

  it("does not keep the others of its checkpoint from being mended, whichever it is", async () => {
    const { length } = await packsNamedBy((await threeInBoth()).recorded, manifestOf(3));
    for (let index = 0; index < length; index++) {
      const tiers = await threeInBoth();
      const { recorded, localStore } = tiers;
      const packs = await packsNamedBy(recorded, manifestOf(3));
      const damaged = packs[index] ?? "";
      const bytes = (await localStore.get(damaged)) ?? new Uint8Array(0);
      await localStore.put(damaged, bytes.with(9, (bytes[9] ?? 0) ^ 1));
      for (const pack of packs) await recorded.delete(pack);
      const report = await sync(await reopen(tiers, { concurrency: 1 }));
      expect(report.broken).toContainEqual(expect.objectContaining({ checkpoint: manifestOf(3), object: damaged }));
      const back = await namesIn(recorded, "packs/");
      expect(packs.filter((pack) => !back.includes(pack))).toEqual([damaged]);
    }
  });

  it("is not missed where retention has removed the checkpoint meanwhile", async () => {
    const tiers = await threeInBoth();
    const { recorded } = tiers;
    const packs = await packsNamedBy(recorded, manifestOf(1));
    for (const pack of packs) await recorded.delete(pack);
    const session = await reopen(tiers);
    expect(session.status.get("behind")).toBeGreaterThan(0);
    const named = new Set([
      ...(await packsNamedBy(recorded, manifestOf(2))),
      ...(await packsNamedBy(recorded, manifestOf(3))),
    ]);
    await recorded.delete(manifestOf(1));
    session.save();
    await session.idle();
    expect(session.status.get("behind")).toBe(0);
    const back = await namesIn(recorded, "packs/");
    expect(packs.filter((pack) => back.includes(pack))).toEqual(packs.filter((pack) => named.has(pack)));
  });
});

describe("a checkpoint that another writer prunes while the tiers are compared", () => {
  it.each(["in the store", "in both tiers"])(
    "is not taken for damaged, and not brought back: its packs go %s",
    async (where) => {
      const { recorded, localStore } = await threeInBoth();
      const kept = [...(await packsNamedBy(recorded, manifestOf(2))), ...(await packsNamedBy(recorded, manifestOf(3)))];
      const packs = (await packsNamedBy(recorded, manifestOf(1))).filter((pack) => !kept.includes(pack));
      expect(packs.length).toBeGreaterThan(0);
      if (where === "in both tiers") for (const pack of packs) await localStore.delete(pack);
      const remote: Store = {
        ...{ url: recorded.url, traits: recorded.traits, put: recorded.put.bind(recorded) },
        ...{ get: recorded.get.bind(recorded), head: recorded.head.bind(recorded) },
        delete: recorded.delete.bind(recorded),
        list: async function* (prefix, options) {
          if (prefix === "packs/") for (const name of [manifestOf(1), ...packs]) await recorded.delete(name, options);
          yield* recorded.list(prefix, options);
        },
      };
      const session = await startSession({ remote, localStore, sendMissing: false });
      expect([session.status.get("behind"), warningsOf(session)]).toEqual([0, []]);
      expect((await namesIn(recorded, "packs/")).filter((pack) => packs.includes(pack))).toEqual([]);
    },
  );
});

describe("a manifest that the store has and cannot be read", () => {
  it("is never counted as there and never written over; it is kept locally, and the others are sent", async () => {
    const tiers = await threeInBoth();
    const { recorded, localStore } = tiers;
    const damaged = new Uint8Array([123]);
    await recorded.put(manifestOf(2), damaged);
    await recorded.delete(manifestOf(3));
    const retention = { keepLast: 1, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
    const session = await reopen(tiers, { retention });
    const report = await sync(session);
    expect(report).toMatchObject({
      sent: [manifestOf(3)],
      alreadyThere: [manifestOf(1)],
      repaired: [],
      unreadable: [],
    });
    expect(report.broken).toEqual([
      {
        ...{ checkpoint: manifestOf(2), object: manifestOf(2) },
        why: expect.stringMatching(/^its manifest cannot be read there .*; nothing was written over it$/),
      },
    ]);
    expect(await recorded.get(manifestOf(2))).toEqual(damaged);
    expect(session.status.storeStatus(systemClock.now())).toMatchObject({ behind: 1, behindBytes: 0 });
    session.save();
    await session.idle();
    // It may be the only whole one there is.
    expect(await sequencesIn(localStore)).toContain(2);
    expect(await sequencesIn(localStore)).not.toContain(1);
  });

  it("is sent by the next sync once it was moved aside", async () => {
    const tiers = await threeInBoth();
    const { recorded } = tiers;
    await recorded.put(manifestOf(3), new Uint8Array(0));
    const session = await reopen(tiers);
    expect((await sync(session)).broken).toHaveLength(1);
    await session.call({ method: "prune", dryRun: false, takeOver: true, quarantine: true });
    expect(await namesIn(recorded, "quarantine/")).toHaveLength(1);
    expect(await sync(session)).toMatchObject({ sent: [manifestOf(3)], broken: [] });
    expect(await stateOf(recorded)).toMatchObject({ isIntact: true });
    expect(session.status.get("behind")).toBe(0);
  });

  it("is reported where the local tier lacks it too", async () => {
    const tiers = await threeInBoth();
    await tiers.recorded.put(manifestOf(2), new Uint8Array(0));
    await tiers.localStore.delete(manifestOf(2));
    const [broken, ...others] = (await sync(await reopen(tiers))).broken;
    expect(others).toEqual([]);
    expect(broken).toMatchObject({
      checkpoint: manifestOf(2),
      why: expect.stringMatching(/local tier it is missing$/),
    });
  });

  it("rule 9: is an error where it is another write's, and is left", async () => {
    const tiers = await threeInBoth();
    const { recorded, localStore } = tiers;
    const own = parseManifest((await localStore.get(manifestOf(3))) ?? new Uint8Array(0), manifestOf(3));
    const other = serializeManifest({ ...own.manifest, writeId: "another" }, manifestOf(3)).bytes;
    await recorded.put(manifestOf(3), other);
    const report = await sync(await reopen(tiers));
    expect(report.alreadyThere).toEqual([manifestOf(1), manifestOf(2)]);
    expect(report.broken).toMatchObject([
      { object: manifestOf(3), why: expect.stringContaining("another checkpoint") },
    ]);
    expect(await recorded.get(manifestOf(3))).toEqual(other);
  });
});

describe("what a comparison costs", () => {
  it("is one listing of packs more than its manifests, also where all is there, and nothing of the saves after it", async () => {
    const tiers = await threeInBoth();
    const { recorded } = tiers;
    const before = recorded.length;
    const session = await reopen(tiers);
    const asked = recorded.operations.filter(({ calledAt }) => calledAt >= before);
    const count = (method: string, name: string): number =>
      asked.filter((each) => each.method === method && each.name.startsWith(name)).length;
    expect([count("list", "packs/"), count("get", "checkpoints/"), count("get", "packs/")]).toEqual([1, 3, 0]);
    expect(asked.filter(({ method }) => method === "put")).toEqual([]);
    session.save();
    await session.idle();
    const place = recorded.length;
    session.save();
    await session.idle();
    const ofSave = recorded.operations.filter(({ calledAt }) => calledAt >= place);
    expect(ofSave.map(({ method, name }) => `${method} ${name.replace(/\/.*/, "/")}`).sort()).toEqual([
      ...["head writers/", "head writers/"],
      ...["put checkpoints/", "put packs/", "put packs/", "put packs/"],
    ]);
  });
});

async function sizeOf(store: Store, prefix: string): Promise<number> {
  return (await Array.fromAsync(store.list(prefix))).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
