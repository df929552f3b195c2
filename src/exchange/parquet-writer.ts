import { stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { dtypeNames, elementsOf } from "./dtypes.ts";
import type { ExportBatch } from "./export-batches.ts";
import type { ExportedArray, ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { parquetSchema, writeColumnChunk } from "./parquet-pages.ts";
import { crcOfPart, RandomAccessFile, readPart } from "./random-access-file.ts";

/** Raw bytes of a row group. */
const ROW_GROUP_BYTES = 8 * 1024 * 1024;
/** `PAR1` at the start and the end, and the length of the footer. */
const MAGIC_BYTES = 4;
const TRAILER_BYTES = 8;

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
  readonly #rowsPerGroup: number;
  #pending: ExportBatch[] = [];
  #pendingRows = 0;

  constructor(file: RandomAccessFile, plan: ExportPlan, resume: string | null) {
    this.#file = file;
    this.#plan = plan;
    const { metadata, identity } = plan;
    this.#writer = new ParquetWriter({
      ...{ writer: this.#bytes, schema: parquetSchema(plan.arrays) },
      kvMetadata: [
        { key: "varve", value: JSON.stringify(metadata) },
        { key: "identity", value: identity },
      ],
      createdBy: "varve export",
    });
    this.#rowsPerGroup = rowsPerGroup(plan.arrays);
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
    for (let row = batch.from; row < batch.to; ) {
      const to = Math.min(batch.to, row + this.#rowsPerGroup - this.#pendingRows);
      this.#pending.push(partOf(batch, row, to));
      this.#pendingRows += to - row;
      if (this.#pendingRows === this.#rowsPerGroup) await this.#writeGroup();
      row = to;
    }
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
    await this.#writer.finish();
    await this.#flush();
    await this.#file.truncate(this.#at);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writeGroup(): Promise<void> {
    const [batches, rows] = [this.#pending, this.#pendingRows];
    if (rows === 0) return;
    this.#pending = [];
    this.#pendingRows = 0;
    const at = this.#bytes.offset;
    const columns = this.#plan.arrays.map((array) => writeColumnChunk(this.#bytes, array, batches));
    this.#writer.num_rows += BigInt(rows);
    this.#writer.row_groups.push({
      ...{ columns, num_rows: BigInt(rows), total_compressed_size: BigInt(this.#bytes.offset - at) },
      total_byte_size: columns.reduce((sum, { meta_data: facts }) => sum + (facts?.total_uncompressed_size ?? 0n), 0n),
    });
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

function rowsPerGroup(arrays: readonly ExportedArray[]): number {
  const rowBytes = arrays.reduce(
    (sum, { dtype, shape }) => sum + dtypeNames[dtype].bytes * elementsOf(shape.slice(1)),
    0,
  );
  return Math.max(1, Math.floor(ROW_GROUP_BYTES / Math.max(1, rowBytes)));
}

/** Rows [from, to) of a batch, in the same memory. */
function partOf(batch: ExportBatch, from: number, to: number): ExportBatch {
  const parts = [...batch.arrays].map(([name, bytes]) => {
    const rowBytes = bytes.byteLength / (batch.to - batch.from);
    return [name, bytes.subarray((from - batch.from) * rowBytes, (to - batch.from) * rowBytes)] as const;
  });
  return { section: batch.section, from, to, arrays: new Map(parts) };
}
