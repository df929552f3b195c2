import { existsSync } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type CheckpointReader, ConfigError, isVarveError } from "../index.ts";
import { type ExportPosition, readBatches } from "./export-batches.ts";
import { ExportJournal, type FoundJournal } from "./export-journal.ts";
import { withExportLock } from "./export-lock.ts";
import { type ExportFormat, type ExportPlan, type ExportRequest, planExport } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { fileErrorCode, withFileErrors } from "./file-errors.ts";
import { createNpzWriter } from "./npz-writer.ts";
import { parquetWriter } from "./parquet-writer.ts";
import { syncFolderOf } from "./random-access-file.ts";
import { safetensorsWriter } from "./safetensors-writer.ts";
import { zarrWriter } from "./zarr-writer.ts";

export interface ExportOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void) | undefined;
  /** Told where something that an earlier process left is begun anew. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Removes what was begun of a checkpoint that turned out to be damaged; kept by default, to go on from when mended. */
  readonly removesDamaged?: boolean | undefined;
  /** For tests: bytes after which it is noted how far the export is. */
  readonly settleBytes?: number | undefined;
}

export interface ExportReport {
  readonly path: string;
  readonly format: ExportFormat;
  readonly step: number;
  readonly sequence: number;
  readonly buffer: string | null;
  readonly transitions: number;
  readonly arrays: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  /** Of all arrays, not compressed. */
  readonly bytes: number;
  /** Of what lies at `path`. */
  readonly bytesOnDisk: number;
  /** `complete`: it was there already, whole; nothing was written. */
  readonly outcome: "written" | "resumed" | "complete";
}

const writers: Readonly<Record<ExportFormat, ExportWriter>> = {
  npz: createNpzWriter(),
  safetensors: safetensorsWriter,
  parquet: parquetWriter,
  zarr: zarrWriter,
};

/** Seldom enough to cost nothing, often enough to lose little. */
const SETTLE_BYTES = 128 * 1024 * 1024;

/**
 * Writes a checkpoint in another library's format: under a temporary name, which becomes `path` when all is there.
 *
 * Ended before, the same export goes on where it was: how far it is lies in `<path>.partial.json`. Memory: that of a
 * CheckpointReader, and a few batches.
 *
 * @throws ConfigError where `path` exists and is something else; what the checkpoint or the disk throws
 */
export async function exportCheckpoint(
  reader: CheckpointReader,
  path: string,
  request: ExportRequest,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const plan = await planExport(reader, request);
  return withFileErrors("write", path, () => write(reader, path, plan, options));
}

async function write(
  reader: CheckpointReader,
  path: string,
  plan: ExportPlan,
  options: ExportOptions,
): Promise<ExportReport> {
  const writer = writers[plan.format];
  if (existsSync(path)) {
    if (await isResultOf(writer, path, plan)) return reportOf(reader, path, plan, "complete");
    throw new ConfigError(`${path} exists already, and is not this export`, {
      hint: "Remove it, or give another name; nothing was written.",
    });
  }
  const partial = `${path}.partial`;
  return withExportLock(partial, async () => {
    try {
      return await writePartial(reader, path, plan, options, partial);
    } catch (error) {
      if (options.removesDamaged !== true || !isVarveError(error, "VARVE_CORRUPT")) throw error;
      // The note first: it must not outlive what it speaks of.
      for (const name of [`${partial}.json`, partial]) await rm(name, { recursive: true, force: true });
      throw error;
    }
  });
}

async function writePartial(
  reader: CheckpointReader,
  path: string,
  plan: ExportPlan,
  options: ExportOptions,
  partial: string,
): Promise<ExportReport> {
  const writer = writers[plan.format];
  const journal = new ExportJournal(`${partial}.json`, plan);
  const resumed = await findResumed(writer, journal, partial, plan, options);
  const begin: ExportPosition = resumed?.position ?? { section: 0, done: 0 };
  // What is begun anew must not be taken for what an older note says of it.
  if (resumed === null) await journal.remove();
  const target = await writer.open(partial, plan, resumed?.resume ?? null);
  try {
    await copyAll(reader, plan, target, journal, begin, options);
    await target.finish();
  } finally {
    await target.close();
  }
  await rename(partial, path);
  await syncFolderOf(path);
  await journal.remove();
  return reportOf(reader, path, plan, resumed === null ? "written" : "resumed");
}

/** What an earlier process noted, where it can be gone on with; else it is told why not, and null. */
async function findResumed(
  writer: ExportWriter,
  journal: ExportJournal,
  partial: string,
  plan: ExportPlan,
  { signal, onWarning }: ExportOptions,
): Promise<Extract<FoundJournal, { kind: "own" }> | null> {
  const found = await journal.read();
  const isThere = existsSync(partial);
  if (found.kind !== "own" || !isThere) {
    if (found.kind === "none" && !isThere) return null;
    onWarning?.(`${partial} was left by another export, or one that had not come far: it is begun anew`);
    return null;
  }
  // Cut short by a copy or a loss of power, it would become part of a result that looks whole.
  if (await writer.isAsSettled(partial, plan, found.resume, signal)) return found;
  onWarning?.(`${partial} is not as it was written, or lacks a part of it: it is begun anew`);
  return null;
}

/** A folder where a file is expected, or the other way round, is something else. */
async function isResultOf(writer: ExportWriter, path: string, plan: ExportPlan): Promise<boolean> {
  try {
    return await writer.isResultOf(path, plan);
  } catch (error) {
    if (!["EISDIR", "ENOTDIR", "ENOENT"].includes(fileErrorCode(error) ?? "")) throw error;
    return false;
  }
}

async function copyAll(
  reader: CheckpointReader,
  plan: ExportPlan,
  target: ExportTarget,
  journal: ExportJournal,
  begin: ExportPosition,
  { signal, onProgress, settleBytes = SETTLE_BYTES }: ExportOptions,
): Promise<void> {
  let bytesDone = bytesBefore(plan, begin);
  let unsettled = 0;
  let isWriting = false;
  let position = begin;
  const settle = async (): Promise<void> => {
    await journal.write(position, await target.settle());
    unsettled = 0;
  };
  onProgress?.({ bytesDone, bytesTotal: plan.bytes });
  try {
    for await (const batch of readBatches(reader, plan, begin, signal)) {
      isWriting = true;
      await target.write(batch);
      isWriting = false;
      position = { section: batch.section, done: batch.to };
      const bytes = [...batch.arrays.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
      bytesDone += bytes;
      unsettled += bytes;
      onProgress?.({ bytesDone, bytesTotal: plan.bytes });
      if (unsettled >= settleBytes) await settle();
      // What is read from memory hears of no signal.
      signal?.throwIfAborted();
    }
  } catch (error) {
    // Ctrl-C, a store that went away: what was read is kept. After half a write nobody knows what is there.
    if (!isWriting && unsettled > 0) await settle();
    throw error;
  }
}

function bytesBefore({ sections, arrays }: ExportPlan, { section, done }: ExportPosition): number {
  return sections.slice(0, section + 1).reduce((sum, each, number) => {
    const length = each.to - each.from;
    const part = number < section || length === 0 ? 1 : done / length;
    const own = arrays.filter(({ name }) =>
      each.kind === "rows" ? !/^(frames|state)\//.test(name) : name === each.array,
    );
    return sum + part * own.reduce((bytes, array) => bytes + array.bytes, 0);
  }, 0);
}

async function reportOf(
  reader: CheckpointReader,
  path: string,
  plan: ExportPlan,
  outcome: ExportReport["outcome"],
): Promise<ExportReport> {
  const { format, buffer, sections, arrays } = plan;
  const [rows] = sections;
  return {
    ...{ path, format, step: reader.step, sequence: reader.sequence, buffer, bytes: plan.bytes, outcome },
    bytesOnDisk: await sizeOnDisk(path),
    transitions: rows?.kind === "rows" ? rows.to - rows.from : 0,
    arrays: arrays.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  };
}

/** Of a file, or of all files in a folder. */
async function sizeOnDisk(path: string): Promise<number> {
  const own = await stat(path);
  if (!own.isDirectory()) return own.size;
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
