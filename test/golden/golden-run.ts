import { sha256Hex } from "../../src/base/hash.ts";
import type { EncodedSection, SectionContent, SectionSource } from "../../src/codec/contract.ts";
import { type BuiltPack, buildPack } from "../../src/codec/pack.ts";
import { encodeSection } from "../../src/codec/section.ts";
import type { Manifest, ManifestBuffer, ManifestColumn, PackRef } from "../../src/manifest/manifest.ts";
import { checkpointName } from "../../src/manifest/names.ts";
import { serializeManifest } from "../../src/manifest/serialize.ts";
import type { TypedArray } from "../../src/schema/dtype.ts";
import { dtypeOf } from "../../src/schema/dtype.ts";
import type { Filter } from "../../src/schema/log-layout.ts";

/**
 * A small run with all that the format has: two checkpoints of two buffers, inline and interned observations, rows
 * that left the buffer, ids that pass 2^32, NaN and -0, priorities, state. Built from the codec and the manifest
 * alone, so that its bytes depend on nothing else.
 */
export interface GoldenRun {
  /** What lies in the store, by name. */
  readonly objects: ReadonlyMap<string, Uint8Array>;
  readonly packs: readonly BuiltPack[];
  readonly manifests: readonly Manifest[];
  /** What a reader must get from the newest checkpoint. */
  readonly expected: readonly ExpectedArray[];
}

export interface ExpectedArray {
  readonly buffer: string;
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Over the elements, little-endian. */
  readonly sha256: string;
}

const ROWS = 30;
const TAIL = 5;
const FRAMES_TAIL = 2 ** 32 - 6;
const FRAMES = 16;
const SLICES_TAIL = 2 ** 32 - 5;
const WINDOWS = 10;

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Values that look like a pendulum's, among them NaN and -0. */
function floats(length: number, seed: number): Float32Array {
  const values = Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * 0.37 + seed));
  values[7 % length] = Number.NaN;
  values[11 % length] = -0;
  return values;
}

interface ColumnData {
  readonly column: ManifestColumn;
  readonly filter: Filter;
  readonly values: TypedArray;
  readonly nextOf?: string;
}

function column(
  name: string,
  shape: readonly number[],
  filter: Filter,
  values: TypedArray,
  nextOf?: string,
): ColumnData {
  const dtype = dtypeOf(values) ?? "uint8";
  return { column: { name, dtype, shape }, filter, values, ...(nextOf === undefined ? {} : { nextOf }) };
}

function flags(rows: number, isSet: (row: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: rows }, (_, row) => (isSet(row) ? 1 : 0));
}

/** Three environments in turn; rows 12 and 20 end an episode, so that their next observation is nowhere else. */
function inlineColumns(): ColumnData[] {
  const observation = floats(ROWS * 3, 0);
  const next = floats(ROWS * 3, 100);
  for (let row = 0; row + 3 < ROWS; row++) {
    if (row !== 12 && row !== 20) next.set(observation.subarray((row + 3) * 3, (row + 4) * 3), row * 3);
  }
  return [
    column("action", [], "shuffle", floats(ROWS, 1)),
    column("reward", [], "shuffle", floats(ROWS, 2)),
    column(
      "terminated",
      [],
      "none",
      flags(ROWS, (row) => row === 12),
    ),
    column(
      "truncated",
      [],
      "none",
      flags(ROWS, (row) => row === 20),
    ),
    column(
      "episodeStart",
      [],
      "none",
      flags(ROWS, (row) => row < 3 || row === 15 || row === 23),
    ),
    column(
      "env",
      [],
      "shuffle",
      Uint16Array.from({ length: ROWS }, (_, row) => row % 3),
    ),
    column(
      "label",
      [2],
      "shuffle",
      BigInt64Array.from({ length: ROWS * 2 }, (_, i) => BigInt(i) * -1_000_000_007n),
    ),
    column("observation", [3], "shuffle", observation),
    column("nextObservation", [3], "next-of", next, "observation"),
  ];
}

/** The frames of a window, counted from the first: the first five rows see every second one, the others four in a row. */
function framesOfWindow(row: number, isNext: boolean): number[] {
  return [0, 1, 2, 3].map((k) => row + (isNext ? 1 : 0) + k * stepOf(row));
}

const stepOf = (row: number): number => (row < 5 ? 2 : 1);

/** A slice ends where ids begin anew. */
function slicesOfWindows(): { readonly firsts: readonly number[]; readonly slices: readonly number[][] } {
  const slices: [number, number, number][] = [];
  const firsts = Array.from({ length: 2 * WINDOWS }, (_, i) => {
    const [row, first] = [i >> 1, slices.length];
    for (const frame of framesOfWindow(row, i % 2 === 1)) {
      const id = (FRAMES_TAIL + frame) % 2 ** 32;
      const last = slices.at(-1);
      if (slices.length > first && last !== undefined && id === last[0] + last[1] * last[2]) last[1] += 1;
      else slices.push([id, 1, stepOf(row)]);
    }
    return (SLICES_TAIL + first) % 2 ** 32;
  });
  return { firsts, slices };
}

const { firsts, slices } = slicesOfWindows();
const sliceColumns = [
  column("start", [], "delta-shuffle", Uint32Array.from(slices, ([start]) => start ?? 0)),
  column("count", [], "shuffle", Uint16Array.from(slices, ([, count]) => count ?? 0)),
  column("step", [], "shuffle", Int16Array.from(slices, ([, , step]) => step ?? 0)),
];

/** Windows of four frames that move on by one. */
function windowColumns(): ColumnData[] {
  const firstOf = (next: number): Uint32Array => Uint32Array.from({ length: WINDOWS }, (_, i) => firsts[2 * i + next] ?? 0);
  return [
    column("action", [2], "shuffle", floats(WINDOWS * 2, 3)),
    column("reward", [], "shuffle", floats(WINDOWS, 4)),
    column(
      "terminated",
      [],
      "none",
      flags(WINDOWS, () => false),
    ),
    column(
      "truncated",
      [],
      "none",
      flags(WINDOWS, (row) => row === WINDOWS - 1),
    ),
    column(
      "episodeStart",
      [],
      "none",
      flags(WINDOWS, (row) => row === 0),
    ),
    column("env", [], "shuffle", new Uint16Array(WINDOWS).fill(65_535)),
    column("slices.observation", [], "delta-shuffle", firstOf(0)),
    column("slices.nextObservation", [], "delta-shuffle", firstOf(1)),
  ];
}

const frameColumn = column("frame", [2], "shuffle", floats(FRAMES * 2, 5));

function rowBytes({ column: { shape }, values }: ColumnData): number {
  return shape.reduce((product, length) => product * length, values.BYTES_PER_ELEMENT);
}

/** Rows [from, to) of all columns; `start` is the row number of the first value. */
function encodeRows(
  log: string,
  columns: readonly ColumnData[],
  from: number,
  to: number,
  start = 0,
): EncodedSection[] {
  const rowsOf = (data: ColumnData): Uint8Array =>
    bytesOf(data.values).slice((from - start) * rowBytes(data), (to - start) * rowBytes(data));
  const named = (name: string): ColumnData => {
    const found = columns.find((data) => data.column.name === name);
    if (found === undefined) throw new Error(`no column ${name}`);
    return found;
  };
  return columns.map((data) => {
    const { name, dtype, shape } = data.column;
    const content: SectionContent = { kind: "rows", log, column: name, from, to };
    const source: SectionSource = {
      content,
      dtype,
      shape: [to - from, ...shape],
      filter: data.filter,
      raw: rowsOf(data),
    };
    if (data.nextOf === undefined) return encodeSection(source);
    const env = new Uint16Array(rowsOf(named("env")).buffer);
    return encodeSection({ ...source, next: { column: data.nextOf, observation: rowsOf(named(data.nextOf)), env } });
  });
}

function encodeTensor(values: TypedArray): EncodedSection {
  const dtype = dtypeOf(values) ?? "uint8";
  const raw = bytesOf(values);
  return encodeSection({
    content: { kind: "tensor", sha256: sha256Hex(raw) },
    dtype,
    shape: [values.length],
    filter: "shuffle",
    raw,
  });
}

const weights = floats(40, 6);
const leaves = Float64Array.from({ length: 25 }, (_, i) => Math.sqrt(i + 1));

function inlineBuffer(
  columns: readonly ColumnData[],
  tail: number,
  head: number,
  pages: readonly number[],
): ManifestBuffer {
  return {
    incarnation: "11111111111111111111111111111111",
    capacity: 25,
    fields: {
      observation: { dtype: "float32", shape: [3] },
      action: { dtype: "float32", shape: [] },
      label: { dtype: "int64", shape: [2] },
    },
    logs: [{ name: "transitions", tail, head, columns: columns.map((data) => data.column) }],
    prioritized: { alpha: 0.5, beta: 0.4, leavesPerPage: 4096 },
    priorityPages: pages,
    meta: {
      random: { generator: [1, 2, 3, 4], spareNormal: 0.25 },
      openEnvs: [0, 1, 2],
      maxPriority: 25,
      ignoredPriorityUpdates: 1,
    },
  };
}

function windowBuffer(columns: readonly ColumnData[]): ManifestBuffer {
  return {
    incarnation: "22222222222222222222222222222222",
    capacity: 100,
    fields: {
      observation: { dtype: "float32", shape: [4, 2], frames: 4 },
      action: { dtype: "float32", shape: [2] },
    },
    logs: [
      { name: "transitions", tail: 0, head: WINDOWS, columns: columns.map((data) => data.column) },
      { name: "frames/observation", tail: FRAMES_TAIL, head: FRAMES_TAIL + FRAMES - 1, columns: [frameColumn.column] },
      {
        ...{ name: "slices/observation", tail: SLICES_TAIL, head: SLICES_TAIL + slices.length },
        columns: sliceColumns.map((data) => data.column),
      },
    ],
    prioritized: null,
    priorityPages: [],
    meta: {
      random: { generator: [5, 6, 7, 8], spareNormal: null },
      openEnvs: [],
      maxPriority: null,
      ignoredPriorityUpdates: 0,
    },
  };
}

const common = { magic: "varve-manifest", version: 1, requires: [], run: "golden", epoch: 1 } as const;

export function buildGoldenRun(): GoldenRun {
  const inline = inlineColumns();
  const windows = windowColumns();
  const log = "default/transitions";
  const packs = {
    oldRows: buildPack([...encodeRows(log, inline, 0, 16), ...encodeRows(log, inline, 16, 20)], { epoch: 1 }),
    newRows: buildPack(encodeRows(log, inline, 20, ROWS), { epoch: 1 }),
    windows: buildPack(encodeRows("market/transitions", windows, 0, WINDOWS), { epoch: 1 }),
    frames: buildPack(
      encodeRows("market/frames/observation", [frameColumn], FRAMES_TAIL, FRAMES_TAIL + FRAMES, FRAMES_TAIL),
      { epoch: 1 },
    ),
    slices: buildPack(
      encodeRows("market/slices/observation", sliceColumns, SLICES_TAIL, SLICES_TAIL + slices.length, SLICES_TAIL),
      { epoch: 1 },
    ),
    tensors: buildPack([encodeTensor(weights), encodeTensor(leaves)], { epoch: 1 }),
  };
  const older = olderManifest(inline, packs.oldRows);
  const newer = newerManifest(older, inline, windows, packs);
  const objects = new Map<string, Uint8Array>();
  const text = (value: object): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  const small = { version: 1, run: "golden", writeId: "golden-write-0", createdAt: "2026-01-01T00:00:00.000Z" };
  objects.set("varve.json", text({ magic: "varve-run", requires: [], ...small }));
  objects.set("writers/00000001.json", text({ magic: "varve-writer", epoch: 1, ...small }));
  for (const pack of Object.values(packs)) objects.set(pack.name, pack.bytes);
  for (const manifest of [older, newer]) objects.set(checkpointName(manifest), serializeManifest(manifest).bytes);
  const expected = expectedArrays(inline, windows);
  return { objects, packs: Object.values(packs), manifests: [older, newer], expected };
}

function olderManifest(inline: readonly ColumnData[], rows: BuiltPack): Manifest {
  return {
    ...common,
    ...{ sequence: 1, parent: null, writeId: "golden-write-1", step: 10, metrics: { score: null } },
    createdAt: "2026-01-01T00:00:00.000Z",
    packs: [refOf(rows, "default/transitions", 0, 20)],
    buffers: { default: { ...inlineBuffer(inline, 0, 20, []), prioritized: null } },
    ...{ tensors: [], state: null, logicalBytes: 1000 },
  };
}

function newerManifest(
  older: Manifest,
  inline: readonly ColumnData[],
  windows: readonly ColumnData[],
  packs: Readonly<Record<"oldRows" | "newRows" | "windows" | "frames" | "slices" | "tensors", BuiltPack>>,
): Manifest {
  const framesEnd = FRAMES_TAIL + FRAMES;
  return {
    ...common,
    sequence: 2,
    parent: { name: checkpointName(older), hash: serializeManifest(older).hash },
    ...{ writeId: "golden-write-2", step: 20, metrics: { score: 1.5 } },
    createdAt: "2026-01-01T00:01:00.000Z",
    packs: [
      refOf(packs.oldRows, "default/transitions", 0, 20),
      refOf(packs.newRows, "default/transitions", 20, ROWS),
      refOf(packs.windows, "market/transitions", 0, WINDOWS),
      // The pack holds a row more than the checkpoint counts.
      refOf(packs.frames, "market/frames/observation", FRAMES_TAIL, framesEnd - 1),
      refOf(packs.slices, "market/slices/observation", SLICES_TAIL, SLICES_TAIL + slices.length),
      { name: packs.tensors.name, bytes: packs.tensors.bytes.length, covers: [] },
    ],
    buffers: { default: inlineBuffer(inline, TAIL, ROWS, [1]), market: windowBuffer(windows) },
    tensors: packs.tensors.entries.map((entry, section) => ({
      sha256: entry.content.kind === "tensor" ? entry.content.sha256 : "",
      ...{ dtype: entry.dtype, length: entry.shape[0] ?? 0, pack: 5, section, storedBytes: entry.storedBytes },
    })),
    state: {
      weights: { $tensor: 0 },
      loss: { $number: "NaN" },
      zero: { $number: "-0" },
      seed: { $bigint: "123456789012345678901234567890" },
      $$price: 5,
      history: [1, 2.5, null, true, "ä"],
    },
    logicalBytes: 2000,
  };
}

function refOf(pack: BuiltPack, log: string, from: number, to: number): PackRef {
  return { name: pack.name, bytes: pack.bytes.length, covers: [{ log, from, to }] };
}

function expectedArrays(inline: readonly ColumnData[], windows: readonly ColumnData[]): ExpectedArray[] {
  const live = inline.map((data) =>
    describe("default", data, bytesOf(data.values).slice(TAIL * rowBytes(data)), ROWS - TAIL),
  );
  const plain = windows.filter((data) => !data.column.name.startsWith("slices."));
  const rest = plain.map((data) => describe("market", data, bytesOf(data.values), WINDOWS));
  const materialised = (["observation", "nextObservation"] as const).map((name, next): ExpectedArray => {
    const values = new Float32Array(WINDOWS * 4 * 2);
    for (let row = 0; row < WINDOWS; row++) {
      for (const [k, frame] of framesOfWindow(row, next === 1).entries()) {
        values.set((frameColumn.values as Float32Array).subarray(frame * 2, frame * 2 + 2), row * 8 + k * 2);
      }
    }
    return { buffer: "market", name, dtype: "float32", shape: [WINDOWS, 4, 2], sha256: sha256Hex(bytesOf(values)) };
  });
  return [...live, ...rest, ...materialised].sort((a, b) =>
    `${a.buffer} ${a.name}` < `${b.buffer} ${b.name}` ? -1 : 1,
  );
}

function describe(
  buffer: string,
  { column: { name, dtype, shape } }: ColumnData,
  bytes: Uint8Array,
  rows: number,
): ExpectedArray {
  return { buffer, name, dtype, shape: [rows, ...shape], sha256: sha256Hex(bytes) };
}
