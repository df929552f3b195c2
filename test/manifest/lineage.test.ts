import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatVersionError, RunMismatchError, StoreError } from "../../src/errors.ts";
import {
  branchEnds,
  byPreference,
  descendsFrom,
  findStep,
  type LineageNode,
  lineageOf,
  newestOf,
} from "../../src/manifest/lineage.ts";
import type { Manifest } from "../../src/manifest/manifest.ts";
import { checkpointName } from "../../src/manifest/names.ts";
import { listCheckpoints, readHistory, readManifest } from "../../src/manifest/read-history.ts";
import { serializeManifest } from "../../src/manifest/serialize.ts";
import type { Store } from "../../src/store/store.ts";
import { manifestOf, nameOf } from "./manifests.ts";
import { recordingStore } from "./recording-store.ts";

function node(epoch: number, sequence: number, step: number, parent: LineageNode | null): LineageNode {
  const ref = parent === null ? null : { name: parent.name, hash: parent.hash };
  return { epoch, sequence, step, parent: ref, name: nameOf(epoch, sequence), hash: `hash of ${sequence}` };
}

/**
 *  epoch 1   1 ── 2 ── 3 ── 4      steps 10, 20, 30, 40
 *  epoch 2         └── 5 ── 6      steps 30, 40
 */
const first = node(1, 1, 10, null);
const second = node(1, 2, 20, first);
const third = node(1, 3, 30, second);
const fourth = node(1, 4, 40, third);
const fifth = node(2, 5, 30, second);
const sixth = node(2, 6, 40, fifth);
const all = [fourth, sixth, first, fifth, third, second];

const sequences = (nodes: readonly LineageNode[]): number[] => nodes.map(({ sequence }) => sequence);

describe("lineage", () => {
  it("goes from a checkpoint back to the first", () => {
    expect(sequences(lineageOf(all, sixth.name))).toEqual([6, 5, 2, 1]);
    expect(sequences(lineageOf(all, fourth.name))).toEqual([4, 3, 2, 1]);
    expect(lineageOf(all, nameOf(9, 9))).toEqual([]);
  });

  it("ends where a parent is gone, or is not what it was", () => {
    expect(sequences(lineageOf([sixth, fifth, first], sixth.name))).toEqual([6, 5]);
    expect(sequences(lineageOf([sixth, { ...fifth, hash: "other" }], sixth.name))).toEqual([6]);
  });

  it("prefers the newest lineage, then what only older ones have", () => {
    expect(newestOf(all)?.sequence).toBe(6);
    expect(sequences(byPreference(all))).toEqual([6, 5, 2, 1, 4, 3]);
    expect(sequences(branchEnds(all))).toEqual([6, 4]);
  });

  it("finds a step in the newest lineage that has it", () => {
    expect(findStep(all, 30)?.sequence).toBe(5);
    expect(findStep(all, 20)?.sequence).toBe(2);
    expect(findStep([fourth, third, second, first, fifth], 40)?.sequence).toBe(4);
    expect(findStep(all, 99)).toBeUndefined();
  });

  it("knows what descends from what, also where the ancestor itself is not listed", () => {
    expect(descendsFrom(all, sixth.name, second)).toBe(true);
    expect(descendsFrom(all, sixth.name, third)).toBe(false);
    expect(descendsFrom([sixth, fifth], sixth.name, second)).toBe(true);
    expect(descendsFrom(all, sixth.name, { ...second, hash: "other" })).toBe(false);
  });

  it("of any forest lists every checkpoint once, children before parents", () => {
    const forest = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: -1, max: 30 })), { maxLength: 25 });
    fc.assert(
      fc.property(forest, (shape) => {
        const nodes: LineageNode[] = [];
        for (const [place, [epoch, parent]] of shape.entries()) {
          nodes.push(node(epoch + 1, place + 1, place, nodes[parent] ?? null));
        }
        const ordered = byPreference(nodes);
        expect(new Set(ordered.map(({ name }) => name)).size).toBe(nodes.length);
        expect(ordered[0]).toBe(newestOf(nodes));
      }),
    );
  });
});

async function commit(store: Store, changes: Partial<Manifest>): Promise<string> {
  const manifest = manifestOf({ parent: null, ...changes });
  await store.put(checkpointName(manifest), serializeManifest(manifest).bytes);
  return checkpointName(manifest);
}

describe("reading a run's history", () => {
  it("gives whole checkpoints and broken ones apart, each from oldest to newest", async () => {
    const store = recordingStore();
    await commit(store, { epoch: 1, sequence: 1 });
    await commit(store, { epoch: 2, sequence: 3 });
    await commit(store, { epoch: 2, sequence: 2 });
    await store.put(nameOf(2, 9), new TextEncoder().encode("torn"));
    await store.put(nameOf(3, 4), serializeManifest(manifestOf({ parent: null, epoch: 3, sequence: 5 })).bytes);
    await store.put("checkpoints/notes.txt", new Uint8Array(1));
    const { whole, broken } = await readHistory(store, { run: "run-1" });
    expect(whole.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(whole[0]).not.toHaveProperty("state");
    expect(broken.map(({ name, error }) => [name, error.code])).toEqual([
      [nameOf(2, 9), "VARVE_CORRUPT"],
      [nameOf(3, 4), "VARVE_CORRUPT"],
    ]);
    expect((await listCheckpoints(store)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 9, 4]);
  });

  it("tells absent from unreadable, too new, and another run's", async () => {
    const store = recordingStore();
    expect(await readManifest(store, nameOf(1, 1))).toBeNull();
    const name = await commit(store, { epoch: 1, sequence: 1, run: "other" });
    await expect(readManifest(store, name, { run: "run-1" })).rejects.toBeInstanceOf(RunMismatchError);
    const { broken } = await readHistory(store, { run: "run-1" });
    expect(broken).toHaveLength(1);
    const text = JSON.stringify({ magic: "varve-manifest", version: 3, requires: [] }).slice(0, -1);
    const { createHash } = await import("node:crypto");
    const hash = createHash("sha256").update(text).digest("hex");
    await store.put(nameOf(1, 2), new TextEncoder().encode(`${text},"hash":"${hash}"}`));
    await expect(readManifest(store, nameOf(1, 2))).rejects.toBeInstanceOf(FormatVersionError);
  });

  it("passes over a checkpoint that is deleted meanwhile, and lists one that cannot be fetched", async () => {
    const store = recordingStore();
    const gone = await commit(store, { sequence: 1 });
    await commit(store, { sequence: 2 });
    const unreachable = await commit(store, { sequence: 3 });
    store.before("get", gone, () => store.delete(gone));
    const failure = new StoreError("timeout", "get", unreachable, "no answer");
    store.before("get", unreachable, () => Promise.reject(failure));
    const history = await readHistory(store);
    expect(history.whole.map(({ sequence }) => sequence)).toEqual([2]);
    expect(history.broken.map(({ name, error }) => [name, error])).toEqual([[unreachable, failure]]);
  });

  it("lists again where one was deleted: whoever did that has made a newer one", async () => {
    const store = recordingStore();
    const [first, pinned] = [await commit(store, { sequence: 2 }), await commit(store, { sequence: 1 })];
    const torn = nameOf(2, 3);
    await store.put(torn, new TextEncoder().encode("torn"));
    store.before("get", first, async () => {
      await commit(store, { sequence: 4 });
      await store.delete(first);
      await store.delete(torn);
    });
    const { whole, broken } = await readHistory(store);
    expect(whole.map(({ sequence }) => sequence)).toEqual([1, 4]);
    expect(broken).toEqual([]);
    expect(store.requests.filter((request) => request === `get ${pinned}`)).toHaveLength(1);
  });

  it("ends when it is aborted: that says nothing about a checkpoint", async () => {
    const store = recordingStore();
    const name = await commit(store, { sequence: 1 });
    store.before("get", name, () => Promise.reject(new StoreError("aborted", "get", name, "by its caller")));
    await expect(readHistory(store)).rejects.toMatchObject({ kind: "aborted" });
  });
});
