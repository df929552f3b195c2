import type { CheckpointerStatus } from "../index.ts";
import type { TrainConfig, TrainResult } from "../trainer/contract.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes, formatDuration, formatScore, formatSmaller, plural } from "./format.ts";
import type { StopSignal } from "./stop-signals.ts";
import { IN_MEMORY, type ResumeCommand, type RunPlace } from "./train-place.ts";
import type { SaveTotals } from "./train-reporter.ts";

export interface SummaryInput {
  readonly config: TrainConfig;
  readonly place: RunPlace;
  readonly resumeCommand: ResumeCommand;
  readonly result: TrainResult;
  readonly status: CheckpointerStatus;
  readonly totals: SaveTotals;
  readonly elapsedMs: number;
  readonly resumedFrom: number | null;
  readonly stoppedBy: StopSignal | null;
  readonly metricsLog: string | null;
}

/** The facts of a run, as `varve train --json` prints them. Names are fixed: scripts read them. */
export interface TrainSummary {
  readonly environment: string;
  readonly store: string;
  readonly local: string | null;
  readonly seed: number;
  readonly population: number;
  /** Completed, and asked for. */
  readonly generations: number;
  readonly generationsPlanned: number;
  readonly finished: boolean;
  readonly stoppedBy: StopSignal | null;
  readonly resumedFrom: number | null;
  readonly frames: number;
  readonly elapsedMs: number;
  /** Mean over the generations of this process. */
  readonly generationMs: number;
  readonly champion: TrainResult["champion"];
  readonly checkpoints: number;
  readonly checkpointsFailed: number;
  /** What full saves would have written, and what these have. */
  readonly bytesLogical: number;
  readonly bytesStored: number;
  /** Time that training was blocked by saving: in all, and the longest single time. */
  readonly blockedMs: number;
  readonly longestBlockMs: number;
  readonly stateHash: string;
  readonly metricsLog: string | null;
  /** Null where nothing was saved, or only to memory. */
  readonly resumeCommand: string | null;
  readonly reports: TrainResult["reports"];
}

export function summarize(input: SummaryInput): TrainSummary {
  const { config, place, result, status, totals, resumeCommand } = input;
  const generationMs = result.reports.reduce((sum, report) => sum + report.generationMs, 0) / result.reports.length;
  const hasCheckpoint = totals.checkpoints > 0 || input.resumedFrom !== null;
  return {
    environment: config.environment,
    store: place.store,
    local: place.local ?? null,
    seed: config.seed,
    population: config.population,
    generations: result.generations,
    generationsPlanned: config.generations,
    finished: result.finished,
    stoppedBy: input.stoppedBy,
    resumedFrom: input.resumedFrom,
    frames: result.frames,
    elapsedMs: input.elapsedMs,
    generationMs: result.reports.length === 0 ? 0 : generationMs,
    champion: result.champion,
    checkpoints: totals.checkpoints,
    checkpointsFailed: totals.failed,
    bytesLogical: totals.bytesLogical,
    bytesStored: totals.bytesStored,
    blockedMs: status.blockedMs,
    longestBlockMs: status.longestBlockMs,
    stateHash: result.stateHash,
    metricsLog: input.metricsLog,
    resumeCommand: hasCheckpoint ? resumeCommand(result.finished ? 2 * config.generations : undefined) : null,
    reports: result.reports,
  };
}

function whyNotResumable({ checkpoints }: TrainSummary): string {
  return checkpoints === 0 ? "nothing was saved" : IN_MEMORY;
}

/** The facts as a table for a person. */
export function formatSummary(output: ConsoleOutput, summary: TrainSummary): string {
  const { champion } = summary;
  const holdout = champion.holdoutMean === null ? "" : `, hold-out ${formatScore(champion.holdoutMean)}`;
  const from = summary.resumedFrom === null ? "" : `, resumed from ${summary.resumedFrom}`;
  const failed = summary.checkpointsFailed === 0 ? "" : `, ${summary.checkpointsFailed} failed`;
  const share = summary.elapsedMs === 0 ? 0 : (100 * summary.blockedMs) / summary.elapsedMs;
  const rows = [
    ["generations", `${summary.generations} of ${summary.generationsPlanned}${from}`],
    ["time", `${formatDuration(summary.elapsedMs)}, ${formatDuration(summary.generationMs)} a generation`],
    [
      "champion",
      `${formatScore(champion.mean)} ± ${formatScore(champion.deviation)} over ${plural(champion.episodes, "fresh episode")}${holdout}`,
    ],
    ["checkpoints", `${summary.checkpoints}${failed}`],
    [
      "bytes",
      `${formatBytes(summary.bytesLogical)} as full saves → ${formatBytes(summary.bytesStored)} stored (${formatSmaller(summary.bytesLogical, summary.bytesStored)})`,
    ],
    [
      "blocked by saving",
      `${formatDuration(summary.blockedMs)} in all (${Number(share.toPrecision(2))} % of the time)`,
    ],
    ["longest block", formatDuration(summary.longestBlockMs)],
    ["state", summary.stateHash.slice(0, 16)],
    [summary.finished ? "train on with" : "resume with", summary.resumeCommand ?? whyNotResumable(summary)],
  ];
  return output.table([summary.environment, summary.store], rows);
}
