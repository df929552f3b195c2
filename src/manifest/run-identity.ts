import { isVarveError, RunMismatchError, StoreError } from "../errors.ts";
import type { RequestOptions, Store } from "../store/store.ts";
import { parseCheckpointName, RUN_FILE_NAME } from "./names.ts";
import { otherRun, type RunHistory, readManifest } from "./read-history.ts";

/** A checkpoint, and the run that its manifest says it belongs to. */
interface Witness {
  readonly name: string;
  readonly run: string;
}

/**
 * Compares the run file's id with that of the manifests, which have a hash, and the run file has none: written on under
 * another id, a run would fall into two halves that know nothing of each other. One manifest of the run is enough.
 *
 * Cost: one get where the newest manifest is whole and of this run.
 *
 * @param names - of the checkpoints in that store
 * @throws RunMismatchError when there are whole manifests, and none is of the run
 */
export async function assertRunOfManifests(
  store: Store,
  run: string,
  names: readonly string[],
  options: RequestOptions = {},
): Promise<void> {
  let stranger: Witness | null = null;
  for (const name of names
    .filter((each) => parseCheckpointName(each) !== undefined)
    .toSorted()
    .reverse()) {
    const witness = await witnessOf(store, name, options);
    if (witness?.run === run) return;
    stranger ??= witness;
  }
  if (stranger !== null) throw wrongRunFile(store, run, stranger);
}

/** What is broken says nothing; a store that may be back later is no answer. */
async function witnessOf(store: Store, name: string, options: RequestOptions): Promise<Witness | null> {
  try {
    const stored = await readManifest(store, name, options);
    return stored === null ? null : { name, run: stored.manifest.run };
  } catch (error) {
    const isLost = error instanceof StoreError && !error.retryable && error.kind !== "aborted";
    if (isLost || isVarveError(error, "VARVE_CORRUPT", "VARVE_FORMAT_VERSION")) return null;
    throw error;
  }
}

/** The run file's id compared with a history that was read; null where a checkpoint is of that run, or there is none. */
export function runFileProblem(store: Store, run: string, { whole }: RunHistory): RunMismatchError | null {
  const newest = whole.at(-1);
  return newest === undefined || whole.some((header) => header.run === run) ? null : wrongRunFile(store, run, newest);
}

/**
 * The checkpoints of one run: those of another one under the same prefix count as broken.
 *
 * @param run - undefined where there is no run file to say it
 * @throws RunMismatchError when there are whole ones, and none is of the run
 */
export function historyOfRun(store: Store, run: string | undefined, history: RunHistory): RunHistory {
  if (run === undefined) return history;
  const problem = runFileProblem(store, run, history);
  if (problem !== null) throw problem;
  const strangers = history.whole
    .filter((header) => header.run !== run)
    .map(({ name, epoch, sequence, run: other }) => ({ name, epoch, sequence, error: otherRun(name, other, run) }));
  if (strangers.length === 0) return history;
  return {
    whole: history.whole.filter((header) => header.run === run),
    broken: [...history.broken, ...strangers].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function wrongRunFile({ url }: Store, run: string, { name, run: found }: Witness): RunMismatchError {
  return new RunMismatchError(
    `"${RUN_FILE_NAME}" in ${url} says run ${run}, but its checkpoints belong to run ${found} ("${name}")`,
    {
      hint:
        `Nothing was written. Put ${RUN_FILE_NAME} back from the other copy of the run, or write "run":"${found}" ` +
        "into it; where the checkpoints are a stranger's, give each run a place of its own.",
    },
  );
}
