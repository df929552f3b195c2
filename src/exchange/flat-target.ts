import { crc32 } from "node:zlib";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";
import type { ExportTarget } from "./export-target.ts";
import { RandomAccessFile } from "./random-access-file.ts";

/** Bytes for one place of a file. */
export interface PlacedBytes {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/**
 * A file in which every array has one place, known before anything is read:
 *
 *     | head | array 0 ............ | array 1 ............ | … | tail |
 *
 * so that one reading of the rows, which give all columns together, fills all arrays, each from its start to its end.
 */
export interface FlatLayout {
  readonly bytes: number;
  /** Where an array's elements begin. */
  readonly dataAt: ReadonlyMap<string, number>;
  /** What lies around the arrays. @param crcs - as below, of head and array together */
  readonly frame: (crcs: ReadonlyMap<string, number>) => readonly PlacedBytes[];
  /** CRC-32 of what comes right before each array and counts with it; null where no CRC is needed. */
  readonly crcOfHeads: ReadonlyMap<string, number> | null;
}

export class FlatTarget implements ExportTarget {
  readonly #file: RandomAccessFile;
  readonly #layout: FlatLayout;
  readonly #arrays: ReadonlyMap<string, ExportedArray>;
  readonly #crcs: Map<string, number>;

  private constructor(file: RandomAccessFile, layout: FlatLayout, arrays: readonly ExportedArray[], resume: unknown) {
    this.#file = file;
    this.#layout = layout;
    this.#arrays = new Map(arrays.map((array) => [array.name, array]));
    this.#crcs = new Map(Object.entries((resume ?? {}) as Record<string, number>));
  }

  static async open(path: string, plan: ExportPlan, layout: FlatLayout, resume: unknown): Promise<FlatTarget> {
    const file = await RandomAccessFile.open(path, resume === null);
    return new FlatTarget(file, layout, plan.arrays, resume);
  }

  async write({ from, to, arrays }: ExportBatch): Promise<void> {
    for (const [name, bytes] of arrays) {
      const { shape, bytes: all } = this.#arrays.get(name) as ExportedArray;
      const rowBytes = all / (shape[0] ?? 1);
      if (bytes.byteLength !== (to - from) * rowBytes) throw new Error(`${name}: ${bytes.byteLength} bytes`);
      await this.#file.write(bytes, (this.#layout.dataAt.get(name) as number) + from * rowBytes);
      const before = this.#crcs.get(name) ?? this.#layout.crcOfHeads?.get(name);
      if (before !== undefined) this.#crcs.set(name, crc32(bytes, before));
    }
  }

  async settle(): Promise<unknown> {
    await this.#file.sync();
    return Object.fromEntries(this.#crcs);
  }

  async finish(): Promise<void> {
    for (const { at, bytes } of this.#layout.frame(this.#crcs)) await this.#file.write(bytes, at);
    await this.#file.truncate(this.#layout.bytes);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
