import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { compressZstd, decompressZstd } from "../base/zstd.ts";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { fileErrorCode } from "./file-errors.ts";
import { syncFolder } from "./random-access-file.ts";
import { chunkName, finishedChunks, layOutChunks, openRows, type ZarrChunks } from "./zarr-chunks.ts";
import { arrayMetadata, groupMetadata, METADATA, plainGroup, ZSTD_LEVEL } from "./zarr-metadata.ts";

/** A Zarr v3 group: one array for each column, chunked along the first axis. */
export const zarrWriter: ExportWriter = {
  async open(path, plan, resume): Promise<ExportTarget> {
    if (resume === null) await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    const target = new ZarrTarget(path, plan, (resume ?? {}) as Resume);
    await target.readOpenChunks();
    return target;
  },
  async isAsSettled(path, plan, resume, signal): Promise<boolean> {
    for (const chunks of layOutChunks(plan)) {
      const noted = (resume as Resume)[chunks.array.name];
      if (noted !== undefined && !(await isAsNoted(path, chunks, noted, signal))) return false;
    }
    return true;
  },
  async isResultOf(path, plan): Promise<boolean> {
    return (await readFile(join(path, METADATA), "utf8")) === groupMetadata(plan);
  },
};

/** What was written of an array. */
interface Written {
  readonly rows: number;
  /** CRC-32 of the files of all chunks that nothing is added to any more, one after another. */
  readonly crc: number;
  /** CRC-32 of the rows in the chunk that is not full, not compressed. Its file may hold more of them by now. */
  readonly openCrc: number;
}

type Resume = Readonly<Record<string, Written>>;

/** An array that is being written; its rows that do not fill a chunk yet are in memory. */
interface OpenArray extends ZarrChunks {
  rows: number;
  crc: number;
  /** Of one chunk; null before the first row and after the last: of many arrays, few are under way together. */
  bytes: Uint8Array | null;
}

/** Written under this name first, which no array has: a chunk is never there in part. The next one replaces a leftover. */
const UNFINISHED = ".unfinished";

class ZarrTarget implements ExportTarget {
  readonly #path: string;
  readonly #plan: ExportPlan;
  readonly #arrays: ReadonlyMap<string, OpenArray>;
  /** Folders in which names came into being since the last sync. */
  readonly #unsynced = new Set<string>();

  constructor(path: string, plan: ExportPlan, resume: Resume) {
    this.#path = path;
    this.#plan = plan;
    this.#arrays = new Map(
      layOutChunks(plan).map((chunks) => {
        const { rows = 0, crc = 0 } = resume[chunks.array.name] ?? {};
        return [chunks.array.name, { ...chunks, rows, crc, bytes: null }];
      }),
    );
  }

  /** Of chunks that were not full when an earlier process ended, what they hold. */
  async readOpenChunks(): Promise<void> {
    for (const array of this.#arrays.values()) {
      if (openRows(array, array.rows) > 0) array.bytes = await readOpenChunk(this.#path, array, array.rows);
    }
  }

  async write({ arrays }: ExportBatch): Promise<void> {
    for (const [name, bytes] of arrays) await this.#append(this.#arrays.get(name) as OpenArray, bytes);
  }

  /** Chunks that are not full are written as they are, to be read back by whoever goes on. */
  async settle(): Promise<unknown> {
    const written: Record<string, Written> = {};
    for (const array of this.#arrays.values()) {
      const bytes = openBytes(array);
      if (bytes.length > 0) await this.#writeChunk(array, finishedChunks(array, array.rows));
      if (array.rows > 0) written[array.array.name] = { rows: array.rows, crc: array.crc, openCrc: crc32(bytes) };
    }
    await this.#sync();
    return written;
  }

  async finish(): Promise<void> {
    for (const array of this.#arrays.values()) {
      if (array.rows !== array.length) throw new Error(`${array.array.name}: ${array.rows} of ${array.length} rows`);
      await this.#put(join(array.array.name, METADATA), arrayMetadata(array));
    }
    const names = this.#plan.arrays.map(({ name }) => name);
    const groups = new Set(names.flatMap((name) => (name.includes("/") ? [dirname(name)] : [])));
    for (const group of groups) await this.#put(join(group, METADATA), plainGroup());
    await this.#put(METADATA, groupMetadata(this.#plan));
    await this.#sync();
  }

  async close(): Promise<void> {
    this.#unsynced.clear();
  }

  async #append(array: OpenArray, bytes: Uint8Array): Promise<void> {
    const { rowBytes, rowsPerChunk, length } = array;
    for (let done = 0; done < bytes.byteLength; ) {
      array.bytes ??= new Uint8Array(rowsPerChunk * rowBytes);
      const at = (array.rows % rowsPerChunk) * rowBytes;
      const count = Math.min(array.bytes.byteLength - at, bytes.byteLength - done);
      array.bytes.set(bytes.subarray(done, done + count), at);
      array.rows += count / rowBytes;
      done += count;
      if (openRows(array, array.rows) > 0) continue;
      const stored = await this.#writeChunk(array, finishedChunks(array, array.rows) - 1);
      array.crc = crc32(stored, array.crc);
      if (array.rows === length) array.bytes = null;
    }
  }

  async #writeChunk(array: OpenArray, index: number): Promise<Uint8Array> {
    const bytes = array.bytes as Uint8Array;
    // Behind the last row lie rows of the chunk before.
    bytes.fill(0, (array.rows - index * array.rowsPerChunk) * array.rowBytes);
    const stored = compressZstd(bytes, ZSTD_LEVEL);
    await this.#put(chunkName(array, index), stored);
    return stored;
  }

  async #put(name: string, content: Uint8Array | string): Promise<void> {
    const path = join(this.#path, name);
    const created = await mkdir(dirname(path), { recursive: true });
    for (let folder = dirname(path); folder.startsWith(this.#path); folder = dirname(folder)) {
      this.#unsynced.add(folder);
      if (created === undefined || folder === created) break;
    }
    if (created !== undefined) this.#unsynced.add(dirname(created));
    const unfinished = join(this.#path, UNFINISHED);
    await writeFile(unfinished, content, { flush: true });
    await rename(unfinished, path);
  }

  async #sync(): Promise<void> {
    for (const folder of this.#unsynced) await syncFolder(folder);
    this.#unsynced.clear();
  }
}

function openBytes(array: OpenArray): Uint8Array {
  return array.bytes?.subarray(0, openRows(array, array.rows) * array.rowBytes) ?? new Uint8Array(0);
}

/** Reads all of it: a file may be as long as it was and hold something else, after a loss of power or half a copy. */
async function isAsNoted(
  path: string,
  chunks: ZarrChunks,
  { rows, crc, openCrc }: Written,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    let found = 0;
    for (let index = 0; index < finishedChunks(chunks, rows); index++) {
      signal?.throwIfAborted();
      found = crc32(await readFile(join(path, chunkName(chunks, index))), found);
    }
    if (found !== crc) return false;
    const open = openRows(chunks, rows) * chunks.rowBytes;
    return open === 0 || crc32((await readOpenChunk(path, chunks, rows)).subarray(0, open)) === openCrc;
  } catch (error) {
    // zlib's of a chunk that was cut short, or is none.
    const code = fileErrorCode(error) ?? (error as NodeJS.ErrnoException).code ?? "";
    if (/^(?:ENOENT|ENOTDIR|EISDIR|ERR_BUFFER_TOO_LARGE|ZSTD_.*|Z_.*)$/.test(code)) return false;
    throw error;
  }
}

async function readOpenChunk(path: string, chunks: ZarrChunks, rows: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(chunks.rowsPerChunk * chunks.rowBytes);
  const stored = await readFile(join(path, chunkName(chunks, finishedChunks(chunks, rows))));
  bytes.set(decompressZstd(stored, bytes.byteLength));
  return bytes;
}
