import { RunMismatchError } from "../errors.ts";
import type { RequestOptions, Store } from "../store/store.ts";
import { createOwn } from "./create-own.ts";
import type { Manifest } from "./manifest.ts";
import { checkpointName } from "./names.ts";
import { parseManifest, type SerializedManifest, serializeManifest } from "./serialize.ts";
import { assertNewestEpoch } from "./writers.ts";

export interface CommittedManifest extends SerializedManifest {
  readonly name: string;
}

export interface CommitOptions extends RequestOptions {
  /**
   * The store whose `writers/` decide who may commit; the same one by default. Of two tiers it is always the remote
   * one: the store alone gives epochs (rule 8). null: no check, for a local tier that is fenced by its caller.
   */
  readonly fencedBy?: Store | null | undefined;
  /** The manifest's bytes, where they are known already: the second tier gets those of the first. */
  readonly serialized?: SerializedManifest | undefined;
}

/**
 * Commits a checkpoint: creates its manifest. All packs that it names must have been acknowledged before (rule 6).
 *
 *   no newer epoch? -> create if absent -> ours, if it was there already? -> still no newer epoch?
 *
 * Called again with the same manifest after a failure, it completes what was begun.
 *
 * @throws FencedError when another writer took over; after the second check the manifest is there all the same, and
 *   sorts before everything of its successor
 * @throws RunMismatchError when another write has the name
 */
export async function commitManifest(
  store: Store,
  manifest: Manifest,
  options: CommitOptions = {},
): Promise<CommittedManifest> {
  const { signal, fencedBy = store } = options;
  const name = checkpointName(manifest);
  const serialized = options.serialized ?? serializeManifest(manifest, name);
  if (fencedBy !== null) await assertNewestEpoch(fencedBy, manifest.epoch, { signal });
  // The hash covers the write id too: whatever has it is this write, with this content.
  const isOwn = (found: Uint8Array): boolean => parseManifest(found, name).hash === serialized.hash;
  const outcome = await createOwn(store, name, serialized.bytes, isOwn, { signal });
  if (!outcome.own) {
    throw new RunMismatchError(`${store.url} holds another checkpoint under the name ${name}`, {
      hint: "Two writers used the same store and epoch, or the store was copied. Nothing was overwritten.",
    });
  }
  if (fencedBy !== null) await assertNewestEpoch(fencedBy, manifest.epoch, { signal });
  return { name, ...serialized };
}
