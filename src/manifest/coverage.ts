import type { Coverage, Manifest } from "./manifest.ts";

/** Rows [from, to) of a log, and the pack that holds them. */
export interface CoveredRows {
  /** Index into `packs`. */
  readonly pack: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Which rows of a log come from which pack, clipped to its live rows, in ascending order.
 *
 * A pack may hold more rows than its `covers` say: rows that a branch does not share, or that had left the buffer.
 * They do not count. Of a pack, a reader takes a log's rows only within `covers`, and of these only `[tail, head)`.
 *
 * @param log - `<buffer>/<log>`
 */
export function coveredRows(packs: Manifest["packs"], log: string, tail: number, head: number): CoveredRows[] {
  const rows: CoveredRows[] = [];
  for (const [pack, { covers }] of packs.entries()) {
    for (const range of covers) {
      if (range.log !== log) continue;
      const from = Math.max(range.from, tail);
      const to = Math.min(range.to, head);
      if (from < to) rows.push({ pack, from, to });
    }
  }
  return rows.sort((a, b) => a.from - b.from || a.to - b.to);
}

/** Says where rows of [tail, head) are covered twice or not at all; null if each is covered exactly once. */
export function findCoverageFault(covered: readonly CoveredRows[], tail: number, head: number): string | null {
  let next = tail;
  for (const { from, to } of covered) {
    if (from > next) return `rows ${next}..${from} are in no pack`;
    if (from < next) return `rows ${from}..${Math.min(next, to)} are in more than one pack`;
    next = to;
  }
  return next < head ? `rows ${next}..${head} are in no pack` : null;
}

/** Clips ranges to [from, to) of one log; empty ones are left out. For a parent's packs in a branch's manifest. */
export function clipCoverage(covers: readonly Coverage[], log: string, from: number, to: number): Coverage[] {
  return covers
    .filter((range) => range.log === log)
    .map((range) => ({ log, from: Math.max(range.from, from), to: Math.min(range.to, to) }))
    .filter((range) => range.from < range.to);
}
