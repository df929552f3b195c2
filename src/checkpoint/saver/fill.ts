import { forEachConcurrently } from "../../base/concurrency.ts";
import type { RestoreTarget } from "../../buffer/contract.ts";
import type { SectionEntry } from "../../codec/contract.ts";
import { decodeSectionAsync, nextOfColumn } from "../../codec/section.ts";
import { CorruptError } from "../../errors.ts";
import type { Manifest, PackRef } from "../../manifest/manifest.ts";
import { type Column, columnBytes, type LogLayout } from "../../schema/log-layout.ts";
import { throwIfAborted } from "../../store/request.ts";
import type { RestoreProgress } from "../options.ts";
import type { LoadedPack } from "./pack-reader.ts";

/** Packs that are read and decoded together; zstd runs in Node's pool of four threads. */
const PACKS_AT_ONCE = 4;

export interface FillRequest {
  readonly manifest: Manifest;
  readonly buffer: string;
  readonly layouts: readonly LogLayout[];
  readonly targets: readonly RestoreTarget[];
  /** Reads and decodes everything, and writes nothing. */
  readonly checkOnly: boolean;
}

/** Rows that lie in one section group: all columns of rows [from, to). */
interface Group {
  readonly from: number;
  readonly to: number;
  readonly entries: readonly SectionEntry[];
}

interface Place {
  readonly layout: LogLayout;
  readonly tail: number;
  readonly head: number;
  /** Segment -> memory; empty when only checking. */
  readonly memory: ReadonlyMap<number, SharedArrayBuffer>;
}

/**
 * Decodes the rows of a checkpoint into blocks, several packs at a time. Every checksum is checked.
 *
 * @param load - reads and checks a pack; a self-contained file is its own only pack
 */
export async function fillRows(
  load: (ref: PackRef) => Promise<LoadedPack>,
  request: FillRequest,
  onProgress: (progress: RestoreProgress) => void,
  signal?: AbortSignal,
): Promise<void> {
  const { manifest, buffer, layouts, targets } = request;
  const places = new Map<string, Place>();
  for (const { log, tail, head, segments } of targets) {
    const layout = layouts[log];
    if (layout === undefined) continue;
    const memory = new Map(segments.map((target) => [target.segment, target.memory]));
    places.set(`${buffer}/${layout.name}`, { layout, tail, head, memory });
  }
  const isNeeded = ({ covers }: PackRef): boolean =>
    covers.some(({ log, from, to }) => {
      const place = places.get(log);
      return place !== undefined && from < place.head && to > place.tail;
    });
  const packs = manifest.packs.filter(isNeeded);
  const bytesTotal = packs.reduce((sum, pack) => sum + pack.bytes, 0);
  let bytesDone = 0;
  await forEachConcurrently(packs, PACKS_AT_ONCE, async (ref) => {
    throwIfAborted(signal, "restore", ref.name);
    const pack = await load(ref);
    for (const { log, from, to } of ref.covers) {
      const place = places.get(log);
      if (place !== undefined)
        await fillFromPack(pack, log, place, Math.max(from, place.tail), Math.min(to, place.head));
    }
    bytesDone += ref.bytes;
    onProgress({ bytesDone, bytesTotal });
  });
}

/** Rows [from, to) of one log: the sections that hold them, all columns of the same rows together. */
async function fillFromPack(pack: LoadedPack, log: string, place: Place, from: number, to: number): Promise<void> {
  const groups = new Map<string, { from: number; to: number; entries: SectionEntry[] }>();
  for (const entry of pack.index.sections) {
    const { content } = entry;
    if (content.kind !== "rows" || content.log !== log || content.to <= from || content.from >= to) continue;
    const key = `${content.from}-${content.to}`;
    const group = groups.get(key) ?? { from: content.from, to: content.to, entries: [] };
    group.entries.push(entry);
    groups.set(key, group);
  }
  let row = from;
  for (const group of [...groups.values()].sort((a, b) => a.from - b.from)) {
    if (group.from > row) break;
    await fillGroup(pack, group, place, from, to);
    row = Math.max(row, group.to);
  }
  if (row < to)
    throw new CorruptError(pack.name, `rows ${row} to ${to} of ${log}, which the manifest places in it, are missing`);
}

async function fillGroup(pack: LoadedPack, group: Group, place: Place, from: number, to: number): Promise<void> {
  const { layout } = place;
  const decoded = new Map<string, Uint8Array>();
  const decode = async (column: Column): Promise<void> => {
    const entry = group.entries.find(({ content }) => content.kind === "rows" && content.column === column.name);
    if (entry === undefined)
      throw new CorruptError(pack.name, `column ${column.name} of rows ${group.from} to ${group.to} is missing`);
    checkShape(pack.name, entry, column, group);
    const nextOf = nextOfColumn(entry, pack.name);
    const observation = nextOf === null ? undefined : decoded.get(nextOf);
    const env = decoded.get("env");
    const next = observation === undefined || env === undefined ? undefined : { observation, env: toU16(env) };
    const into = wholeTarget(place, column, group, from, to);
    const bytes = await decodeSectionAsync(entry, await pack.stored(entry), { objectName: pack.name, next, into });
    decoded.set(column.name, bytes);
    if (into === undefined) copyRows(place, column, bytes, group, from, to);
  };
  // `next-of` columns need the columns that they repeat.
  const isLast = ({ filter }: Column): boolean => filter === "next-of";
  for (const column of layout.columns.filter((each) => !isLast(each))) await decode(column);
  for (const column of layout.columns.filter(isLast)) await decode(column);
}

function checkShape(pack: string, entry: SectionEntry, column: Column, group: Group): void {
  const expected = [group.to - group.from, ...column.shape].join(" × ");
  const got = entry.shape.join(" × ");
  if (entry.dtype !== column.dtype || expected !== got) {
    throw new CorruptError(
      pack,
      `column ${column.name} is ${entry.dtype} ${got}, expected ${column.dtype} ${expected}`,
    );
  }
}

/** The memory of a whole group, where all of its rows are wanted and lie in one block. */
function wholeTarget(place: Place, column: Column, group: Group, from: number, to: number): Uint8Array | undefined {
  const { layout } = place;
  const segment = Math.floor(group.from / layout.rowsPerBlock);
  const memory = place.memory.get(segment);
  const isWhole = group.from >= from && group.to <= to && group.to <= (segment + 1) * layout.rowsPerBlock;
  return memory === undefined || !isWhole ? undefined : columnBytes(layout, column, memory, group.from, group.to);
}

/** Rows of the group that are wanted, to the blocks that they lie in. */
function copyRows(place: Place, column: Column, bytes: Uint8Array, group: Group, from: number, to: number): void {
  const { layout } = place;
  const end = Math.min(group.to, to);
  for (let row = Math.max(group.from, from); row < end; ) {
    const segment = Math.floor(row / layout.rowsPerBlock);
    const until = Math.min(end, (segment + 1) * layout.rowsPerBlock);
    const memory = place.memory.get(segment);
    if (memory !== undefined) {
      const source = bytes.subarray((row - group.from) * column.bytesPerRow, (until - group.from) * column.bytesPerRow);
      columnBytes(layout, column, memory, row, until).set(source);
    }
    row = until;
  }
}

function toU16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}
