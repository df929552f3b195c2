import { describe, expect, it } from "vitest";
import { commitManifest } from "../../src/manifest/commit.ts";
import { listPins, pinCheckpoint, unpinCheckpoint } from "../../src/manifest/pins.ts";
import { readHistory, readManifest } from "../../src/manifest/read-history.ts";
import { ensureRunFile, readRunFile } from "../../src/manifest/run-file.ts";
import { readStoreClock } from "../../src/manifest/store-clock.ts";
import { assertNewestEpoch, claimEpoch, findNewestEpoch } from "../../src/manifest/writers.ts";
import type { RequestOptions, Store } from "../../src/store/store.ts";
import { manifestOf, nameOf } from "./manifests.ts";
import { recordingStore } from "./recording-store.ts";

/** Notes every request that the caller could not end. */
function withSignals(inner: Store, signal: AbortSignal): { readonly store: Store; readonly deaf: string[] } {
  const deaf: string[] = [];
  const note = (operation: string, options: RequestOptions | undefined): void => {
    if (options?.signal !== signal) deaf.push(operation);
  };
  const store: Store = {
    url: inner.url,
    traits: inner.traits,
    put: (name, bytes, options) => (note(`put ${name}`, options), inner.put(name, bytes, options)),
    get: (name, options) => (note(`get ${name}`, options), inner.get(name, options)),
    head: (name, options) => (note(`head ${name}`, options), inner.head(name, options)),
    list: (prefix, options) => (note(`list ${prefix}`, options), inner.list(prefix, options)),
    delete: (name, options) => (note(`delete ${name}`, options), inner.delete(name, options)),
  };
  return { store, deaf };
}

describe("the caller's signal", () => {
  it("goes along with every request", async () => {
    const { signal } = new AbortController();
    const { store, deaf } = withSignals(recordingStore(), signal);
    const options = { signal, clock: { now: () => 1_000_000, monotonicMs: () => 0 }, newId: () => "id-1" };
    await ensureRunFile(store, options);
    await readRunFile(store, options);
    const epoch = await claimEpoch(store, { ...options, run: "run-1" });
    await claimEpoch(store, { ...options, run: "run-1" });
    const manifest = manifestOf({ epoch: epoch + 1, sequence: 7 });
    await commitManifest(store, manifest, { signal });
    await commitManifest(store, manifest, { signal });
    await expect(assertNewestEpoch(store, epoch, { signal })).rejects.toThrow();
    await findNewestEpoch(store, { signal });
    const name = nameOf(epoch + 1, 7);
    await readManifest(store, name, { signal });
    expect((await readHistory(store, { signal })).whole).toHaveLength(1);
    await pinCheckpoint(store, name, { signal });
    await listPins(store, { signal });
    await unpinCheckpoint(store, name, { signal });
    await readStoreClock(store, 2, { signal });
    expect(deaf).toEqual([]);
  });
});
