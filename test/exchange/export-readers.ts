import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { unzipSync } from "fflate";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import * as zarr from "zarrita";
import { sha256Hex } from "../../src/base/hash.ts";

/** Readers in JavaScript, none of them ours: fflate, zarrita, hyparquet, and for safetensors its format in five lines. */

export interface Found {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function hashed(arrays: Readonly<Record<string, Found>>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, sha256: sha256Hex(bytes) }]),
  );
}

export function readNpz(path: string): { arrays: Record<string, Found>; texts: Record<string, string> } {
  const arrays: Record<string, Found> = {};
  const texts: Record<string, string> = {};
  const names: Record<string, string> = { f: "float", i: "int", u: "uint" };
  for (const [name, bytes] of Object.entries(unzipSync(readFileSync(path)))) {
    if (!name.endsWith(".npy")) texts[name] = Buffer.from(bytes).toString();
    else {
      const headerBytes = 10 + bytes[8]! + 256 * bytes[9]!;
      const header = Buffer.from(bytes.subarray(10, headerBytes)).toString("latin1");
      const [, kind = "", width] = /'descr': '[<|]([fiu])(\d)'/.exec(header) ?? [];
      const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").split(",").filter((axis) => axis.trim() !== "");
      arrays[name.slice(0, -4)] = {
        dtype: `${names[kind]}${8 * Number(width)}`,
        shape: shape.map(Number),
        bytes: bytes.subarray(headerBytes),
      };
    }
  }
  return { arrays, texts };
}

export function readSafetensors(path: string): { arrays: Record<string, Found>; metadata: Record<string, string> } {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  type Entry = { readonly dtype: string; readonly shape: number[]; readonly data_offsets: readonly [number, number] };
  const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, unknown>;
  const { __metadata__: metadata, ...entries } = header as { __metadata__: Record<string, string> };
  const dtypeOf = (name: string): string =>
    name.replace("F", "float").replace("I", "int").replace("U", "uint").toLowerCase();
  const arrays = Object.entries(entries as unknown as Record<string, Entry>).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      return [
        name,
        { dtype: dtypeOf(dtype), shape, bytes: file.subarray(8 + length + from, 8 + length + to) },
      ] as const;
    },
  );
  return { arrays: Object.fromEntries(arrays), metadata };
}

export async function readZarr(path: string, names: readonly string[]): Promise<Record<string, Found>> {
  const store = {
    async get(key: string): Promise<Uint8Array | undefined> {
      try {
        return readFileSync(join(path, key));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
  };
  const root = zarr.root(store as never);
  const arrays: Record<string, Found> = {};
  for (const name of names) {
    const array = await zarr.open(root.resolve(name), { kind: "array" });
    const { data, shape } = await zarr.get(array as zarr.Array<"float32", never>);
    arrays[name] = { dtype: array.dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  }
  return arrays;
}

export async function readParquet(path: string): Promise<{ rows: Record<string, unknown>[]; rowGroups: number }> {
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const compressors = { ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)) };
  return {
    rows: await parquetReadObjects({ file, compressors }),
    rowGroups: parquetMetadata(file).row_groups.length,
  };
}
