import { cp } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { VerifyReport } from "../../src/checkpoint/messages.ts";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import type { Store } from "../../src/index.ts";
import { parseManifest, serializeManifest } from "../../src/manifest/serialize.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { SessionOfTest, startSession } from "./session-of-test.ts";
import { addInline, inlineBuffer, namesIn, open, temporaryFolder } from "./support.ts";

const NOTHING = new Uint8Array(0);
const manifestOf = (sequence: number): string => `checkpoints/00000001-${String(sequence).padStart(12, "0")}.json`;

/** Two stores in memory have the same URL otherwise. */
function named(url: string): Store {
  const store = createMemoryStore();
  return {
    ...{ url, traits: store.traits, put: store.put.bind(store), get: store.get.bind(store) },
    ...{ head: store.head.bind(store), list: store.list.bind(store), delete: store.delete.bind(store) },
  };
}

/** Two checkpoints in both tiers. */
async function twoInBoth(): Promise<{ readonly first: Store; readonly second: Store }> {
  const [first, second] = [named("memory:local"), named("memory:store")];
  const session = new SessionOfTest({ remote: second, localStore: first });
  await session.open();
  for (let save = 0; save < 2; save++) {
    session.save();
    await session.idle();
  }
  await session.call({ method: "close" });
  return { first, second };
}

const verify = (first: Store, second: Store, readData = true): Promise<VerifyReport> =>
  verifyRun(new Tiers(first, second), readData, new AbortController().signal);

const packsNamedBy = async (store: Store, name: string): Promise<string[]> =>
  parseManifest((await store.get(name)) ?? NOTHING, name).manifest.packs.map((pack) => pack.name);

const damages = {
  missing: (store: Store, name: string) => store.delete(name),
  length: async (store: Store, name: string) => store.put(name, ((await store.get(name)) ?? NOTHING).subarray(1)),
  content: async (store: Store, name: string) => {
    const bytes = (await store.get(name)) ?? NOTHING;
    return store.put(name, bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1));
  },
} as const;

describe("verify of two tiers", () => {
  it("tells two runs that are whole in themselves, and were taken for the tiers of one", async () => {
    const [{ first }, { second }] = [await twoInBoth(), await twoInBoth()];
    const { isIntact, tiers } = await verify(first, second);
    expect(isIntact).toBe(false);
    expect(tiers[0]?.problems).toEqual([]);
    expect(tiers[1]?.problems).toContainEqual({
      ...{ object: "varve.json", kind: "run", isWholeElsewhere: false },
      problem: expect.stringMatching(/^"varve\.json" says run \S+, that in memory:local says run \S+$/),
    });
  });

  it.each(["missing", "length", "content"] as const)(
    "names the tier and the object, for every pack: %s",
    async (kind) => {
      const tiers = await twoInBoth();
      const names = await namesIn(tiers.first, "checkpoints/");
      const named = await Promise.all(names.map((name) => packsNamedBy(tiers.first, name)));
      for (const [place, damaged, whole] of [
        [0, tiers.first, tiers.second],
        [1, tiers.second, tiers.first],
      ] as const) {
        for (const pack of await namesIn(damaged, "packs/")) {
          const bytes = (await damaged.get(pack)) ?? NOTHING;
          await damages[kind](damaged, pack);
          const report = await verify(tiers.first, tiers.second);
          expect(report.isIntact).toBe(false);
          expect(report.tiers[place]).toMatchObject({
            url: damaged.url,
            isIntact: false,
            problems: [{ object: pack, kind, isWholeElsewhere: true, problem: expect.stringContaining(pack) }],
          });
          expect(report.tiers[1 - place]).toMatchObject({ isIntact: true, problems: [] });
          for (const [index, { problems, isRestorable, heldIn, wholeIn }] of report.checkpoints.entries()) {
            const isHarmed = named[index]?.includes(pack) === true;
            expect({ isRestorable, heldIn: heldIn.length }).toEqual({ isRestorable: true, heldIn: 2 });
            expect(wholeIn).toEqual(isHarmed ? [whole.url] : [tiers.first.url, tiers.second.url]);
            expect(problems).toEqual(isHarmed ? [expect.stringMatching(`^in ${damaged.url}: .*${pack}`)] : []);
          }
          // Without their bytes, what changed in place is not seen.
          expect((await verify(tiers.first, tiers.second, false)).isIntact).toBe(kind === "content");
          await damaged.put(pack, bytes);
        }
      }
      expect(await verify(tiers.first, tiers.second)).toMatchObject({ isIntact: true, unnamedPacks: 0 });
    },
  );

  it("tells what neither has, and what only both together have", async () => {
    const { first, second } = await twoInBoth();
    const packs = await packsNamedBy(first, manifestOf(2));
    const [one = "", two = ""] = packs;
    await first.delete(one);
    await second.delete(two);
    const apart = (await verify(first, second)).checkpoints[1];
    expect(apart).toMatchObject({ wholeIn: [], isRestorable: true, problems: [expect.anything(), expect.anything()] });
    await second.delete(one);
    const report = await verify(first, second);
    expect(report.checkpoints[1]).toMatchObject({ wholeIn: [], isRestorable: false });
    expect(report.tiers[0]?.problems).toMatchObject([{ object: one, isWholeElsewhere: false }]);
  });

  it.each([0, 1])("tells a manifest that is unreadable in tier %d and whole in the other", async (place) => {
    const { first, second } = await twoInBoth();
    const [damaged, whole] = place === 0 ? [first, second] : [second, first];
    await damaged.put(manifestOf(1), NOTHING);
    const report = await verify(first, second);
    expect(report.isIntact).toBe(false);
    expect(report.tiers[place]?.problems).toMatchObject([
      { object: manifestOf(1), kind: "manifest", isWholeElsewhere: true },
    ]);
    expect(report.checkpoints[0]).toMatchObject({ step: 1, sequence: 1, wholeIn: [whole.url], isRestorable: true });
    expect(report.checkpoints[0]?.problems).toEqual([expect.stringMatching(`^in ${damaged.url}: .*000001\\.json`)]);
    await whole.put(manifestOf(1), NOTHING);
    expect((await verify(first, second)).checkpoints[0]).toMatchObject({
      step: null,
      sequence: 1,
      isRestorable: false,
    });
  });

  it("rule 9: tells two checkpoints under one name", async () => {
    const { first, second } = await twoInBoth();
    const { manifest } = parseManifest((await first.get(manifestOf(2))) ?? NOTHING, manifestOf(2));
    await second.put(manifestOf(2), serializeManifest({ ...manifest, writeId: "another" }, manifestOf(2)).bytes);
    const report = await verify(first, second);
    expect(report.tiers.map(({ problems }) => problems.map(({ kind }) => kind))).toEqual([[], ["conflict"]]);
    expect(report.isIntact).toBe(false);
    expect(report.checkpoints[1]?.problems).toEqual([expect.stringContaining("another checkpoint")]);
  });

  it("takes what only one place has for no damage: not sent yet, or removed by retention", async () => {
    const { first, second } = await twoInBoth();
    await second.delete(manifestOf(2));
    await first.delete(manifestOf(1));
    const report = await verify(first, second);
    expect(report).toMatchObject({ isIntact: true, tiers: [{ checkpoints: 1 }, { checkpoints: 1 }] });
    expect(report.checkpoints.map(({ heldIn }) => heldIn)).toEqual([[second.url], [first.url]]);
    // A pack that went ahead of its checkpoint counts, where it lies there damaged.
    const sentAhead = (await packsNamedBy(first, manifestOf(2))).at(-1) ?? "";
    await damages.content(second, sentAhead);
    expect((await verify(first, second)).tiers[1]?.problems).toMatchObject([{ object: sentAhead, kind: "content" }]);
  });

  it("does not ask of a local tier what earlier writers stored elsewhere, and does ask for its own", async () => {
    const { second } = await twoInBoth();
    const empty = named("memory:empty");
    const session = await startSession({ remote: second, localStore: empty });
    const chosen = (await session.call({ method: "select", step: null, sequence: null, after: null })) as {
      manifest: string;
    };
    await session.call({ method: "restored", manifest: chosen.manifest });
    session.save();
    await session.idle();
    const name = "checkpoints/00000002-000000000003.json";
    const packs = await packsNamedBy(empty, name);
    const [elsewhere] = packs.filter((pack) => pack.startsWith("packs/00000001"));
    if (elsewhere === undefined) throw new Error("the new checkpoint names no earlier pack");
    const report = await verify(empty, second);
    expect(report.isIntact).toBe(true);
    expect(report.checkpoints.at(-1)).toMatchObject({ name, problems: [], wholeIn: [second.url], isRestorable: true });
    const own = packs.find((pack) => pack.startsWith("packs/00000002")) ?? "";
    await empty.delete(own);
    expect((await verify(empty, second)).tiers[0]?.problems).toMatchObject([{ object: own, kind: "missing" }]);
    // In the store it would be.
    await second.delete(elsewhere);
    expect((await verify(empty, second)).tiers[1]?.problems).toMatchObject([{ object: elsewhere, kind: "missing" }]);
  });
});

/** The same store, whose `get` does something else for some names. */
const getting = (store: Store, get: Store["get"]): Store => ({
  ...{ url: store.url, traits: store.traits, get, put: store.put.bind(store), head: store.head.bind(store) },
  ...{ list: store.list.bind(store), delete: store.delete.bind(store) },
});

describe("verify beside somebody who removes checkpoints", () => {
  it("still tells of a damaged pack that lies there, though nothing names it any more", async () => {
    const store = named("memory:one");
    const session = await startSession({ remote: store });
    session.save();
    await session.idle();
    const [pack = ""] = await packsNamedBy(store, manifestOf(1));
    await damages.content(store, pack);
    const beside = getting(store, async (name, options) => {
      if (name === pack) await store.delete(manifestOf(1));
      return store.get(name, options);
    });
    const report = await verifyRun(new Tiers(beside, null), true, new AbortController().signal);
    expect(report.checkpoints).toEqual([]);
    expect(report.tiers[0]?.problems).toMatchObject([{ object: pack, kind: "content", isWholeElsewhere: false }]);
  });

  it("does not tell of what was removed with its checkpoint since it was listed", async () => {
    const store = named("memory:one");
    const session = await startSession({ remote: store });
    for (let save = 0; save < 2; save++) {
      session.save();
      await session.idle();
    }
    const others = new Set(await packsNamedBy(store, manifestOf(2)));
    const [pack = ""] = (await packsNamedBy(store, manifestOf(1))).filter((name) => !others.has(name));
    const beside = getting(store, async (name, options) => {
      if (name === pack) for (const gone of [manifestOf(1), pack]) await store.delete(gone);
      return store.get(name, options);
    });
    const report = await verifyRun(new Tiers(beside, null), true, new AbortController().signal);
    expect(report).toMatchObject({ isIntact: true, unnamedPacks: 0, checkpoints: [{ name: manifestOf(2) }] });
    expect(report.packs).toBe((await namesIn(store, "packs/")).length);
  });

  it("hands on what is no error of ours: a store that breaks says nothing about its packs", async () => {
    const { first, second } = await twoInBoth();
    const error = new TypeError("a bug of the store's");
    const broken = getting(second, (name, options) =>
      name.startsWith("packs/") ? Promise.reject(error) : second.get(name, options),
    );
    await expect(verify(first, broken)).rejects.toBe(error);
    expect((await verify(first, broken, false)).isIntact).toBe(true);
  });
});

describe("a pack that names itself", () => {
  it("is that of a file of its own: in a run it is missing, and nothing breaks", async () => {
    const { first, second } = await twoInBoth();
    const own = `packs/00000000-${"0".repeat(64)}.pack`;
    const name = manifestOf(3);
    const { manifest } = parseManifest((await first.get(manifestOf(2))) ?? NOTHING, manifestOf(2));
    const packs = [...manifest.packs, { name: own, bytes: 1, covers: [] }];
    const { bytes } = serializeManifest({ ...manifest, sequence: 3, packs }, name);
    for (const store of [first, second]) await store.put(name, bytes);
    const report = await verify(first, second);
    // No writer of the local tier has the epoch 0, so that only the store must have it.
    const missing = { object: own, kind: "missing", isWholeElsewhere: false };
    expect(report.tiers.map(({ problems }) => problems)).toMatchObject([[], [missing]]);
    expect(report.checkpoints.at(-1)).toMatchObject({ name, isRestorable: false });
  });
});

describe("what verify says of two folders", () => {
  it("is what restoring finds", async () => {
    const [local, store] = [await temporaryFolder(), await temporaryFolder()];
    const trainer = await open({ store: local, onBacklog: "queue" });
    const buffer = inlineBuffer();
    for (let step = 1; step <= 2; step++) {
      addInline(buffer, 10);
      await trainer.save({ step, buffer, state: { weights: Float32Array.of(step) } }).durable;
    }
    await trainer.close();
    await cp(local, store, { recursive: true });
    const places = [createLocalStore(local), createLocalStore(store)];
    const reader = await open({ store, local, readOnly: true });
    const packs = await namesIn(createLocalStore(local), "packs/");
    const seen = new Set<boolean>();
    // Every way to damage two packs in either place.
    for (const one of packs) {
      for (const two of packs) {
        const before = await Promise.all([places[0]?.get(one), places[1]?.get(two)]);
        await damages.content(places[0] as Store, one);
        await damages.missing(places[1] as Store, two);
        const report = await reader.verify({ readData: true });
        expect(report.isIntact).toBe(false);
        for (const { sequence, isRestorable } of report.checkpoints) {
          const restored = await reader.restore({ sequence, buffer: inlineBuffer() }).then(
            () => true,
            () => false,
          );
          expect({ one, two, sequence, isRestorable }).toEqual({ one, two, sequence, isRestorable: restored });
          seen.add(restored);
        }
        await places[0]?.put(one, before[0] ?? NOTHING);
        await places[1]?.put(two, before[1] ?? NOTHING);
      }
    }
    expect(seen).toEqual(new Set([false, true]));
    expect((await reader.verify({ readData: true })).isIntact).toBe(true);
  });
});
