import { sha256Hex } from "../base/hash.ts";
import {
  type CheckpointReader,
  ConfigError,
  type DType,
  InvalidArgumentError,
  type SavedBufferInfo,
  type SavedTensor,
} from "../index.ts";
import { dtypeNames, elementsOf } from "./dtypes.ts";

export const exportFormats = ["npz", "safetensors", "parquet", "zarr"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportRequest {
  readonly format: ExportFormat;
  /** The buffer to export; the only one by default. Null for none. */
  readonly buffer?: string | null | undefined;
  /** Only the newest so many transitions. */
  readonly last?: number | undefined;
  /** Interned observations as ids and frames, each different frame once, rather than whole. */
  readonly asFrames?: boolean | undefined;
  /** Also the tensors of the trainer's state. */
  readonly withState?: boolean | undefined;
}

/** One array of the export. */
export interface ExportedArray {
  readonly name: string;
  readonly dtype: DType;
  /** The first axis counts rows, frames or elements. */
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** What is read together: rows [from, to) of the buffer, frames of one field, or one tensor. */
export type ExportSection = { readonly from: number; readonly to: number } & (
  | { readonly kind: "rows" }
  | { readonly kind: "frames"; readonly field: string; readonly array: string }
  | { readonly kind: "tensor"; readonly index: number; readonly array: string }
);

/** All that decides what an export contains: equal plans give equal content. */
export interface ExportPlan {
  readonly format: ExportFormat;
  /** A hash of everything else here, which the result carries: tells whether a file is what is asked for. */
  readonly identity: string;
  readonly buffer: string | null;
  readonly asFrames: boolean;
  readonly arrays: readonly ExportedArray[];
  readonly sections: readonly ExportSection[];
  /** What the result says of itself: JSON values. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The state as JSON, tensors by name; null without them. */
  readonly state: string | null;
  readonly bytes: number;
}

/**
 * Decides what an export of a checkpoint contains.
 *
 * @throws InvalidArgumentError, ConfigError for what the checkpoint does not hold or the format cannot
 * Cost: with both `last` and `asFrames`, one reading of the ids of those rows, to learn which frames they need.
 */
export async function planExport(reader: CheckpointReader, request: ExportRequest): Promise<ExportPlan> {
  const { format, asFrames = false, withState = false } = request;
  assertFormatCan(request);
  const buffer = chooseBuffer(reader, request.buffer);
  const sections: ExportSection[] = [];
  const arrays: ExportedArray[] = [];
  if (buffer !== null) await addBuffer(reader, buffer, request, { sections, arrays });
  if (withState) addState(reader, { sections, arrays });
  if (arrays.length === 0) throw nothingToExport(reader, withState);
  const [rows] = sections;
  const metadata = {
    ...{ writer: "varve export", version: 1, run: reader.run, checkpoint: reader.name, hash: reader.hash },
    ...{ step: reader.step, sequence: reader.sequence, metrics: reader.metrics, buffer },
    ...(buffer === null
      ? {}
      : {
          rows: [rows?.from, rows?.to],
          capacity: reader.buffers[buffer]?.capacity,
          fields: reader.buffers[buffer]?.fields,
          observations: asFrames ? "ids" : "whole",
        }),
  };
  const content = JSON.stringify({ format, arrays, sections, metadata });
  return {
    ...{ format, buffer, asFrames, arrays, sections, metadata },
    identity: sha256Hex(new TextEncoder().encode(content)),
    state: withState ? JSON.stringify(namedState(reader)) : null,
    bytes: arrays.reduce((sum, array) => sum + array.bytes, 0),
  };
}

function nothingToExport({ sequence }: CheckpointReader, withState: boolean): ConfigError {
  if (withState) return new ConfigError(`Nothing to export: the state of checkpoint ${sequence} holds no tensors`);
  return new ConfigError("Nothing to export: neither the buffer nor the state was asked for", {
    hint: "Add --state for the tensors of the trainer's state, or leave --no-buffer out.",
  });
}

interface Adding {
  readonly sections: ExportSection[];
  readonly arrays: ExportedArray[];
}

function assertFormatCan({ format, asFrames, withState }: ExportRequest): void {
  if (format !== "parquet") return;
  if (withState === true) {
    throw new ConfigError("A Parquet file is a table of transitions: the state's tensors have no place in it", {
      hint: "Export them by themselves: --no-buffer --state --format safetensors (or npz, zarr).",
    });
  }
  if (asFrames === true) {
    throw new ConfigError("A Parquet file is a table of transitions: frames have no place in it", {
      hint: "Use --format npz, safetensors or zarr with --frames, or leave --frames out.",
    });
  }
}

function chooseBuffer({ buffers, sequence }: CheckpointReader, asked: string | null | undefined): string | null {
  if (asked === null) return null;
  const names = Object.keys(buffers);
  const list = names.join(", ");
  if (asked !== undefined) {
    if (names.includes(asked)) return asked;
    throw new InvalidArgumentError("buffer", `one of checkpoint ${sequence}'s buffers (${list || "none"})`, asked);
  }
  const [only] = names;
  if (only === undefined) {
    throw new ConfigError(`Checkpoint ${sequence} holds no buffer`, {
      hint: "Its state can be exported: --no-buffer --state.",
    });
  }
  if (names.length > 1) {
    throw new ConfigError(`Checkpoint ${sequence} holds several buffers: ${list}`, { hint: "Name one with --buffer." });
  }
  return only;
}

async function addBuffer(
  reader: CheckpointReader,
  name: string,
  { last, asFrames = false, format }: ExportRequest,
  { sections, arrays }: Adding,
): Promise<void> {
  const info = reader.buffers[name] as SavedBufferInfo;
  const from = Math.max(0, info.transitions - (last ?? info.transitions));
  const rows = info.transitions - from;
  if (rows === 0 && format === "parquet") throw new ConfigError(`Buffer "${name}" holds no transitions`);
  sections.push({ kind: "rows", from, to: info.transitions });
  for (const column of asFrames ? info.columnsWithIds : info.columns) {
    arrays.push(arrayOf(column.name, column.dtype, [rows, ...column.shape]));
  }
  if (!asFrames) return;
  const needed = from === 0 ? null : await neededFrames(reader, name, from, info.transitions);
  for (const { name: field, dtype, shape, count } of info.frames) {
    const range = needed === null ? { from: 0, to: count } : (needed.get(field) ?? { from: 0, to: 0 });
    const array = `frames/${field}`;
    sections.push({ kind: "frames", field, array, ...range });
    arrays.push(arrayOf(array, dtype, [range.to - range.from, ...shape]));
  }
}

/** The frames from the lowest to the highest that some rows name, by field. */
async function neededFrames(
  reader: CheckpointReader,
  buffer: string,
  from: number,
  to: number,
): Promise<Map<string, { from: number; to: number }>> {
  const needed = new Map<string, { from: number; to: number }>();
  for await (const { columns } of reader.rows({ buffer, from, to, observations: "ids" })) {
    for (const [name, ids] of Object.entries(columns)) {
      const field = fieldOfIds(name);
      if (field === null) continue;
      const range = needed.get(field) ?? { from: Number.POSITIVE_INFINITY, to: 0 };
      for (const id of ids as Uint32Array) {
        if (id < range.from) range.from = id;
        if (id >= range.to) range.to = id + 1;
      }
      needed.set(field, range);
    }
  }
  return needed;
}

/** The observation field whose frames a column of ids names; null for any other column. */
export function fieldOfIds(column: string): string | null {
  return /^ids\.(?:observation|nextObservation)(\.|$)/.test(column)
    ? column.replace(/^ids\.(observation|nextObservation)/, "observation")
    : null;
}

function addState({ tensors }: CheckpointReader, { sections, arrays }: Adding): void {
  for (const [index, tensor] of tensors.entries()) {
    const array = tensorName(tensor);
    sections.push({ kind: "tensor", index, array, from: 0, to: tensor.length });
    arrays.push(arrayOf(array, tensor.dtype, [tensor.length]));
  }
}

/**
 * `state/nets.0.weights`. Keys are a user's own text, and names become paths in some formats: everything but letters,
 * digits, `_` and `-` is written as =XX (%XX would be undone on the way through a URL), a leading `_` too, since Zarr
 * keeps names that begin with `__` to itself.
 */
function tensorName({ path }: Pick<SavedTensor, "path">): string {
  const parts = path.map((part) => encodeKey(String(part)));
  return `state/${parts.length === 0 ? "value" : parts.join(".")}`;
}

function encodeKey(key: string): string {
  const bytes = [...new TextEncoder().encode(key)];
  const text = bytes.map((byte, index) => {
    const character = String.fromCharCode(byte);
    const isPlain = /[A-Za-z0-9_-]/.test(character) && !(index === 0 && character === "_");
    return isPlain ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  // An empty key would leave nothing to name a file by.
  return text.join("") || "=";
}

/** The state as JSON with the names of the exported arrays for its tensors. */
function namedState({ state, tensors }: CheckpointReader): unknown {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const { $tensor: index } = value as { readonly $tensor?: unknown };
    if (typeof index === "number") return { $tensor: tensorName(tensors[index] as SavedTensor) };
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]));
  };
  return walk(state);
}

function arrayOf(name: string, dtype: DType, shape: readonly number[]): ExportedArray {
  return { name, dtype, shape, bytes: elementsOf(shape) * dtypeNames[dtype].bytes };
}
