import { freeMemory } from "../../base/memory.ts";
import { CorruptError } from "../../errors.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { type Column, columnBytes, type LogLayout } from "../../schema/log-layout.ts";
import type { LoadedPack } from "./pack-reader.ts";
import { type Decode, decodeGroup, type SectionGroup, type Source, sectionGroups } from "./section-groups.ts";

/** The rows of one log that are wanted, and where they go. Can be sent to another thread. */
export interface Place {
  readonly layout: LogLayout;
  readonly tail: number;
  readonly head: number;
  /** Segment -> memory; empty when only checking. */
  readonly memory: ReadonlyMap<number, SharedArrayBuffer>;
}

/** By the log's name in the checkpoint, such as `default/transitions`. */
export type Places = ReadonlyMap<string, Place>;

/**
 * Decodes what is wanted of one pack into the blocks. Every checksum is checked.
 *
 * @throws CorruptError naming the pack, column and rows
 */
export async function fillFromPack(
  pack: LoadedPack,
  covers: PackRef["covers"],
  places: Places,
  decode: Decode,
): Promise<void> {
  for (const { log, from, to } of covers) {
    const place = places.get(log);
    if (place !== undefined)
      await fillLog({ pack, decode }, log, place, Math.max(from, place.tail), Math.min(to, place.head));
  }
}

/** Rows [from, to) of one log: the sections that hold them, all columns of the same rows together. */
async function fillLog(source: Source, log: string, place: Place, from: number, to: number): Promise<void> {
  const { pack } = source;
  let row = from;
  for (const group of sectionGroups(pack, log, from, to)) {
    if (group.from > row) break;
    await fillGroup(source, group, place, from, to);
    row = Math.max(row, group.to);
  }
  if (row < to)
    throw new CorruptError(pack.name, `rows ${row} to ${to} of ${log}, which the manifest places in it, are missing`);
}

async function fillGroup(source: Source, group: SectionGroup, place: Place, from: number, to: number): Promise<void> {
  const { columns } = place.layout;
  const targetOf = (column: Column): Uint8Array | undefined => wholeTarget(place, column, group, from, to);
  const decoded = await decodeGroup(source, group, columns, targetOf);
  for (const column of columns) {
    const bytes = decoded.get(column.name);
    if (bytes === undefined || targetOf(column) !== undefined) continue;
    copyRows(place, column, bytes, group, from, to);
    freeMemory(bytes.buffer);
  }
}

/** The memory of a whole group, where all of its rows are wanted and lie in one block. */
function wholeTarget(
  place: Place,
  column: Column,
  group: SectionGroup,
  from: number,
  to: number,
): Uint8Array | undefined {
  const { layout } = place;
  const segment = Math.floor(group.from / layout.rowsPerBlock);
  const memory = place.memory.get(segment);
  const isWhole = group.from >= from && group.to <= to && group.to <= (segment + 1) * layout.rowsPerBlock;
  return memory === undefined || !isWhole ? undefined : columnBytes(layout, column, memory, group.from, group.to);
}

/** Rows of the group that are wanted, to the blocks that they lie in. */
function copyRows(
  place: Place,
  column: Column,
  bytes: Uint8Array,
  group: SectionGroup,
  from: number,
  to: number,
): void {
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
