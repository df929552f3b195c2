import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { SessionOfTest, stateOf } from "./session-of-test.ts";

const NAME = "varve.json";
const textOf = async (store: Store): Promise<string> => new TextDecoder().decode((await store.get(NAME)) ?? undefined);
const runOf = async (store: Store): Promise<string> => (JSON.parse(await textOf(store)) as { run: string }).run;

/** Two tiers with two checkpoints, and what is done to the run file of one. */
async function damaged(tier: "local" | "store", harm: "missing" | "torn") {
  const [remote, localStore] = [createMemoryStore(), createMemoryStore()];
  const before = new SessionOfTest({ remote, localStore });
  await before.open();
  for (let save = 0; save < 2; save++) {
    before.save();
    await before.idle();
  }
  await before.call({ method: "close" });
  const run = await runOf(remote);
  const harmed = tier === "local" ? localStore : remote;
  await spoil(harmed, harm);
  return { remote, localStore, harmed, run };
}

async function spoil(store: Store, harm: "missing" | "torn"): Promise<void> {
  if (harm === "missing") await store.delete(NAME);
  else await store.put(NAME, new TextEncoder().encode((await textOf(store)).slice(0, 40)));
}

const CASES = (["local", "store"] as const).flatMap((tier) =>
  (["missing", "torn"] as const).map((harm) => [tier, harm] as const),
);

describe("a run file that one of two tiers lacks", () => {
  it.each(CASES)(
    "is put back from the other at opening, which says so, and saves go on: %s, %s",
    async (tier, harm) => {
      const { remote, localStore, harmed, run } = await damaged(tier, harm);
      const session = new SessionOfTest({ remote, localStore });
      await session.open();
      expect([await runOf(remote), await runOf(localStore)]).toEqual([run, run]);
      expect(session.told("warning")).toMatchObject([
        { event: { message: expect.stringMatching(new RegExp(`varve\\.json.*${harmed.url}.*put back`)) } },
      ]);
      const save = session.save();
      await session.idle();
      expect(session.fateOf(save)).toEqual(["durable", "committed"]);
      expect(await stateOf(remote)).toMatchObject({ isIntact: true });
      await session.call({ method: "close" });
    },
  );

  it.each(CASES)("is read from the other by what only reads, and stays as it is: %s, %s", async (tier, harm) => {
    const { remote, localStore, harmed } = await damaged(tier, harm);
    const before = await harmed.get(NAME);
    const session = new SessionOfTest({ remote, localStore, readOnly: true });
    await session.open();
    expect(await session.call({ method: "list" })).toMatchObject([{ step: 1 }, { step: 2 }]);
    expect(await session.call({ method: "verify", readData: false })).toMatchObject({ isIntact: false });
    expect(await harmed.get(NAME)).toEqual(before);
    await session.call({ method: "close" });
  });

  it.each(CASES)("is put back by sync() under a live run, and by the first save: %s, %s", async (tier, harm) => {
    const { remote, localStore, harmed, run } = await damaged(tier, "missing");
    const session = new SessionOfTest({ remote, localStore });
    await session.open();
    await spoil(harmed, harm);
    await session.call({ method: "sync" });
    expect(await runOf(harmed)).toBe(run);
    await spoil(harmed, harm);
    const save = session.save();
    await session.idle();
    expect(session.fateOf(save)).toEqual(["durable", "committed"]);
    expect(await runOf(harmed)).toBe(run);
    await session.call({ method: "close" });
  });

  it("is not given to checkpoints of another run", async () => {
    const [one, other] = [await damaged("local", "missing"), await damaged("local", "missing")];
    const session = new SessionOfTest({ remote: one.remote, localStore: other.localStore });
    await expect(session.open()).rejects.toMatchObject({ code: "VARVE_RUN_MISMATCH" });
    expect(await other.localStore.get(NAME)).toBeNull();
  });

  it("stops opening where it cannot be read in either", async () => {
    const { remote, localStore } = await damaged("local", "torn");
    await spoil(remote, "torn");
    const session = new SessionOfTest({ remote, localStore });
    await expect(session.open()).rejects.toMatchObject({ code: "VARVE_CORRUPT", objectName: NAME });
  });
});

it("a run file that is removed under a live run of one tier is put back by the first save", async () => {
  const { remote, run } = await damaged("local", "missing");
  const session = new SessionOfTest({ remote });
  await session.open();
  await spoil(remote, "missing");
  const save = session.save();
  await session.idle();
  expect(session.fateOf(save)).toEqual(["durable", "committed"]);
  expect(await runOf(remote)).toBe(run);
  await session.call({ method: "close" });
});
