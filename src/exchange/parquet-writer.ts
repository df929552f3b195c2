import { stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { compressZstd } from "../base/zstd.ts";
import type { DType } from "../index.ts";
import { elementsOf } from "./dtypes.ts";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { crcOfPart, RandomAccessFile, readPart } from "./random-access-file.ts";
import { viewOf } from "./typed-view.ts";

type Schema = ConstructorParameters<typeof ParquetWriter>[0]["schema"];
type SchemaElement = Schema[number];

/** Raw bytes of a row group. The library makes JavaScript numbers of them, some ten times as large. */
const ROW_GROUP_BYTES = 8 * 1024 * 1024;
const ZSTD_LEVEL = 1;
/** `PAR1` at the start and the end, and the length of the footer. */
const MAGIC_BYTES = 4;
const TRAILER_BYTES = 8;

const types: Readonly<Record<DType, Pick<SchemaElement, "type" | "converted_type">>> = {
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
};

/** One table: a row for each transition, scalars as columns, everything else as lists, flat in C order. */
export const parquetWriter: ExportWriter = {
  async open(path, plan, resume): Promise<ExportTarget> {
    const file = await RandomAccessFile.open(path, resume === null);
    return new ParquetTarget(file, plan, resume as string | null);
  },
  async isAsSettled(path, _plan, resume, signal): Promise<boolean> {
    const { at, crc } = parseResume(resume as string);
    return (await crcOfPart(path, { from: 0, to: at }, signal)) === crc;
  },
  async isResultOf(path, { identity }): Promise<boolean> {
    const { size } = await stat(path);
    const trailer = await readPart(path, Math.max(0, size - TRAILER_BYTES), TRAILER_BYTES);
    if (trailer.length < TRAILER_BYTES || Buffer.from(trailer).toString("latin1", MAGIC_BYTES) !== "PAR1") return false;
    const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true);
    const footer = await readPart(path, Math.max(0, size - TRAILER_BYTES - length), length);
    return Buffer.from(footer).includes(identity);
  },
};

class ParquetTarget implements ExportTarget {
  readonly #file: RandomAccessFile;
  readonly #plan: ExportPlan;
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;
  /** Where the next row group goes: what lies behind was of a process that ended before it noted it. */
  #at = 0;
  /** CRC-32 of all before. */
  #crc = 0;
  #pending: ExportBatch[] = [];
  #pendingBytes = 0;

  constructor(file: RandomAccessFile, plan: ExportPlan, resume: string | null) {
    this.#file = file;
    this.#plan = plan;
    const { metadata, identity } = plan;
    this.#writer = new ParquetWriter({
      ...{ writer: this.#bytes, schema: schemaOf(plan.arrays), codec: "ZSTD", statistics: false },
      compressors: { ZSTD: (input) => compressZstd(input, ZSTD_LEVEL) },
      kvMetadata: [
        { key: "varve", value: JSON.stringify(metadata) },
        { key: "identity", value: identity },
      ],
      createdBy: "varve export",
    });
    if (resume === null) return;
    const { at, crc, rowGroups, rows } = parseResume(resume);
    this.#at = at;
    this.#crc = crc;
    // The magic number was written by the process that began.
    this.#bytes.index = 0;
    this.#bytes.offset = at;
    this.#writer.row_groups = rowGroups;
    this.#writer.num_rows = rows;
  }

  async write(batch: ExportBatch): Promise<void> {
    this.#pending.push(batch);
    for (const bytes of batch.arrays.values()) this.#pendingBytes += bytes.byteLength;
    if (this.#pendingBytes >= ROW_GROUP_BYTES) await this.#writeGroup();
  }

  async settle(): Promise<unknown> {
    await this.#writeGroup();
    await this.#file.sync();
    const { row_groups: rowGroups, num_rows: rows } = this.#writer;
    const resume: Resume = { at: this.#at, crc: this.#crc, rowGroups, rows };
    return JSON.stringify(resume, (_, value: unknown) => (typeof value === "bigint" ? { $bigint: `${value}` } : value));
  }

  async finish(): Promise<void> {
    await this.#writeGroup();
    this.#writer.pendingIndexes = [];
    await this.#writer.finish();
    await this.#flush();
    await this.#file.truncate(this.#at);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writeGroup(): Promise<void> {
    const batches = this.#pending;
    const rows = batches.reduce((sum, { from, to }) => sum + to - from, 0);
    if (rows === 0) return;
    this.#pending = [];
    this.#pendingBytes = 0;
    const columnData = this.#plan.arrays.map((array) => ({
      name: array.name,
      data: columnOf(array, batches),
      // A dictionary would take -0 for 0.
      encoding: "PLAIN" as const,
      offsetIndex: false,
    }));
    await this.#writer.write({ columnData, rowGroupSize: rows });
    this.#writer.pendingIndexes = [];
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = this.#bytes.getBytes();
    await this.#file.write(bytes, this.#at);
    this.#crc = crc32(bytes, this.#crc);
    this.#at += bytes.length;
    this.#bytes.index = 0;
  }
}

interface Resume {
  readonly at: number;
  readonly crc: number;
  readonly rowGroups: ParquetWriter["row_groups"];
  readonly rows: bigint;
}

function parseResume(text: string): Resume {
  return JSON.parse(text, reviveBigint) as Resume;
}

function reviveBigint(_: string, value: unknown): unknown {
  const text = (value as { readonly $bigint?: unknown } | null)?.$bigint;
  return typeof text === "string" ? BigInt(text) : value;
}

/** Values of one column: numbers, or a list of numbers for each row. */
function columnOf({ name, dtype, shape }: ExportedArray, batches: readonly ExportBatch[]): unknown[] {
  const values: unknown[] = [];
  const width = elementsOf(shape.slice(1));
  for (const { arrays } of batches) {
    const all = viewOf(dtype, arrays.get(name) as Uint8Array);
    if (shape.length === 1) for (const value of all) values.push(value);
    else for (let at = 0; at < all.length; at += width) values.push(Array.from(all.subarray(at, at + width) as never));
  }
  return values;
}

/** Nothing is ever absent. */
function schemaOf(arrays: readonly ExportedArray[]): Schema {
  const columns = arrays.flatMap(({ name, dtype, shape }): SchemaElement[] => {
    const element = { ...types[dtype], repetition_type: "REQUIRED" as const };
    if (shape.length === 1) return [{ name, ...element }];
    return [
      { name, repetition_type: "REQUIRED", converted_type: "LIST", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", ...element },
    ];
  });
  return [{ name: "transitions", num_children: arrays.length }, ...columns];
}
