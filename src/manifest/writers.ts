import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import type { IdSource } from "../base/ids.ts";
import { CorruptError, FencedError, RunMismatchError } from "../errors.ts";
import type { ListOptions, RequestOptions, Store } from "../store/store.ts";
import { createOwn } from "./create-own.ts";
import { FORMAT_VERSION } from "./manifest.ts";
import {
  CHECKPOINTS_PREFIX,
  MAX_EPOCH,
  parseCheckpointName,
  parseWriterName,
  WRITERS_PREFIX,
  writerName,
} from "./names.ts";
import { readSmallFile, writeSmallFile } from "./small-file.ts";

/** `writers/<epoch>.json`: one per writer of a run. Its number is the epoch (rule 8). */
export interface WriterFile {
  readonly magic: "varve-writer";
  readonly version: number;
  readonly run: string;
  readonly epoch: number;
  readonly writeId: string;
  /** Information only. */
  readonly createdAt: string;
}

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const schema: z.ZodType<WriterFile> = z.object({
  magic: z.literal("varve-writer"),
  version: z.literal(FORMAT_VERSION),
  run: id,
  epoch: z.int().min(1).max(MAX_EPOCH),
  writeId: id,
  createdAt: z.iso.datetime(),
});

export interface ClaimOptions extends RequestOptions {
  readonly run: string;
  readonly clock: Clock;
  readonly newId: IdSource;
}

/**
 * Becomes the newest writer of a run: creates `writers/<epoch>.json` under the first number that is free.
 *
 * Afterwards the caller lists the checkpoints again: something newer than what it restored means that it is fenced.
 *
 * @returns the epoch, 1 for a run's first writer
 */
export async function claimEpoch(store: Store, options: ClaimOptions): Promise<number> {
  const { run, clock, newId, signal } = options;
  const writeId = newId();
  const createdAt = new Date(clock.now()).toISOString();
  for (let epoch = (await findNewestEpoch(store, options)) + 1; epoch <= MAX_EPOCH; epoch++) {
    const file: WriterFile = { magic: "varve-writer", version: FORMAT_VERSION, run, epoch, writeId, createdAt };
    const isOwn = (found: Uint8Array): boolean => writeIdOf(found, writerName(epoch)) === writeId;
    const outcome = await createOwn(store, writerName(epoch), writeSmallFile(file), isOwn, { signal });
    if (outcome.own) return epoch;
  }
  throw new RunMismatchError(`${store.url} has no writer numbers left (${MAX_EPOCH} were used)`);
}

/**
 * The highest epoch that was ever claimed; 0 in a new run. Checkpoints count too, in case someone removed `writers/`.
 *
 * Cost: two listings.
 */
export async function findNewestEpoch(store: Store, options: ListOptions = {}): Promise<number> {
  const { signal, known } = options;
  let newest = 0;
  for await (const { name } of store.list(WRITERS_PREFIX, { signal, known })) {
    newest = Math.max(newest, parseWriterName(name) ?? 0);
  }
  for await (const { name } of store.list(CHECKPOINTS_PREFIX, { signal, known })) {
    newest = Math.max(newest, parseCheckpointName(name)?.epoch ?? 0);
  }
  return newest;
}

/**
 * Checks that no newer writer took over. Epochs are claimed without gaps, so that one request for the next number
 * does.
 *
 * @throws FencedError
 */
export async function assertNewestEpoch(store: Store, ownEpoch: number, options: RequestOptions = {}): Promise<void> {
  const next = await store.head(writerName(ownEpoch + 1), options);
  if (next === null) return;
  throw new FencedError(ownEpoch, Math.max(ownEpoch + 1, await findNewestEpoch(store, options)));
}

/**
 * One writer's file; null if there is none.
 *
 * @throws CorruptError, also when it is the file of another number; FormatVersionError, StoreError
 */
export async function readWriterFile(
  store: Store,
  epoch: number,
  options: RequestOptions = {},
): Promise<WriterFile | null> {
  const name = writerName(epoch);
  const bytes = await store.get(name, options);
  if (bytes === null) return null;
  const file = readSmallFile(schema, bytes, name);
  if (file.epoch !== epoch) throw new CorruptError(name, `it is the file of writer ${file.epoch}`);
  return file;
}

/** Undefined for a file that cannot be read: it is not ours, for ours was whole; the number is taken all the same. */
function writeIdOf(bytes: Uint8Array, name: string): string | undefined {
  try {
    return readSmallFile(schema, bytes, name).writeId;
  } catch {
    return undefined;
  }
}
