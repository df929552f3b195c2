import { forEachConcurrently } from "../../base/concurrency.ts";
import { isVarveError } from "../../errors.ts";
import { parseWriterName, RUN_FILE_NAME } from "../../manifest/names.ts";
import type { RunHistory } from "../../manifest/read-history.ts";
import { readRunFile } from "../../manifest/run-file.ts";
import { runFileProblem } from "../../manifest/run-identity.ts";
import { readWriterFile } from "../../manifest/writers.ts";
import type { Store } from "../../store/store.ts";

const WRITERS_AT_ONCE = 4;

/** What the run file and the writers' files of a tier say: whose run it is. They have no checksum. */
export interface RunLabels {
  /** Of the run file; null where it is not there or cannot be read. */
  readonly run: string | null;
  /** By object, those that are whole. */
  readonly whole: ReadonlySet<string>;
  /** By object, what is wrong with the others. */
  readonly problems: ReadonlyMap<string, string>;
}

/** Compares them with the manifests, which have a hash. @param writers - names of the writers' files */
export async function inspectLabels(
  store: Store,
  history: RunHistory,
  writers: readonly string[],
  signal: AbortSignal,
): Promise<RunLabels> {
  const problems = new Map<string, string>();
  const whole = new Set<string>();
  const inspect = async (name: string, check: () => Promise<string | null>): Promise<void> => {
    try {
      const problem = await check();
      if (problem === null) whole.add(name);
      else problems.set(name, problem);
    } catch (error) {
      signal.throwIfAborted();
      // Of a newer version nothing may be told but that.
      if (!isVarveError(error) || error.code === "VARVE_FORMAT_VERSION") throw error;
      problems.set(name, error.message);
    }
  };
  let run: string | null = null;
  await inspect(RUN_FILE_NAME, async () => {
    const file = await readRunFile(store, { signal });
    if (file === null) {
      const newest = history.whole.at(-1);
      return newest === undefined ? null : `"${RUN_FILE_NAME}" is missing: the checkpoints belong to run ${newest.run}`;
    }
    run = file.run;
    return runFileProblem(store, file.run, history)?.message ?? null;
  });
  // One that need not be there yet cannot be put back from here.
  if (run === null) whole.delete(RUN_FILE_NAME);
  const expected = problems.has(RUN_FILE_NAME) ? history.whole.at(-1)?.run : (run ?? undefined);
  await forEachConcurrently(writers, WRITERS_AT_ONCE, (name) =>
    inspect(name, async () => {
      const epoch = parseWriterName(name);
      const file = epoch === undefined ? null : await readWriterFile(store, epoch, { signal });
      if (file === null || expected === undefined || file.run === expected) return null;
      return `"${name}" says run ${file.run}, expected ${expected}`;
    }),
  );
  return { run, whole, problems };
}
