import { CorruptError } from "../../errors.ts";
import type { coveredRows } from "../../manifest/coverage.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import { ID_RANGE } from "../../schema/layouts.ts";
import type { LogLayout } from "../../schema/log-layout.ts";
import type { ReadColumn } from "../messages.ts";

/** Rows [from, to) of a log, decoded; `columns` begin at row `from`. */
export interface DecodedRows {
  readonly from: number;
  readonly to: number;
  readonly columns: ReadonlyMap<string, Uint8Array>;
}

/** A log of one buffer of one checkpoint. */
export interface OpenLog {
  readonly manifest: Manifest;
  /** As packs call it: `default/transitions`. */
  readonly name: string;
  readonly layout: LogLayout;
  readonly tail: number;
  readonly head: number;
  /** Which pack has which rows, in order of rows. */
  readonly covered: ReturnType<typeof coveredRows>;
}

/** Which pack has a row. */
export function placeOf({ covered, manifest, name }: OpenLog, row: number): OpenLog["covered"][number] {
  let [low, high] = [0, covered.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((covered[middle] as OpenLog["covered"][number]).to > row) high = middle;
    else low = middle + 1;
  }
  const place = covered[low];
  // Every row of a manifest that was read is covered exactly once.
  if (place === undefined) throw new CorruptError(manifest.writeId, `row ${row} of ${name} is in no pack`);
  return place;
}

/** Copies of rows [from, to): what is kept decoded is not handed out. */
export function copyColumns({ layout }: OpenLog, rows: DecodedRows, from: number, to: number): ReadColumn[] {
  return layout.columns.map(({ name, dtype, shape, bytesPerRow }) => {
    const bytes = rows.columns.get(name) as Uint8Array;
    return {
      ...{ name, dtype, shape },
      bytes: bytes.slice((from - rows.from) * bytesPerRow, (to - rows.from) * bytesPerRow),
    };
  });
}

/** What another log calls a row of this one: its number modulo 2^32. Those of live rows lie within one such range. */
export function rowOf({ tail, head, name, manifest }: OpenLog, number: number): number {
  const row = tail + ((((number - tail) % ID_RANGE) + ID_RANGE) % ID_RANGE);
  if (row < head) return row;
  throw new CorruptError(`${name} of checkpoint ${manifest.sequence}`, `row ${number} is named and not held`);
}
