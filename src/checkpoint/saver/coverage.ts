import type { PackRecord } from "./pack-record.ts";

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface CoveredRange extends Range {
  readonly pack: PackRecord;
}

/** Packs of fewer stored bytes than this are worth merging. */
const SMALL_PACK_BYTES = 1024 * 1024;

/** More small packs than this are merged. */
const MAX_SMALL_PACKS = 8;

/**
 * Which rows of one log, in one incarnation (rule 4), lie in which pack. Ranges never overlap; rows of a pack that
 * are assigned to another one do not count.
 */
export class LogCoverage {
  /** Ascending. */
  #entries: CoveredRange[] = [];

  /** Rows [from, to) now lie in this pack, whatever was said of them before. */
  assign(from: number, to: number, pack: PackRecord): void {
    // A pack may be given up before whoever filled it gets here.
    if (from >= to || pack.state === "failed") return;
    const kept = this.#entries.flatMap((entry) => subtract(entry, { from, to }));
    this.#entries = [...kept, { from, to, pack }].sort((a, b) => a.from - b.from);
  }

  /** The parts of rows [from, to) that no pack holds. */
  missing({ from, to }: Range): Range[] {
    const gaps: Range[] = [];
    let row = from;
    for (const entry of this.#entries) {
      if (entry.to <= row || entry.from >= to) continue;
      if (entry.from > row) gaps.push({ from: row, to: entry.from });
      row = Math.max(row, entry.to);
    }
    if (row < to) gaps.push({ from: row, to });
    return gaps;
  }

  /** What the packs hold of rows [from, to). */
  within({ from, to }: Range): CoveredRange[] {
    return this.#entries
      .filter((entry) => entry.to > from && entry.from < to)
      .map(({ pack, ...entry }) => ({ pack, from: Math.max(entry.from, from), to: Math.min(entry.to, to) }));
  }

  packs(): PackRecord[] {
    return this.#entries.map(({ pack }) => pack);
  }

  dropBelow(tail: number): void {
    this.#entries = this.#entries.filter((entry) => entry.to > tail);
  }

  /** A pack was given up: its rows are not saved (rule 6). */
  dropPack(pack: PackRecord): void {
    this.#entries = this.#entries.filter((entry) => entry.pack !== pack);
  }

  /**
   * Where to start encoding again so that the newest packs become one: the first row of the newest run of small
   * packs, if there are too many of them. The run grows until it is no longer small: at worst every eighth save writes
   * up to 1 MiB again.
   */
  mergeFrom(tail: number): number | null {
    let first: number | null = null;
    const packs = new Set<PackRecord>();
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.pack.bytes >= SMALL_PACK_BYTES || entry.to <= tail) break;
      first = Math.max(entry.from, tail);
      packs.add(entry.pack);
    }
    return packs.size > MAX_SMALL_PACKS ? first : null;
  }

  /**
   * Forgets who holds rows from `from` on, so that they are encoded again. Those of a pack that is still open stay:
   * the others are put beside them, and no row may be in a pack twice.
   */
  uncoverFrom(from: number): void {
    const all = { from, to: Number.MAX_SAFE_INTEGER };
    this.#entries = this.#entries.flatMap((entry) => (entry.pack.isOpen ? [entry] : subtract(entry, all)));
  }
}

function subtract(entry: CoveredRange, { from, to }: Range): CoveredRange[] {
  const parts: CoveredRange[] = [];
  if (entry.from < Math.min(entry.to, from)) parts.push({ ...entry, to: Math.min(entry.to, from) });
  if (entry.to > Math.max(entry.from, to)) parts.push({ ...entry, from: Math.max(entry.from, to) });
  return parts;
}
