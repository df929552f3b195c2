import { formatBytes, formatCount, formatScore } from "../../record/format.ts";
import type { GenerationRecord } from "../../record/run-record.ts";
import { formatShare } from "./page-format.ts";

/** Columns of a plot, over generations. */
export interface FitnessColumns {
  readonly generation: number[];
  readonly mean: number[];
  /** Mean plus and minus one standard deviation over the population. */
  readonly high: number[];
  readonly low: number[];
  readonly max: number[];
  readonly validation: (number | null)[];
  readonly spread: number[];
}

export function fitnessColumns(generations: readonly GenerationRecord[]): FitnessColumns {
  return {
    generation: generations.map(({ generation }) => generation),
    mean: generations.map(({ fitnessMean }) => fitnessMean),
    high: generations.map(({ fitnessMean, fitnessSpread }) => fitnessMean + fitnessSpread),
    low: generations.map(({ fitnessMean, fitnessSpread }) => fitnessMean - fitnessSpread),
    max: generations.map(({ fitnessMax }) => fitnessMax),
    validation: generations.map(({ validation }) => validation),
    spread: generations.map(({ fitnessSpread }) => fitnessSpread),
  };
}

export function describeFitness(generations: readonly GenerationRecord[]): string {
  const newest = generations.at(-1);
  if (newest === undefined) return "No generation has ended yet.";
  const best = generations.reduce((top, { fitnessMax }) => Math.max(top, fitnessMax), Number.NEGATIVE_INFINITY);
  const validation = newest.validation === null ? "" : ` Validation ${formatScore(newest.validation)}.`;
  return `Generation ${formatCount(newest.generation)}: mean ${formatScore(newest.fitnessMean)}, max ${formatScore(newest.fitnessMax)}, spread ${formatScore(newest.fitnessSpread)}.${validation} Best max so far ${formatScore(best)}.`;
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
