import { stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { type FlatLayout, FlatTarget, isFlatAsSettled, type PlacedBytes } from "./flat-target.ts";
import { npyHeader } from "./npy.ts";
import { readPart } from "./random-access-file.ts";
import { centralDirectory, localHeader, ZIP64_FROM, type ZipMember } from "./zip-records.ts";

/** A member of the archive: all of it known (`content`), or a header and an array that is filled in. */
interface NpzMember extends ZipMember {
  /** What comes before the elements, or everything. */
  readonly content: Uint8Array;
  readonly array: string | null;
  readonly dataAt: number;
}

/**
 * Arrays as NumPy's `savez` writes them, uncompressed, any size. What the export says of itself is in `varve.json`, the
 * tree of the state in `state.json`: `np.load` gives both as bytes.
 */
export function createNpzWriter(zip64From: number = ZIP64_FROM): ExportWriter {
  return {
    open: (path, plan, resume): Promise<ExportTarget> =>
      FlatTarget.open(path, plan, npzLayout(plan, zip64From), resume),
    isAsSettled: (path, plan, resume, signal) => isFlatAsSettled(path, npzLayout(plan, zip64From), resume, signal),
    async isResultOf(path, plan): Promise<boolean> {
      const { size } = await stat(path);
      const comment = commentOf(plan);
      const end = await readPart(path, Math.max(0, size - comment.length), comment.length);
      return new TextDecoder("latin1").decode(end) === comment;
    },
  };
}

function commentOf({ identity }: ExportPlan): string {
  return `varve-export ${identity}`;
}

function npzLayout(plan: ExportPlan, zip64From: number): FlatLayout {
  const members = placeMembers(plan, zip64From);
  const last = members.at(-1);
  const directoryAt = last === undefined ? 0 : endOf(last);
  const directory = (crcs: ReadonlyMap<string, number>): Uint8Array => {
    const all = members.map((member) => ({ ...member, crc: crcOf(member, crcs) }));
    return centralDirectory(all, directoryAt, commentOf(plan), zip64From);
  };
  return {
    crcOfHeads: new Map(members.flatMap(({ array, content }) => (array === null ? [] : [[array, crc32(content)]]))),
    bytes: directoryAt + directory(new Map()).length,
    dataAt: new Map(members.flatMap(({ array, dataAt }) => (array === null ? [] : [[array, dataAt] as const]))),
    frame: (crcs) => [
      ...members.flatMap((member): PlacedBytes[] => {
        const header = localHeader(member, crcOf(member, crcs), zip64From);
        return [
          { at: member.at, bytes: header },
          { at: member.at + header.length, bytes: member.content },
        ];
      }),
      { at: directoryAt, bytes: directory(crcs) },
    ],
  };
}

function placeMembers({ arrays, metadata, state }: ExportPlan, zip64From: number): NpzMember[] {
  const members: NpzMember[] = [];
  const add = (name: string, content: Uint8Array, array: string | null, arrayBytes: number): void => {
    const last = members.at(-1);
    const at = last === undefined ? 0 : endOf(last);
    const member = { name, bytes: content.length + arrayBytes, at };
    const dataAt = at + localHeader(member, 0, zip64From).length + content.length;
    members.push({ ...member, content, array, dataAt });
  };
  const encoder = new TextEncoder();
  add("varve.json", encoder.encode(JSON.stringify(metadata)), null, 0);
  if (state !== null) add("state.json", encoder.encode(state), null, 0);
  for (const { name, dtype, shape, bytes } of arrays) add(`${name}.npy`, npyHeader(dtype, shape), name, bytes);
  return members;
}

function endOf({ dataAt, bytes, content }: NpzMember): number {
  return dataAt + bytes - content.length;
}

/** Of a member: that of an array was added up while it was written, header included. */
function crcOf({ content, array }: NpzMember, crcs: ReadonlyMap<string, number>): number {
  return (array === null ? undefined : crcs.get(array)) ?? crc32(content);
}
