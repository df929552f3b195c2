import type { ExportPlan } from "./export-plan.ts";
import type { ZarrChunks } from "./zarr-chunks.ts";

/** The file beside the chunks of an array, and beside the members of a group, by Zarr v3. */
export const METADATA = "zarr.json";

export const ZSTD_LEVEL = 1;

export function arrayMetadata({ array, rowsPerChunk }: ZarrChunks): string {
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

export function plainGroup(attributes: object = {}): string {
  return JSON.stringify({ zarr_format: 3, node_type: "group", attributes });
}

/** All that the export says of itself. */
export function groupMetadata({ metadata, identity, state }: ExportPlan): string {
  return plainGroup({
    varve: metadata,
    identity,
    ...(state === null ? {} : { state: JSON.parse(state) as unknown }),
  });
}
