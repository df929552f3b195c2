import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { compressZstd, decompressZstd } from "../base/zstd.ts";
import { dtypeNames } from "./dtypes.ts";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { syncFolder } from "./random-access-file.ts";

/** Raw bytes of a chunk: few enough files, and little enough in memory for each array. */
const CHUNK_BYTES = 1024 * 1024;
const ZSTD_LEVEL = 1;
const METADATA = "zarr.json";

/** A Zarr v3 group: one array for each column, chunked along the first axis. */
export const zarrWriter: ExportWriter = {
  async open(path, plan, resume): Promise<ExportTarget> {
    if (resume === null) await rm(path, { recursive: true, force: true });
    return new ZarrTarget(path, plan, resume as Record<string, number> | null);
  },
  async isResultOf(path, plan): Promise<boolean> {
    return (await readFile(join(path, METADATA), "utf8")) === groupMetadata(plan);
  },
};

/** The rows of one array that do not fill a chunk yet. */
interface OpenChunk {
  readonly array: ExportedArray;
  readonly rowBytes: number;
  readonly rowsPerChunk: number;
  readonly bytes: Uint8Array;
  /** Rows of the array that were written or lie in `bytes`. */
  rows: number;
}

class ZarrTarget implements ExportTarget {
  readonly #path: string;
  readonly #plan: ExportPlan;
  readonly #chunks: ReadonlyMap<string, OpenChunk>;
  /** Folders in which names came into being since the last sync. */
  readonly #unsynced = new Set<string>();
  #isPrepared = false;
  readonly #resume: Record<string, number> | null;

  constructor(path: string, plan: ExportPlan, resume: Record<string, number> | null) {
    this.#path = path;
    this.#plan = plan;
    this.#resume = resume;
    this.#chunks = new Map(plan.arrays.map((array) => [array.name, openChunk(array, resume?.[array.name] ?? 0)]));
  }

  async write({ arrays }: ExportBatch): Promise<void> {
    await this.#prepare();
    for (const [name, bytes] of arrays) await this.#append(this.#chunks.get(name) as OpenChunk, bytes);
  }

  /** Chunks that are not full are written as they are, to be read back by whoever goes on. */
  async settle(): Promise<unknown> {
    await this.#prepare();
    for (const chunk of this.#chunks.values()) {
      if (chunk.rows % chunk.rowsPerChunk > 0) await this.#writeChunk(chunk);
    }
    await this.#sync();
    return Object.fromEntries([...this.#chunks].map(([name, { rows }]) => [name, rows]));
  }

  async finish(): Promise<void> {
    await this.settle();
    for (const array of this.#plan.arrays) await this.#put(join(array.name, METADATA), arrayMetadata(array));
    const groups = new Set(this.#plan.arrays.flatMap(({ name }) => (name.includes("/") ? [dirname(name)] : [])));
    for (const group of groups) await this.#put(join(group, METADATA), plainGroup());
    await this.#put(METADATA, groupMetadata(this.#plan));
    await this.#sync();
  }

  async close(): Promise<void> {
    this.#unsynced.clear();
  }

  /** Of chunks that were not full when an earlier process ended, what they hold. */
  async #prepare(): Promise<void> {
    if (this.#isPrepared) return;
    this.#isPrepared = true;
    await mkdir(this.#path, { recursive: true });
    if (this.#resume === null) return;
    for (const chunk of this.#chunks.values()) {
      if (chunk.rows % chunk.rowsPerChunk === 0) continue;
      const stored = await readFile(join(this.#path, chunkName(chunk, Math.floor(chunk.rows / chunk.rowsPerChunk))));
      chunk.bytes.set(decompressZstd(stored, chunk.bytes.byteLength));
    }
  }

  async #append(chunk: OpenChunk, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const at = (chunk.rows % chunk.rowsPerChunk) * chunk.rowBytes;
      const count = Math.min(chunk.bytes.byteLength - at, bytes.byteLength - done);
      chunk.bytes.set(bytes.subarray(done, done + count), at);
      chunk.rows += count / chunk.rowBytes;
      done += count;
      if (chunk.rows % chunk.rowsPerChunk === 0) await this.#writeChunk(chunk);
    }
  }

  async #writeChunk(chunk: OpenChunk): Promise<void> {
    const index = Math.ceil(chunk.rows / chunk.rowsPerChunk) - 1;
    await this.#put(chunkName(chunk, index), compressZstd(chunk.bytes, ZSTD_LEVEL));
  }

  async #put(name: string, content: Uint8Array | string): Promise<void> {
    const path = join(this.#path, name);
    const created = await mkdir(dirname(path), { recursive: true });
    for (let folder = dirname(path); folder.startsWith(this.#path); folder = dirname(folder)) {
      this.#unsynced.add(folder);
      if (created === undefined || folder === created) break;
    }
    if (created !== undefined) this.#unsynced.add(dirname(created));
    await writeFile(path, content, { flush: true });
  }

  async #sync(): Promise<void> {
    for (const folder of this.#unsynced) await syncFolder(folder);
    this.#unsynced.clear();
  }
}

function openChunk(array: ExportedArray, rows: number): OpenChunk {
  const [length = 0, ...shape] = array.shape;
  const rowBytes = shape.reduce((product, axis) => product * axis, dtypeNames[array.dtype].bytes);
  const rowsPerChunk = Math.max(1, Math.min(Math.floor(CHUNK_BYTES / rowBytes), length));
  return { array, rowBytes, rowsPerChunk, bytes: new Uint8Array(rowsPerChunk * rowBytes), rows };
}

function chunkName({ array }: OpenChunk, index: number): string {
  return join(array.name, "c", String(index), ...array.shape.slice(1).map(() => "0"));
}

function arrayMetadata(array: ExportedArray): string {
  const { rowsPerChunk } = openChunk(array, 0);
  return JSON.stringify({
    ...{ zarr_format: 3, node_type: "array", shape: array.shape, data_type: array.dtype },
    chunk_grid: { name: "regular", configuration: { chunk_shape: [rowsPerChunk, ...array.shape.slice(1)] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 0,
    codecs: [
      { name: "bytes", configuration: { endian: "little" } },
      { name: "zstd", configuration: { level: ZSTD_LEVEL, checksum: false } },
    ],
    attributes: {},
  });
}

function plainGroup(attributes: object = {}): string {
  return JSON.stringify({ zarr_format: 3, node_type: "group", attributes });
}

function groupMetadata({ metadata, identity, state }: ExportPlan): string {
  return plainGroup({
    varve: metadata,
    identity,
    ...(state === null ? {} : { state: JSON.parse(state) as unknown }),
  });
}
