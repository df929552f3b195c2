import type { Clock } from "../../base/clock.ts";
import type { IdSource } from "../../base/ids.ts";
import { isVarveError, type VarveError } from "../../errors.ts";
import { CHECKPOINTS_PREFIX, RUN_FILE_NAME } from "../../manifest/names.ts";
import { ensureRunFile, readRunFile } from "../../manifest/run-file.ts";
import type { Store } from "../../store/store.ts";
import type { Tiers } from "./tiers.ts";

/** What one tier says of which run it holds. */
export interface FoundRunFile {
  readonly store: Store;
  /** Null where the file is missing or cannot be read. */
  readonly run: string | null;
  readonly damage: VarveError | null;
}

/**
 * Reads the run file of each tier. One that cannot be read is no obstacle where the other tier says which run it is.
 *
 * @throws CorruptError when one cannot be read and no other is there
 */
export async function readRunFiles({ all }: Tiers, signal: AbortSignal | undefined): Promise<readonly FoundRunFile[]> {
  const found: FoundRunFile[] = [];
  for (const store of all) {
    try {
      found.push({ store, run: (await readRunFile(store, { signal }))?.run ?? null, damage: null });
    } catch (error) {
      if (!isVarveError(error, "VARVE_CORRUPT")) throw error;
      found.push({ store, run: null, damage: error });
    }
  }
  const damage = found.find((each) => each.damage !== null)?.damage ?? null;
  if (damage !== null && found.every(({ run }) => run === null)) throw damage;
  return found;
}

export interface PutBackOptions {
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts the run file of one tier back that is missing beside checkpoints or cannot be read, as the other tier has it. A
 * tier without checkpoints gets its own with the first save.
 *
 * @throws RunMismatchError when its checkpoints belong to another run
 */
export async function putBackRunFiles(found: readonly FoundRunFile[], options: PutBackOptions): Promise<void> {
  const { clock, newId, warn, signal } = options;
  const source = found.find(({ run }) => run !== null);
  if (source === undefined || source.run === null) return;
  for (const { store, run, damage } of found) {
    if (run !== null || (damage === null && !(await hasCheckpoints(store, signal)))) continue;
    await ensureRunFile(store, { clock, newId, run: source.run, signal });
    const was = damage === null ? "was missing" : "could not be read";
    warn(`${RUN_FILE_NAME} ${was} in ${store.url} and is put back: run ${source.run}, as in ${source.store.url}`);
  }
}

async function hasCheckpoints(store: Store, signal: AbortSignal | undefined): Promise<boolean> {
  for await (const _ of store.list(CHECKPOINTS_PREFIX, { signal })) return true;
  return false;
}
