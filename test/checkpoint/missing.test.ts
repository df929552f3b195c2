import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { randomId } from "../../src/base/ids.ts";
import type { Store } from "../../src/index.ts";
import { readRunFile } from "../../src/manifest/run-file.ts";
import { parseManifest } from "../../src/manifest/serialize.ts";
import { claimEpoch } from "../../src/manifest/writers.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import type { RecordedStore } from "../../src/testing/recording-store.ts";
import { gone, type Interrupted, interruptedAfter } from "./interrupted.ts";
import { SessionOfTest, type SessionSettings, sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { namesIn, temporaryFolder } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };

/** Puts of packs that arrived. */
const packPuts = ({ operations }: RecordedStore) =>
  operations.filter(({ method, name, outcome }) => method === "put" && name.startsWith("packs/") && outcome === "done");

async function reopen(interrupted: Interrupted, settings: Partial<SessionSettings> = {}): Promise<SessionOfTest> {
  const { recorded, localStore } = interrupted;
  const session = await startSession({ remote: recorded, localStore, ...settings });
  await session.idle();
  return session;
}

describe("sending that ends at any request", () => {
  it.each(["reject", "lost-answer"] as const)("is completed by the next opening, %s", async (fault) => {
    const whole = await interruptedAfter(Number.POSITIVE_INFINITY);
    expect(whole.requests).toBeGreaterThan(8);
    expect(packPuts(whole.recorded).length).toBeGreaterThan(6);
    for (let allowed = 0; allowed <= whole.requests; allowed++) {
      const interrupted = await interruptedAfter(allowed, fault);
      const { recorded, localStore } = interrupted;
      await reopen(interrupted);
      expect(await stateOf(recorded), `after ${allowed}`).toEqual({
        checkpoints: await namesIn(localStore, "checkpoints/"),
        isIntact: true,
      });
      const names = packPuts(recorded).map(({ name }) => name);
      expect(names.length, `sent twice after ${allowed}`).toBe(new Set(names).size);
      const local = await Array.fromAsync(localStore.list("packs/"));
      expect(bytesOf(packPuts(recorded))).toBe(local.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
      for (const manifest of recorded.operations.filter(isManifestPut)) {
        const { packs } = parseManifest(manifest.bytes ?? new Uint8Array(0), manifest.name).manifest;
        const named = new Set(packs.map(({ name }) => name));
        const late = packPuts(recorded).filter(
          ({ name, answeredAt }) => named.has(name) && (answeredAt ?? 0) > manifest.calledAt,
        );
        expect(late).toEqual([]);
      }
    }
  });

  it("sends again what only seems to be there: another length, or a store where seen is not safe", async () => {
    const interrupted = await interruptedAfter(2);
    const [sent] = packPuts(interrupted.recorded).slice(-1);
    if (sent === undefined) throw new Error("no pack was sent");
    await interrupted.recorded.put(sent.name, new Uint8Array(3));
    await reopen(interrupted);
    expect(await stateOf(interrupted.recorded)).toMatchObject({ isIntact: true });
    expect(await sequencesIn(interrupted.recorded)).toEqual([1, 2, 3]);
  });

  it("asks again where what is seen may not be durable", async () => {
    const interrupted = await interruptedAfter(3);
    const before = packPuts(interrupted.recorded).length;
    const calls: string[] = [];
    const remote = withPut(interrupted.recorded, async (name, put) => {
      calls.push(name);
      return put();
    });
    const session = await startSession({ remote, localStore: interrupted.localStore });
    await session.idle();
    expect(before).toBeGreaterThan(1);
    const resent = calls.filter((name) => name.startsWith("packs/"));
    expect(resent.length).toBeGreaterThan(1);
    expect(await stateOf(interrupted.recorded)).toMatchObject({ isIntact: true });
  });

  it("is completed on local disk too", async () => {
    const folder = await temporaryFolder();
    const remote = withFaults(createLocalStore(folder));
    const localStore = createMemoryStore();
    const first = new SessionOfTest({ remote, localStore });
    await first.open();
    first.save();
    await first.idle();
    remote.faults.add({ kind: "reject", after: 2, error: gone, ...forEver });
    first.save();
    await first.idle();
    const store = createLocalStore(folder);
    const next = await startSession({ remote: store, localStore });
    await next.idle();
    expect(await stateOf(store)).toEqual({ checkpoints: await namesIn(localStore, "checkpoints/"), isIntact: true });
  });
});

describe("what an earlier process left", () => {
  it("goes to the store in the name of the process that has claimed the run since", async () => {
    const interrupted = await interruptedAfter(0);
    const session = await reopen(interrupted, { sendMissing: false });
    expect(session.status.get("behind")).toBe(2);
    const save = session.save();
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
    expect(await namesIn(interrupted.recorded, "checkpoints/")).toEqual(
      ["00000001-000000000001", "00000001-000000000002", "00000001-000000000003", "00000002-000000000004"].map(
        (name) => `checkpoints/${name}.json`,
      ),
    );
    expect(await stateOf(interrupted.recorded)).toMatchObject({ isIntact: true });
  });

  it("waits where a stranger has claimed the run, and is not sent behind its back", async () => {
    const interrupted = await interruptedAfter(0);
    const { recorded } = interrupted;
    const run = (await readRunFile(recorded))?.run ?? "";
    // Between the comparison and the first manifest.
    const remote = withPut(recorded, async (_, put) => {
      if ((await namesIn(recorded, "writers/")).length === 1) {
        await claimEpoch(recorded, { run, clock: systemClock, newId: randomId });
      }
      return put();
    });
    const session = await startSession({ remote, localStore: interrupted.localStore, sendMissing: false });
    await expect(session.call({ method: "sync" })).rejects.toMatchObject({ code: "VARVE_FENCED" });
    expect(session.status.get("behind")).toBe(2);
    expect(await sequencesIn(recorded)).toEqual([1]);
    // Nothing was claimed by that: a save takes the run over in good order, and the rest follows.
    const save = session.save();
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
    expect(await sequencesIn(recorded)).toEqual([1, 2, 3, 4]);
  });

  it("begins a run in a store that is empty, which then stands alone", async () => {
    const interrupted = await interruptedAfter(0);
    const empty = createMemoryStore();
    const session = await startSession({ remote: empty, localStore: interrupted.localStore });
    await session.idle();
    expect(await sequencesIn(empty)).toEqual([1, 2, 3]);
    const alone = await startSession({ remote: empty });
    const next = alone.save();
    await alone.idle();
    expect(alone.fateOf(next)).toEqual(["durable", "committed"]);
    expect(await namesIn(empty, "writers/")).toEqual(["writers/00000002.json"]);
  });

  it("keeps its pins", async () => {
    const interrupted = await interruptedAfter(0);
    const session = await reopen(interrupted, { sendMissing: false });
    await session.call({ method: "pin", step: 2, pinned: true });
    await session.call({ method: "sync" });
    expect(await namesIn(interrupted.recorded, "pins/")).toEqual(["pins/00000001-000000000002.json"]);
  });
});

describe("a gap in the store", () => {
  async function withGap(): Promise<Interrupted> {
    const whole = await interruptedAfter(Number.POSITIVE_INFINITY);
    await whole.recorded.delete("checkpoints/00000001-000000000002.json");
    return whole;
  }

  it("older than its newest is filled where the local tier has it, and costs no pack that is there", async () => {
    const whole = await withGap();
    const packs = packPuts(whole.recorded).length;
    await reopen(whole);
    expect(await sequencesIn(whole.recorded)).toEqual([1, 2, 3]);
    expect(packPuts(whole.recorded).length).toBe(packs);
    expect(await stateOf(whole.recorded)).toMatchObject({ isIntact: true });
  });

  it("is left where retention would remove the checkpoint at once", async () => {
    const whole = await withGap();
    const retention = { keepLast: 2, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
    await reopen(whole, { retention: { ...retention, keepLast: 1 } });
    expect(await sequencesIn(whole.recorded)).toEqual([1, 3]);
  });
});

describe("retention in two tiers", () => {
  it("removes nothing locally that the store lacks, and removes it when it is there", async () => {
    const remote = withFaults(createMemoryStore());
    const localStore = createMemoryStore();
    const retention = { keepLast: 1, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
    const session = await startSession({ remote, localStore, retention });
    session.save();
    await session.idle();
    remote.faults.add({ kind: "reject", error: gone, ...forEver });
    for (let round = 0; round < 3; round++) {
      session.save();
      await session.idle();
    }
    expect(await sequencesIn(localStore)).toEqual([2, 3, 4]);
    remote.faults.release();
    await session.time.advance(60_000);
    await session.idle();
    session.save();
    await session.idle();
    await session.until(() => session.status.get("behind") === 0);
    expect(await sequencesIn(localStore)).toEqual([5]);
    expect((await stateOf(remote)).isIntact).toBe(true);
  });
});

function bytesOf(operations: readonly { readonly bytes: Uint8Array | null }[]): number {
  return operations.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
}

/** The same store as one whose objects may be seen before they are durable, with a hand on every put. */
function withPut(store: Store, around: (name: string, put: () => Promise<boolean>) => Promise<boolean>): Store {
  return {
    ...{ url: store.url, traits: { conditionalCreate: true, stronglyConsistent: true } },
    ...{ get: store.get.bind(store), head: store.head.bind(store) },
    ...{ list: store.list.bind(store), delete: store.delete.bind(store) },
    put: (name, bytes, options) => around(name, () => store.put(name, bytes, options)),
  };
}

const isManifestPut = ({ method, name }: { readonly method: string; readonly name: string }): boolean =>
  method === "put" && name.startsWith("checkpoints/");
