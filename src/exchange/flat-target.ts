import { crc32 } from "node:zlib";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";
import type { ExportTarget } from "./export-target.ts";
import { crcOfPart, RandomAccessFile } from "./random-access-file.ts";

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
  /** CRC-32 of what comes right before each array and counts with it; null where nothing does. */
  readonly crcOfHeads: ReadonlyMap<string, number> | null;
}

/** What was written of an array, from its start; `crc` is its CRC-32, that of its head included. */
interface Written {
  readonly bytes: number;
  readonly crc: number;
}

type Resume = Readonly<Record<string, Written>>;

/** As ExportWriter.isAsSettled. */
export async function isFlatAsSettled(
  path: string,
  layout: FlatLayout,
  resume: unknown,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (const [name, { bytes, crc }] of Object.entries(resume as Resume)) {
    const from = layout.dataAt.get(name) as number;
    const part = { from, to: from + bytes, before: crcBefore(layout, name) };
    if ((await crcOfPart(path, part, signal)) !== crc) return false;
  }
  return true;
}

function crcBefore({ crcOfHeads }: FlatLayout, name: string): number {
  return crcOfHeads?.get(name) ?? 0;
}

export class FlatTarget implements ExportTarget {
  readonly #file: RandomAccessFile;
  readonly #layout: FlatLayout;
  readonly #arrays: ReadonlyMap<string, ExportedArray>;
  readonly #written: Map<string, Written>;

  private constructor(file: RandomAccessFile, layout: FlatLayout, arrays: readonly ExportedArray[], resume: unknown) {
    this.#file = file;
    this.#layout = layout;
    this.#arrays = new Map(arrays.map((array) => [array.name, array]));
    this.#written = new Map(Object.entries((resume ?? {}) as Resume));
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
      const { crc } = this.#written.get(name) ?? { crc: crcBefore(this.#layout, name) };
      this.#written.set(name, { bytes: to * rowBytes, crc: crc32(bytes, crc) });
    }
  }

  async settle(): Promise<unknown> {
    await this.#file.sync();
    return Object.fromEntries(this.#written);
  }

  async finish(): Promise<void> {
    const crcs = new Map([...this.#written].map(([name, { crc }]) => [name, crc]));
    for (const { at, bytes } of this.#layout.frame(crcs)) await this.#file.write(bytes, at);
    await this.#file.truncate(this.#layout.bytes);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
