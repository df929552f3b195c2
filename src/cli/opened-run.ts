import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Checkpointer, type CheckpointerOptions, type CheckpointInfo, ConfigError, isVarveError } from "../index.ts";
import { storeNamed } from "./cloud-store.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { quoteForShell } from "./format.ts";
import { isInMemory, localFolderOf } from "./train-place.ts";

/**
 * @param given - as the person wrote it
 * @throws ConfigError where the folder of a run does not exist: a misspelt name is no empty run
 */
export function assertFolder(folder: string, given: string): void {
  if (existsSync(folder)) return;
  throw new ConfigError(`There is no run at ${given}: no such folder`, {
    hint: `Name the folder that the run was saved in; from here that is looked for at ${resolve(folder)}.`,
  });
}

/**
 * @param what - as the help of the command calls it
 * @throws ConfigError for a store in memory: all that a command would put there is gone when it has ended
 */
export function assertLasting(store: string, what: string): void {
  if (!isInMemory(store)) return;
  throw new ConfigError(`Expected ${what} to be a place that outlasts this command, got ${store}`, {
    hint: "A memory:// store ends with its process. Name a folder, or the URL of a store in a cloud.",
  });
}

/**
 * Opens a run for one command and closes it afterwards.
 *
 * @throws ConfigError where the store is a folder that does not exist: a misspelt name is no empty run
 */
export async function withRun<T>(
  options: CheckpointerOptions & { store: string },
  work: (run: Checkpointer) => Promise<T>,
): Promise<T> {
  const folder = localFolderOf({ store: options.store, local: undefined });
  if (folder !== null) assertFolder(folder, options.store);
  const run = await Checkpointer.open({ ...options, store: await storeNamed(options.store) });
  try {
    return await work(run);
  } finally {
    await run.close();
  }
}

/**
 * The checkpoints of a run that must have some.
 *
 * @throws ConfigError where there are none
 */
export async function listSome(run: Checkpointer, store: string): Promise<readonly CheckpointInfo[]> {
  const checkpoints = await run.list();
  if (checkpoints.length === 0) throw noCheckpoint(store);
  return checkpoints;
}

/** @param place - as the person named it */
export function noCheckpoint(place: string): ConfigError {
  return new ConfigError(`${place} holds no checkpoint`, {
    hint: "Name the folder or URL that a run was saved in; varve train says it when it begins.",
  });
}

/** What was read of a run, and whether that is all of it. */
export interface ReadableRun<T> {
  /** Null where no checkpoint can be read. */
  readonly found: T | null;
  readonly isDamaged: boolean;
}

/**
 * Looks at a run as far as it can be read; each damaged checkpoint is a warning, followed by what to do about them.
 *
 * @param look - is given those that can be read, oldest first
 */
export async function lookAtRun<T>(
  output: ConsoleOutput,
  store: string,
  look: (run: Checkpointer, checkpoints: readonly CheckpointInfo[]) => Promise<T> | T,
): Promise<ReadableRun<T>> {
  const warnings: string[] = [];
  const options: CheckpointerOptions & { store: string } = {
    store,
    readOnly: true,
    log: (event) => {
      if (event.kind === "warning") warnings.push(event.message);
    },
  };
  const read = await withRun(options, async (run): Promise<ReadableRun<T>> => {
    try {
      const found = await look(run, await run.list());
      return { found, isDamaged: warnings.length > 0 };
    } catch (error) {
      if (!isVarveError(error, "VARVE_NO_INTACT_CHECKPOINT")) throw error;
      return { found: null, isDamaged: true };
    }
  });
  for (const warning of warnings) output.warn(`WARNING: ${warning}`);
  if (read.isDamaged) tellRepair(output, store);
  return read;
}

/** What to do about damage. */
export function tellRepair(output: ConsoleOutput, store: string): void {
  const place = quoteForShell(store);
  output.warn(`  All that is damaged: varve verify ${place}`);
  output.warn(`  To move it aside: varve prune ${place} --quarantine`);
}
