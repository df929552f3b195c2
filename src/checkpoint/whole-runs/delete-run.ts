import { systemClock } from "../../base/clock.ts";
import { forEachConcurrently } from "../../base/concurrency.ts";
import { randomId } from "../../base/ids.ts";
import { isVarveError, PruneRefusedError } from "../../errors.ts";
import {
  CHECKPOINTS_PREFIX,
  PACKS_PREFIX,
  PINS_PREFIX,
  parseCheckpointName,
  parsePackName,
  parsePinName,
  parseWriterName,
  RUN_FILE_NAME,
  WRITERS_PREFIX,
} from "../../manifest/names.ts";
import { type RunHistory, readHistory } from "../../manifest/read-history.ts";
import { readRunFile } from "../../manifest/run-file.ts";
import { assertNewestEpoch, claimEpoch, findNewestEpoch } from "../../manifest/writers.ts";
import type { ObjectInfo, Store } from "../../store/store.ts";
import { closedMarker } from "../saver/run-writer.ts";
import { openWhole } from "./open-whole.ts";

export interface DeleteRunOptions {
  readonly store: string | Store;
  /** False: deletes nothing, and says what it would delete. */
  readonly confirmed: boolean;
  /** Also where the newest writer did not close the run, and may still be training. */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

export interface DeleteReport {
  readonly url: string;
  /** Null where the run file cannot be read. */
  readonly run: string | null;
  readonly isDeleted: boolean;
  readonly checkpoints: number;
  readonly newestStep: number | null;
  readonly packs: number;
  /** Of packs and manifests. */
  readonly bytes: number;
  readonly objects: number;
}

/** In the order of deletion: what is half deleted is never half a checkpoint. The run file comes last, by itself. */
const KINDS: readonly { readonly prefix: string; readonly isOurs: (name: string) => boolean }[] = [
  { prefix: CHECKPOINTS_PREFIX, isOurs: (name) => parseCheckpointName(name) !== undefined },
  { prefix: PINS_PREFIX, isOurs: (name) => parsePinName(name) !== undefined },
  { prefix: "quarantine/", isOurs: () => true },
  { prefix: PACKS_PREFIX, isOurs: (name) => parsePackName(name) !== undefined },
  { prefix: "markers/", isOurs: (name) => /^markers\/\d{8}\.json$/.test(name) },
  { prefix: "probe/", isOurs: () => true },
  { prefix: WRITERS_PREFIX, isOurs: (name) => parseWriterName(name.replace(/\.closed$/, ".json")) !== undefined },
];

/** The newest epoch is checked again before every so many deletions (rule 10). */
const BATCH = 100;
const AT_ONCE = 8;

/**
 * Deletes a whole run: manifests from the newest to the oldest, then packs, and the run file last, so that a deletion that
 * was ended can be gone on with, and no checkpoint is ever there in part. Objects that are not of a run stay.
 *
 * @returns null where there is no run
 * @throws PruneRefusedError where a trainer may be at it, unless `force`; FencedError where one opens it meanwhile;
 *   FormatVersionError for a run of a newer version
 */
export async function deleteRun(options: DeleteRunOptions): Promise<DeleteReport | null> {
  const { store, inner } = await openWhole(options.store);
  try {
    return await deleteFrom(store, options);
  } finally {
    await inner.close?.();
  }
}

async function deleteFrom(
  store: Store,
  { confirmed, force = false, signal, onProgress }: DeleteRunOptions,
): Promise<DeleteReport | null> {
  const run = await runOf(store, signal);
  const history = await readHistory(store, { signal });
  // What a newer version wrote is neither read nor deleted.
  const newer = history.broken.find(({ error }) => isVarveError(error, "VARVE_FORMAT_VERSION"));
  if (newer !== undefined) throw newer.error;
  const found = await listAll(store, signal);
  const report = reportOf(store, run ?? null, history, found);
  if (run === undefined && report.objects === 0) return null;
  if (!confirmed) return report;
  if (!force) await assertClosed(store, signal);
  await deleteObjects(store, run ?? null, { signal, onProgress });
  await store.delete(RUN_FILE_NAME, { signal });
  return { ...report, isDeleted: true };
}

async function deleteObjects(
  store: Store,
  run: string | null,
  { signal, onProgress }: Pick<DeleteRunOptions, "signal" | "onProgress">,
): Promise<void> {
  // A trainer that opens the run from here on is noticed, and one that is at it notices.
  const ownEpoch = run === null ? null : await claimEpoch(store, { run, clock: systemClock, newId: randomId, signal });
  // This writer makes no checkpoint: whoever goes on with the deletion need not fear for it.
  if (ownEpoch !== null) await store.put(closedMarker(ownEpoch), new TextEncoder().encode("{}\n"), { signal });
  const kinds = await listAll(store, signal);
  const total = kinds.flat().length;
  let done = 0;
  for (const [kind, objects] of kinds.entries()) {
    const prefix = KINDS[kind]?.prefix;
    for (let from = 0; from < objects.length; from += BATCH) {
      if (ownEpoch !== null && prefix !== WRITERS_PREFIX) await assertNewestEpoch(store, ownEpoch, { signal });
      // Checkpoints one after another: a child goes before its parent.
      const atOnce = prefix === CHECKPOINTS_PREFIX ? 1 : AT_ONCE;
      await forEachConcurrently(objects.slice(from, from + BATCH), atOnce, async ({ name }) => {
        await store.delete(name, { signal });
        done += 1;
        onProgress?.({ done, total });
      });
    }
  }
}

/** Null where the run file cannot be read, undefined where there is none. */
async function runOf(store: Store, signal: AbortSignal | undefined): Promise<string | null | undefined> {
  try {
    return (await readRunFile(store, { signal }))?.run;
  } catch (error) {
    if (!isVarveError(error, "VARVE_CORRUPT")) throw error;
    return null;
  }
}

/** By kind, newest first. */
async function listAll(store: Store, signal: AbortSignal | undefined): Promise<ObjectInfo[][]> {
  const kinds: ObjectInfo[][] = [];
  for (const { prefix, isOurs } of KINDS) {
    const listed = await Array.fromAsync(store.list(prefix, { signal }));
    kinds.push(listed.filter(({ name }) => isOurs(name)).reverse());
  }
  return kinds;
}

async function assertClosed(store: Store, signal: AbortSignal | undefined): Promise<void> {
  const newest = await findNewestEpoch(store, { signal });
  if (newest === 0 || (await store.head(closedMarker(newest), { signal })) !== null) return;
  throw new PruneRefusedError(
    `writer ${newest} of this run did not close it; it may still be training`,
    "If no trainer uses the run (one was killed), run the same command with --force " +
      "(force: true). A trainer that is alive would go on saving a run whose older checkpoints are gone: end it first.",
  );
}

function reportOf(
  store: Store,
  run: string | null,
  { whole }: RunHistory,
  found: readonly ObjectInfo[][],
): DeleteReport {
  const all = found.flat();
  const packs = all.filter(({ name }) => name.startsWith(PACKS_PREFIX));
  const checkpoints = all.filter(({ name }) => name.startsWith(CHECKPOINTS_PREFIX));
  return {
    ...{ url: store.url, run, isDeleted: false, newestStep: whole.at(-1)?.step ?? null },
    checkpoints: checkpoints.length,
    packs: packs.length,
    bytes: [...packs, ...checkpoints].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    objects: all.length + (run === null ? 0 : 1),
  };
}
