import { describe, expect, it } from "vitest";
import { compareTiers } from "../../../src/checkpoint/saver/missing-checkpoints.ts";
import type { Store } from "../../../src/index.ts";
import { parseManifest } from "../../../src/manifest/serialize.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { nameOf, sha } from "../../manifest/manifests.ts";
import { startSession } from "../session-of-test.ts";

const KEEP_ALL = { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
const NOTHING = new Uint8Array(0);

/** Checkpoints in both tiers. */
async function savedInBoth(count: number): Promise<{ readonly first: Store; readonly second: Store }> {
  const [first, second] = [createMemoryStore(), createMemoryStore()];
  const session = await startSession({ remote: second, localStore: first });
  for (let save = 0; save < count; save++) {
    session.save();
    await session.idle();
  }
  return { first, second };
}

const packsOf = async (store: Store, name: string): Promise<string[]> =>
  parseManifest((await store.get(name)) ?? NOTHING, name).manifest.packs.map((pack) => pack.name);

describe("two tiers compared", () => {
  it("lists what is to be sent from oldest to newest, gaps before what is newer", async () => {
    const { first, second } = await savedInBoth(5);
    for (const sequence of [2, 1, 5, 4]) await second.delete(nameOf(1, sequence));
    const { missing, alreadyThere, unrelated } = await compareTiers(first, second, KEEP_ALL);
    expect(missing.map(({ sequence }) => sequence)).toEqual([1, 2, 4, 5]);
    expect({ alreadyThere, unrelated }).toEqual({ alreadyThere: [nameOf(1, 3)], unrelated: [] });
  });

  it("knows which packs the store has: in the right size where a checkpoint tells it, in any where none does", async () => {
    const { first, second } = await savedInBoth(1);
    const [named = ""] = await packsOf(first, nameOf(1, 1));
    const [unnamed, absent] = [`packs/00000001-${sha("e")}.pack`, `packs/00000001-${sha("f")}.pack`];
    await second.put(unnamed, new Uint8Array(7));
    const before = await compareTiers(first, second, KEEP_ALL);
    expect([named, unnamed, absent].map(before.isThere)).toEqual([true, true, false]);
    await second.put(named, new Uint8Array(7));
    expect((await compareTiers(first, second, KEEP_ALL)).isThere(named)).toBe(false);
  });

  it("tells damage from oldest to newest, whatever is damaged", async () => {
    const { first, second } = await savedInBoth(3);
    const known = new Set([...(await packsOf(first, nameOf(1, 1))), ...(await packsOf(first, nameOf(1, 2)))]);
    const lost = (await packsOf(first, nameOf(1, 3))).filter((name) => !known.has(name));
    for (const store of [first, second]) for (const name of lost) await store.delete(name);
    for (const sequence of [2, 1]) await second.put(nameOf(1, sequence), NOTHING);
    const { broken } = await compareTiers(first, second, KEEP_ALL);
    const checkpoints = [...new Set(broken.map(({ checkpoint }) => checkpoint))];
    expect(checkpoints).toEqual([nameOf(1, 1), nameOf(1, 2), nameOf(1, 3)]);
    expect(broken.filter(({ checkpoint }) => checkpoint === nameOf(1, 3)).map(({ object }) => object)).toEqual(lost);
  });
});
