import type { SectionEntry } from "../../codec/contract.ts";
import { type DecodeOptions, nextOfColumn } from "../../codec/section.ts";
import { CorruptError } from "../../errors.ts";
import type { Column } from "../../schema/log-layout.ts";
import type { LoadedPack } from "./pack-reader.ts";

/** How one section is decoded: at once, or with zstd on a thread of Node's pool. */
export type Decode = (
  entry: SectionEntry,
  stored: Uint8Array,
  options: DecodeOptions,
) => Uint8Array | Promise<Uint8Array>;

/** All columns of rows [from, to) of a log, which lie in one pack. */
export interface SectionGroup {
  readonly from: number;
  readonly to: number;
  readonly entries: readonly SectionEntry[];
}

/** A pack that is read, and how to read it. */
export interface Source {
  readonly pack: LoadedPack;
  readonly decode: Decode;
}

/** The groups of a log that hold any of rows [from, to), in order of rows. */
export function sectionGroups({ index }: LoadedPack, log: string, from: number, to: number): SectionGroup[] {
  const groups = new Map<string, { from: number; to: number; entries: SectionEntry[] }>();
  for (const entry of index.sections) {
    const { content } = entry;
    if (content.kind !== "rows" || content.log !== log || content.to <= from || content.from >= to) continue;
    const key = `${content.from}-${content.to}`;
    const group = groups.get(key) ?? { from: content.from, to: content.to, entries: [] };
    group.entries.push(entry);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => a.from - b.from);
}

/**
 * Decodes every column of a group, each checked.
 *
 * @param into - where a column is to be decoded to; memory of its own where that gives none
 * @returns by column, `to - from` rows each
 * @throws CorruptError naming the pack and the column
 */
export async function decodeGroup(
  { pack, decode }: Source,
  group: SectionGroup,
  columns: readonly Column[],
  into: (column: Column) => Uint8Array | undefined = () => undefined,
): Promise<Map<string, Uint8Array>> {
  const decoded = new Map<string, Uint8Array>();
  const take = async (column: Column): Promise<void> => {
    const entry = group.entries.find(({ content }) => content.kind === "rows" && content.column === column.name);
    if (entry === undefined)
      throw new CorruptError(pack.name, `column ${column.name} of rows ${group.from} to ${group.to} is missing`);
    checkShape(pack.name, entry, column, group);
    const nextOf = nextOfColumn(entry, pack.name);
    const observation = nextOf === null ? undefined : decoded.get(nextOf);
    const env = decoded.get("env");
    const next = observation === undefined || env === undefined ? undefined : { observation, env: toU16(env) };
    const stored = await pack.stored(entry);
    decoded.set(column.name, await decode(entry, stored, { objectName: pack.name, next, into: into(column) }));
  };
  // `next-of` columns need the columns that they repeat.
  const isLast = ({ filter }: Column): boolean => filter === "next-of";
  for (const column of columns.filter((each) => !isLast(each))) await take(column);
  for (const column of columns.filter(isLast)) await take(column);
  return decoded;
}

function checkShape(pack: string, entry: SectionEntry, column: Column, group: SectionGroup): void {
  const expected = [group.to - group.from, ...column.shape].join(" × ");
  const got = entry.shape.join(" × ");
  if (entry.dtype !== column.dtype || expected !== got) {
    throw new CorruptError(
      pack,
      `column ${column.name} is ${entry.dtype} ${got}, expected ${column.dtype} ${expected}`,
    );
  }
}

function toU16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}
