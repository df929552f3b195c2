import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import type { IdSource } from "../base/ids.ts";
import { CorruptError, FormatVersionError, isVarveError, RunMismatchError } from "../errors.ts";
import type { RequestOptions, Store } from "../store/store.ts";
import { createOwn } from "./create-own.ts";
import { FORMAT_VERSION } from "./manifest.ts";
import { CHECKPOINTS_PREFIX, RUN_FILE_NAME } from "./names.ts";
import { assertRunOfManifests } from "./run-identity.ts";
import { knownFeatures } from "./serialize.ts";
import { readSmallFile, writeSmallFile } from "./small-file.ts";

/** `varve.json`: says that a folder or prefix is a run, and which one. Written once, before anything else. */
export interface RunFile {
  readonly magic: "varve-run";
  readonly version: number;
  /** Features that a reader must know; an unknown one means: do not read, write or delete anything of the run. */
  readonly requires: readonly string[];
  readonly run: string;
  readonly writeId: string;
  /** Information only. */
  readonly createdAt: string;
}

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const schema: z.ZodType<RunFile> = z.object({
  magic: z.literal("varve-run"),
  version: z.literal(FORMAT_VERSION),
  requires: z.array(z.string().max(64)).max(64),
  run: id,
  writeId: id,
  createdAt: z.iso.datetime(),
});

/** @throws CorruptError, FormatVersionError */
export function parseRunFile(bytes: Uint8Array): RunFile {
  const file = readSmallFile(schema, bytes, RUN_FILE_NAME);
  const unknown = file.requires.find((feature) => !knownFeatures.includes(feature));
  if (unknown !== undefined)
    throw new FormatVersionError(RUN_FILE_NAME, `it requires the unknown feature "${unknown}"`);
  return file;
}

/** The run that lives in a store; null if there is none. @throws CorruptError, FormatVersionError, StoreError */
export async function readRunFile(store: Store, options: RequestOptions = {}): Promise<RunFile | null> {
  const bytes = await store.get(RUN_FILE_NAME, options);
  return bytes === null ? null : parseRunFile(bytes);
}

export interface EnsureRunOptions extends RequestOptions {
  readonly clock: Clock;
  readonly newId: IdSource;
  /** The id that the run must have: that of the other tier, or what it had when it was opened. */
  readonly run?: string | undefined;
}

/**
 * Reads the run file, or creates it where there is none. Of several that create it at once one wins, and all get its.
 * Where `options.run` is known, a file that is missing beside checkpoints of that run, or cannot be read, is put back.
 *
 * @throws RunMismatchError when the store holds another run than `options.run`
 * @throws CorruptError when the file is missing although there are checkpoints, and no run is known: a new id would
 *   disown them; or when it cannot be read
 */
export async function ensureRunFile(store: Store, options: EnsureRunOptions): Promise<RunFile> {
  const file = (await readOrReplace(store, options)) ?? (await createRunFile(store, options));
  if (options.run !== undefined && file.run !== options.run) {
    throw new RunMismatchError(`${store.url} holds run ${file.run}, expected ${options.run}`, {
      hint: `A store and a local folder that are used together must belong to the same run. If only ${RUN_FILE_NAME} has changed, put it back.`,
    });
  }
  return file;
}

async function readOrReplace(store: Store, options: EnsureRunOptions): Promise<RunFile | null> {
  const { run, signal } = options;
  try {
    return await readRunFile(store, { signal });
  } catch (error) {
    if (run === undefined || !isVarveError(error, "VARVE_CORRUPT")) throw error;
    await assertRunOfManifests(store, run, await checkpointsIn(store, signal), { signal });
    const file = newRunFile(options, run);
    // Whoever else puts it back says the same run.
    await store.put(RUN_FILE_NAME, writeSmallFile(file), { signal });
    return file;
  }
}

async function createRunFile(store: Store, options: EnsureRunOptions): Promise<RunFile> {
  const { newId, run, signal } = options;
  const names = await checkpointsIn(store, signal);
  if (run !== undefined) await assertRunOfManifests(store, run, names, { signal });
  else if (names[0] !== undefined) throw new CorruptError(RUN_FILE_NAME, `it is missing, though there is ${names[0]}`);
  const file = newRunFile(options, run ?? newId());
  const isOwn = (found: Uint8Array): boolean => parseRunFile(found).writeId === file.writeId;
  const outcome = await createOwn(store, RUN_FILE_NAME, writeSmallFile(file), isOwn, { signal });
  return outcome.own ? file : parseRunFile(outcome.found);
}

function newRunFile({ clock, newId }: EnsureRunOptions, run: string): RunFile {
  return {
    magic: "varve-run",
    version: FORMAT_VERSION,
    requires: [],
    run,
    writeId: newId(),
    createdAt: new Date(clock.now()).toISOString(),
  };
}

async function checkpointsIn(store: Store, signal: AbortSignal | undefined): Promise<string[]> {
  return (await Array.fromAsync(store.list(CHECKPOINTS_PREFIX, { signal }))).map(({ name }) => name);
}
