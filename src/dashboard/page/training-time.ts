import type { GenerationRecord, WaitedRecord } from "../../record/run-record.ts";
import type { RunView } from "../../record/run-view.ts";
import type { TimeRange } from "./time-window.ts";

export const TRAINING_PHASES = ["evaluate", "learn", "evolve"] as const;
export type TrainingPhase = (typeof TRAINING_PHASES)[number];

export interface PhaseBar extends TimeRange {
  readonly phase: TrainingPhase;
}

/**
 * When the phases of a generation were. Its record comes after its save: what that blocked lies between the end of
 * "evolve" and the record.
 */
export function phaseBars(generation: GenerationRecord): readonly [PhaseBar, PhaseBar, PhaseBar] {
  const { evaluateMs, learnMs, evolveMs } = generation;
  const fromMs = beginOf(generation);
  const learnAtMs = fromMs + evaluateMs;
  const evolveAtMs = learnAtMs + learnMs;
  return [
    { phase: "evaluate", fromMs, toMs: learnAtMs },
    { phase: "learn", fromMs: learnAtMs, toMs: evolveAtMs },
    { phase: "evolve", fromMs: evolveAtMs, toMs: evolveAtMs + evolveMs },
  ];
}

const beginOf = ({ atMs, blockedMs, evaluateMs, learnMs, evolveMs }: GenerationRecord): number =>
  atMs - blockedMs - evaluateMs - learnMs - evolveMs;

/** Indices [from, to) of the generations that a range shows. Cost: O(log generations). */
export function visibleGenerations(
  generations: readonly GenerationRecord[],
  range: TimeRange,
): readonly [from: number, to: number] {
  const from = firstIndex(generations.length, (index) => (generations[index]?.atMs ?? 0) >= range.fromMs);
  const to = firstIndex(generations.length, (index) => {
    const generation = generations[index];
    return generation !== undefined && beginOf(generation) > range.toMs;
  });
  return [from, Math.max(from, to)];
}

/** The first index of which it holds; it must hold of all after it. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The share of each column's time that each phase took, for when generations are narrower than a pixel.
 *
 * @param columnCount - columns of equal width over the range
 * @returns [columnCount × 3] in 0..1, in the order of TRAINING_PHASES
 * Cost: O(visible generations + columns).
 */
export function phaseShares(
  generations: readonly GenerationRecord[],
  range: TimeRange,
  columnCount: number,
): Float32Array {
  const shares = new Float32Array(columnCount * TRAINING_PHASES.length);
  const columnMs = (range.toMs - range.fromMs) / columnCount;
  const [from, to] = visibleGenerations(generations, range);
  for (let index = from; index < to; index++) {
    const generation = generations[index];
    if (generation === undefined) break;
    phaseBars(generation).forEach((bar, phase) => addShare(shares, bar, phase, range, columnMs, columnCount));
  }
  return shares;
}

function addShare(
  shares: Float32Array,
  bar: TimeRange,
  phase: number,
  range: TimeRange,
  columnMs: number,
  columnCount: number,
): void {
  const fromMs = Math.max(bar.fromMs, range.fromMs);
  const toMs = Math.min(bar.toMs, range.toMs);
  let column = Math.max(0, Math.floor((fromMs - range.fromMs) / columnMs));
  for (; column < columnCount; column++) {
    const columnAtMs = range.fromMs + column * columnMs;
    if (columnAtMs >= toMs) return;
    const coveredMs = Math.min(toMs, columnAtMs + columnMs) - Math.max(fromMs, columnAtMs);
    const at = column * TRAINING_PHASES.length + phase;
    shares[at] = (shares[at] ?? 0) + Math.max(0, coveredMs) / columnMs;
  }
}

/** Since the last generation ended, or the newest process began; null where nothing of that is known. */
export function generationUnderWay({ generations, sessions }: RunView, { toMs }: TimeRange): TimeRange | null {
  const fromMs = Math.max(generations.at(-1)?.atMs ?? 0, sessions.at(-1)?.atMs ?? 0);
  return fromMs === 0 ? null : { fromMs, toMs: Math.max(fromMs, toMs) };
}

/** The generation under way at an instant, or null. Cost: O(log generations). */
export function generationAt(generations: readonly GenerationRecord[], atMs: number): GenerationRecord | null {
  const [from, to] = visibleGenerations(generations, { fromMs: atMs, toMs: atMs });
  return from < to ? (generations[from] ?? null) : null;
}

/** The newest wait for memory at an instant, or within reach of it; null where there is none. */
export function waitAt(waits: readonly WaitedRecord[], atMs: number, reachMs: number): WaitedRecord | null {
  return waits.findLast((wait) => wait.waitingAtMs - reachMs <= atMs && wait.atMs + reachMs >= atMs) ?? null;
}
