import type { ByteWriter, ParquetWriter } from "hyparquet-writer";
// The library's own way in takes a JavaScript number for each element, and two more that place it in its row: 24 bytes for
// each byte of a picture. Its pages take typed arrays as they are.
import { writeDataPageV2 } from "hyparquet-writer/src/datapage.js";
import { compressZstd } from "../base/zstd.ts";
import type { DType } from "../index.ts";
import { dtypeNames, elementsOf } from "./dtypes.ts";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray } from "./export-plan.ts";
import { viewOf } from "./typed-view.ts";

export type ParquetSchema = ConstructorParameters<typeof ParquetWriter>[0]["schema"];
type SchemaElement = ParquetSchema[number];
type ColumnChunk = ParquetWriter["row_groups"][number]["columns"][number];
type Page = Parameters<typeof writeDataPageV2>[0];

const ZSTD_LEVEL = 1;
/** As most writers have it: 1 MiB of floats. */
const PAGE_ELEMENTS = 256 * 1024;

const types = {
  float32: { type: "FLOAT" },
  float64: { type: "DOUBLE" },
  int8: { type: "INT32", converted_type: "INT_8" },
  int16: { type: "INT32", converted_type: "INT_16" },
  int32: { type: "INT32", converted_type: "INT_32" },
  int64: { type: "INT64", converted_type: "INT_64" },
  uint8: { type: "INT32", converted_type: "UINT_8" },
  uint16: { type: "INT32", converted_type: "UINT_16" },
  uint32: { type: "INT32", converted_type: "UINT_32" },
  uint64: { type: "INT64", converted_type: "UINT_64" },
} as const satisfies Readonly<Record<DType, Pick<SchemaElement, "type" | "converted_type">>>;

/** Nothing is ever absent. */
export function parquetSchema(arrays: readonly ExportedArray[]): ParquetSchema {
  return [{ name: "transitions", num_children: arrays.length }, ...arrays.flatMap(elementsOfColumn)];
}

function elementsOfColumn({ name, dtype, shape }: ExportedArray): SchemaElement[] {
  const element = { ...types[dtype], repetition_type: "REQUIRED" as const };
  if (shape.length === 1) return [{ name, ...element }];
  return [
    { name, repetition_type: "REQUIRED", converted_type: "LIST", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", ...element },
  ];
}

/** Writes one column of a row group: the batches' rows, one page after another. */
export function writeColumnChunk(
  writer: ByteWriter,
  array: ExportedArray,
  batches: readonly ExportBatch[],
): ColumnChunk {
  const path = elementsOfColumn(array);
  const at = writer.offset;
  let [values, uncompressed] = [0, 0];
  for (const pageData of pagesOf(array, batches)) {
    uncompressed += writeDataPageV2({ writer, column: columnOf(path), encoding: "PLAIN", pageData });
    values += pageData.values.length;
  }
  return {
    meta_data: {
      ...{ type: types[array.dtype].type, encodings: ["PLAIN"], path_in_schema: path.map(({ name }) => name) },
      ...{ codec: "ZSTD", num_values: BigInt(values), data_page_offset: BigInt(at) },
      ...{ total_compressed_size: BigInt(writer.offset - at), total_uncompressed_size: BigInt(uncompressed) },
    },
    file_offset: BigInt(at),
  };
}

function columnOf(path: readonly SchemaElement[]): Page["column"] {
  return {
    ...{ columnName: path.map(({ name }) => name).join("."), element: path.at(-1) as SchemaElement },
    ...{ schemaPath: [{ name: "transitions" }, ...path], codec: "ZSTD", pageSize: 0, stats: false },
    ...{ compressors: { ZSTD: (input) => compressZstd(input, ZSTD_LEVEL) }, columnIndex: false, offsetIndex: false },
  };
}

/** Whole rows in each. */
function* pagesOf(array: ExportedArray, batches: readonly ExportBatch[]): Generator<Page["pageData"]> {
  const width = elementsOf(array.shape.slice(1));
  const rowsAtOnce = Math.max(1, Math.floor(PAGE_ELEMENTS / Math.max(1, width)));
  const bytesAtOnce = rowsAtOnce * width * dtypeNames[array.dtype].bytes;
  for (const { arrays } of batches) {
    const all = arrays.get(array.name) as Uint8Array;
    for (let from = 0; from < all.length; from += bytesAtOnce) {
      const values = physicalOf(array.dtype, all.subarray(from, from + bytesAtOnce));
      yield { values, ...(array.shape.length === 1 ? NO_LEVELS : levelsOf(values.length, width)) };
    }
  }
}

const NO_LEVELS = { definitionLevels: [], repetitionLevels: [], maxDefinitionLevel: 0 };

/** Every element is there (1), and only the first of a row begins a list (0). */
function levelsOf(length: number, width: number): Omit<Page["pageData"], "values"> {
  const repetition = new Uint8Array(length).fill(1);
  for (let row = 0; row < length; row += width) repetition[row] = 0;
  const definition = new Uint8Array(length).fill(1);
  // The library only reads them, by index.
  const [definitionLevels, repetitionLevels] = [definition, repetition] as unknown as [number[], number[]];
  return { definitionLevels, repetitionLevels, maxDefinitionLevel: 1 };
}

type Physical = Int32Array | BigInt64Array | Float32Array | Float64Array;

/** Elements as Parquet stores them: of integers, those of 32 or 64 bits with a sign; the type says how they are read. */
function physicalOf(dtype: DType, bytes: Uint8Array): Physical {
  if (dtype === "uint32") return viewOf("int32", bytes) as Int32Array;
  if (dtype === "uint64") return viewOf("int64", bytes) as BigInt64Array;
  const values = viewOf(dtype, bytes);
  return types[dtype].type === "INT32" && dtype !== "int32"
    ? Int32Array.from(values as Uint8Array)
    : (values as Physical);
}
