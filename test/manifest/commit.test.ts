import { describe, expect, it } from "vitest";
import { FencedError, RunMismatchError, StoreError } from "../../src/errors.ts";
import { commitManifest } from "../../src/manifest/commit.ts";
import { parseManifest, serializeManifest } from "../../src/manifest/serialize.ts";
import { claimEpoch } from "../../src/manifest/writers.ts";
import { manifestOf, nameOf } from "./manifests.ts";
import { type RecordingStore, recordingStore } from "./recording-store.ts";

const NAME = nameOf(2, 7);
const clock = { now: () => 0, monotonicMs: () => 0 };

async function claim(store: RecordingStore, writeId: string): Promise<number> {
  return claimEpoch(store, { run: "run-1", clock, newId: () => writeId });
}

/** A store whose writers 1 and 2 were claimed; 2 is the one that commits. */
async function storeOfWriter2(): Promise<RecordingStore> {
  const store = recordingStore();
  await claim(store, "first");
  expect(await claim(store, "second")).toBe(2);
  store.requests.length = 0;
  return store;
}

describe("committing", () => {
  it("creates the manifest between two looks at the next epoch, in three requests", async () => {
    const store = await storeOfWriter2();
    const committed = await commitManifest(store, manifestOf());
    expect(store.requests).toEqual(["head writers/00000003.json", `put ${NAME}`, "head writers/00000003.json"]);
    expect(committed.name).toBe(NAME);
    const stored = await store.get(NAME);
    expect(parseManifest(stored ?? new Uint8Array(), NAME)).toEqual({ manifest: manifestOf(), hash: committed.hash });
  });

  it("rule 8: is refused before anything is written where a newer writer is known", async () => {
    const store = await storeOfWriter2();
    await claim(store, "third");
    await claim(store, "fourth");
    const failure = await commitManifest(store, manifestOf()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FencedError);
    expect(failure).toMatchObject({ ownEpoch: 2, newestEpoch: 4 });
    expect(store.requests.some((request) => request.startsWith("put checkpoints/"))).toBe(false);
  });

  it("rule 8: fails when a newer writer came while it was written; the name sorts before the newer one's", async () => {
    const store = await storeOfWriter2();
    store.before("put", NAME, async () => void (await claim(store, "third")));
    await expect(commitManifest(store, manifestOf())).rejects.toBeInstanceOf(FencedError);
    expect(await store.head(NAME)).not.toBeNull();
    expect(NAME < nameOf(3, 1)).toBe(true);
  });

  it("takes its own write for a success when the answer was lost", async () => {
    const store = await storeOfWriter2();
    store.failNextPut(NAME, "answer-lost");
    const committed = await commitManifest(store, manifestOf());
    expect(committed.name).toBe(NAME);
    expect(store.requests.filter((request) => request === `put ${NAME}`)).toHaveLength(2);
  });

  it("completes what an earlier try began", async () => {
    const store = await storeOfWriter2();
    store.failNextPut(NAME, "answer-lost");
    store.failNextPut(NAME, "fails");
    await expect(commitManifest(store, manifestOf())).rejects.toBeInstanceOf(StoreError);
    expect((await commitManifest(store, manifestOf())).name).toBe(NAME);
  });

  it("never reads back after a failure: only the answer 'exists' proves that it is durable", async () => {
    const store = await storeOfWriter2();
    store.failNextPut(NAME, "answer-lost");
    store.failNextPut(NAME, "fails");
    await expect(commitManifest(store, manifestOf())).rejects.toBeInstanceOf(StoreError);
    expect(store.requests).not.toContain(`get ${NAME}`);
  });

  it("rule 9: the same name with another write id is an error, and nothing is overwritten", async () => {
    const store = await storeOfWriter2();
    const other = serializeManifest(manifestOf({ writeId: "someone-else" })).bytes;
    store.failNextPut(NAME, { beforehand: other });
    await expect(commitManifest(store, manifestOf())).rejects.toBeInstanceOf(RunMismatchError);
    expect(await store.get(NAME)).toEqual(other);
  });

  it("the same write id with other content is an error too", async () => {
    const store = await storeOfWriter2();
    store.failNextPut(NAME, { beforehand: serializeManifest(manifestOf({ step: 13 })).bytes });
    await expect(commitManifest(store, manifestOf())).rejects.toBeInstanceOf(RunMismatchError);
  });

  it("a second tier gets the same bytes, and looks for epochs in the store only", async () => {
    const [store, local] = [await storeOfWriter2(), recordingStore()];
    const serialized = serializeManifest(manifestOf());
    await commitManifest(local, manifestOf(), { fencedBy: store, serialized });
    await commitManifest(recordingStore(), manifestOf(), { fencedBy: null });
    expect(local.requests).toEqual([`put ${NAME}`]);
    expect(await local.get(NAME)).toEqual(serialized.bytes);
  });
});
