import { formatBytes, formatCount, formatScore } from "../../record/format.ts";
import type { GenerationRecord } from "../../record/run-record.ts";
import { formatShare } from "./page-format.ts";

/** Columns of a plot, over generations; null is a gap. */
export interface FitnessColumns {
  readonly generation: number[];
  readonly mean: (number | null)[];
  /** Mean plus and minus one standard deviation over the population. */
  readonly high: (number | null)[];
  readonly low: (number | null)[];
  readonly max: (number | null)[];
  readonly validation: (number | null)[];
  readonly spread: (number | null)[];
}

/** What can be drawn; null for a score that is not finite. */
export function drawable(score: number): number | null {
  return Number.isFinite(score) ? score : null;
}

export function fitnessColumns(generations: readonly GenerationRecord[]): FitnessColumns {
  return {
    generation: generations.map(({ generation }) => generation),
    mean: generations.map(({ fitnessMean }) => drawable(fitnessMean)),
    high: generations.map(({ fitnessMean, fitnessSpread }) => drawable(fitnessMean + fitnessSpread)),
    low: generations.map(({ fitnessMean, fitnessSpread }) => drawable(fitnessMean - fitnessSpread)),
    max: generations.map(({ fitnessMax }) => drawable(fitnessMax)),
    validation: generations.map(({ validation }) => validation),
    spread: generations.map(({ fitnessSpread }) => drawable(fitnessSpread)),
  };
}

export function describeFitness(generations: readonly GenerationRecord[]): string {
  const newest = generations.at(-1);
  if (newest === undefined) return "No generation has ended yet.";
  const finite = generations.filter(({ fitnessMax }) => Number.isFinite(fitnessMax));
  const best = finite.reduce((top, { fitnessMax }) => Math.max(top, fitnessMax), Number.NEGATIVE_INFINITY);
  const top = finite.length === 0 ? "" : ` Best max so far ${formatScore(best)}.`;
  const validation = newest.validation === null ? "" : ` Validation ${formatScore(newest.validation)}.`;
  return `Generation ${formatCount(newest.generation)}: mean ${formatScore(newest.fitnessMean)}, max ${formatScore(newest.fitnessMax)}, spread ${formatScore(newest.fitnessSpread)}.${validation}${top}`;
}

export interface BufferColumns {
  readonly generation: number[];
  readonly logicalBytes: number[];
  readonly residentBytes: number[];
}

export function bufferColumns(generations: readonly GenerationRecord[]): BufferColumns {
  return {
    generation: generations.map(({ generation }) => generation),
    logicalBytes: generations.map(({ buffer }) => buffer.logicalBytes),
    residentBytes: generations.map(({ buffer }) => buffer.residentBytes),
  };
}

/** The buffer as it was after a generation, as names and texts for a person. */
export function bufferFacts({ bufferSize, bufferCapacity, learningStarts, buffer }: GenerationRecord): {
  readonly fill: number;
  readonly facts: readonly (readonly [name: string, value: string])[];
} {
  const fill = bufferCapacity === 0 ? 0 : bufferSize / bufferCapacity;
  const ratio = buffer.residentBytes === 0 ? 1 : buffer.logicalBytes / buffer.residentBytes;
  const waits = bufferSize < learningStarts ? `, learning starts at ${formatCount(learningStarts)}` : "";
  return {
    fill,
    facts: [
      [
        "Fill",
        `${formatCount(bufferSize)} of ${formatCount(bufferCapacity)} transitions (${formatShare(fill)})${waits}`,
      ],
      ["Turnover", `${formatTurnover(buffer.added, bufferCapacity)}, ${formatCount(buffer.added)} added`],
      ["Unique frames", formatCount(buffer.uniqueFrames)],
      ["Logical", `${formatBytes(buffer.logicalBytes)}, each transition by itself`],
      ["Resident", `${formatBytes(buffer.residentBytes)}, ${formatRatio(ratio)}`],
      ["Of it kept for saves", formatBytes(buffer.pinnedBytes)],
    ],
  };
}

/** How often the buffer's capacity has been added. */
function formatTurnover(added: number, capacity: number): string {
  return capacity === 0 ? "–" : `${(added / capacity).toFixed(2)} ×`;
}

function formatRatio(ratio: number): string {
  return ratio >= 1 ? `${ratio.toFixed(1)} × smaller` : `${(1 / ratio).toFixed(1)} × larger`;
}
