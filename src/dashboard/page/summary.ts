import { blockedTimeOf } from "../../record/blocked-time.ts";
import { formatBytes, formatCount, formatDuration, formatScore } from "../../record/format.ts";
import { formatShare, formatSpan, UNKNOWN } from "./page-format.ts";
import type { RunModel } from "./run-model.ts";
import { hasTwoTiers } from "./save-bars.ts";
import { outcomeOf } from "./save-outcome.ts";

/** One number at the head of a run. */
export interface Figure {
  readonly label: string;
  readonly value: string;
  readonly detail: string;
  readonly isBad: boolean;
}

/** What a person wants to know first, most wanted first. */
export function summaryOf(model: RunModel, hasEnded: boolean): readonly Figure[] {
  return [...blockedFigures(model), generationFigure(model), fitnessFigure(model), ...saveFigures(model, hasEnded)];
}

function blockedFigures(model: RunModel): readonly Figure[] {
  const { totalMs, longestMs, share } = blockedTimeOf(model.view);
  const isKnown = model.view.status !== null || model.view.saves.some(({ queued }) => queued !== null);
  const waits = model.view.status?.status.memoryWaits ?? 0;
  return [
    {
      label: "Training blocked",
      value: isKnown ? formatDuration(totalMs) : UNKNOWN,
      detail: share === null ? "by saving, in all" : `${formatShare(share)} of its time`,
      isBad: false,
    },
    {
      label: "Longest block",
      value: isKnown ? formatDuration(longestMs) : UNKNOWN,
      detail:
        waits === 0
          ? "never waited for memory"
          : `waited for memory ${formatCount(waits)} ×; save less often, or raise maxPinnedBytes`,
      isBad: waits > 0,
    },
  ];
}

function generationFigure({ view }: RunModel): Figure {
  const newest = view.generations.at(-1);
  const value = formatCount(newest?.generation ?? 0);
  const all = view.config?.generations ?? newest?.generations;
  return {
    label: "Generation",
    value: all === undefined ? value : `${value} of ${formatCount(all)}`,
    detail: newest === undefined ? "none has ended yet" : `the newest took ${formatDuration(newest.generationMs)}`,
    isBad: false,
  };
}

function fitnessFigure({ view }: RunModel): Figure {
  const newest = view.generations.at(-1);
  if (newest === undefined) return { label: "Fitness, max", value: UNKNOWN, detail: "", isBad: false };
  const { fitnessMax, fitnessMean, validation } = newest;
  const validated = validation === null ? "" : `, validation ${formatScore(validation)}`;
  const detail = `mean ${formatScore(fitnessMean)}${validated}`;
  return { label: "Fitness, max", value: formatScore(fitnessMax), detail, isBad: false };
}

function saveFigures(model: RunModel, hasEnded: boolean): readonly Figure[] {
  const { view } = model;
  const outcomes = view.saves.map((save) => outcomeOf(save, model, hasEnded));
  const countOf = (...wanted: readonly string[]): number => outcomes.filter((each) => wanted.includes(each)).length;
  const failed = countOf("failed");
  const underWay = countOf("waiting", "encoding", "writing");
  const known = view.saves.length === 0 ? view.checkpoints.length : countOf("committed", "durable");
  const details = [
    ...(underWay > 0 ? [`${formatCount(underWay)} under way`] : []),
    failed === 0 ? "none failed" : `${formatCount(failed)} failed`,
  ];
  const checkpoints = {
    label: "Checkpoints",
    value: formatCount(known),
    detail: details.join(", "),
    isBad: failed > 0,
  };
  return [checkpoints, behindFigure(model)];
}

function behindFigure(model: RunModel): Figure {
  const { status, degraded } = model.view;
  const label = "Store behind by";
  if (status === null) return { label, value: UNKNOWN, detail: "", isBad: degraded !== null };
  const { behind, behindBytes, behindMs } = status.status;
  const isBad = degraded !== null || status.status.isDegraded;
  if (behind > 0) {
    const detail = `${formatBytes(behindBytes)}, oldest ${formatSpan(behindMs)}`;
    return { label, value: formatCount(behind), detail: isBad ? `store away; ${detail}` : detail, isBad };
  }
  const detail = hasTwoTiers(model) ? "it has all" : "written directly";
  return { label, value: "0", detail: isBad ? "store away" : detail, isBad };
}
