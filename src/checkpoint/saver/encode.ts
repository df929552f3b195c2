import type { EncodedSection, SectionSource } from "../../codec/contract.ts";
import { encodeSection } from "../../codec/section.ts";
import { bytesPerElement, type DType } from "../../schema/dtype.ts";
import { type Column, columnBytes, type LogLayout } from "../../schema/log-layout.ts";

/** Rows of one block, all columns: one section each. Structured-cloneable, for the encoder's thread. */
export interface RowsToEncode {
  readonly kind: "rows";
  /** "<buffer>/<log>". */
  readonly log: string;
  readonly layout: LogLayout;
  readonly memory: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
}

export interface TensorToEncode {
  readonly kind: "tensor";
  readonly sha256: string;
  readonly dtype: DType;
  readonly length: number;
  readonly memory: SharedArrayBuffer | ArrayBuffer;
  readonly byteOffset: number;
}

export type ToEncode = RowsToEncode | TensorToEncode;

export function rawBytes(item: ToEncode): number {
  return item.kind === "rows"
    ? (item.to - item.from) * item.layout.rowBytes
    : item.length * bytesPerElement(item.dtype);
}

/** Cost: one core at zstd-1 speed over the raw bytes. Reads shared memory once. */
export function* encodeItem(item: ToEncode): Generator<EncodedSection> {
  if (item.kind === "tensor") yield encodeSection(tensorSource(item));
  else for (const column of item.layout.columns) yield encodeSection(rowsSource(item, column));
}

function rowsSource(item: RowsToEncode, column: Column): SectionSource {
  const { layout, memory, from, to, log } = item;
  const source: SectionSource = {
    content: { kind: "rows", log, column: column.name, from, to },
    dtype: column.dtype,
    shape: [to - from, ...column.shape],
    filter: column.filter,
    raw: columnBytes(layout, column, memory, from, to),
  };
  if (column.filter !== "next-of") return source;
  const bytesOf = (name: string | undefined): Uint8Array => {
    const found = layout.columns.find((other) => other.name === name);
    if (found === undefined) throw new Error(`Column ${column.name} refers to ${name}, which ${log} lacks`);
    return columnBytes(layout, found, memory, from, to);
  };
  const env = bytesOf("env");
  return {
    ...source,
    next: {
      column: column.nextOf ?? "",
      observation: bytesOf(column.nextOf),
      env: new Uint16Array(env.buffer, env.byteOffset, env.byteLength / 2),
    },
  };
}

function tensorSource(item: TensorToEncode): SectionSource {
  const width = bytesPerElement(item.dtype);
  return {
    content: { kind: "tensor", sha256: item.sha256 },
    dtype: item.dtype,
    shape: [item.length],
    filter: width > 1 ? "shuffle" : "none",
    raw: new Uint8Array(item.memory, item.byteOffset, item.length * width),
  };
}
