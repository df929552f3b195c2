import { blockedTimeOf } from "../../record/blocked-time.ts";
import { formatCount, formatDuration, formatScore } from "../../record/format.ts";
import { orUnknown, UNKNOWN } from "./page-format.ts";
import { drawable } from "./plot-columns.ts";
import type { ListedRun } from "./run-list.ts";
import { isTraining, type RunModel } from "./run-model.ts";
import { phaseWord } from "./run-words.ts";

export const COMPARISON_COLUMNS = [
  ...(["State", "Generation", "Fitness max", "Mean", "Validation", "Blocked", "Longest", "Checkpoints"] as const),
  ...(["Behind", "Failed"] as const),
] as const;

/** One run as the cells of a row, in the order of the columns. */
export function comparisonCells(run: ListedRun, model: RunModel, nowMs: number): readonly string[] {
  const { generations, saves, checkpoints, status, config } = model.view;
  const newest = generations.at(-1) ?? null;
  const { totalMs, longestMs } = blockedTimeOf(model.view);
  const hasLog = model.firstAtMs !== null;
  const durable = saves.filter((save) => save.durable !== null || save.committed !== null).length;
  const all = config === null ? "" : ` of ${formatCount(config.generations)}`;
  return [
    run.error === null ? phaseWord(model, isTraining(model, run.isLive, nowMs)) : "cannot be read",
    orUnknown(newest, ({ generation }) => `${formatCount(generation)}${all}`),
    orUnknown(newest, ({ fitnessMax }) => formatScore(fitnessMax)),
    orUnknown(newest, ({ fitnessMean }) => formatScore(fitnessMean)),
    orUnknown(newest?.validation ?? null, formatScore),
    hasLog ? formatDuration(totalMs) : UNKNOWN,
    hasLog ? formatDuration(longestMs) : UNKNOWN,
    formatCount(saves.length === 0 ? checkpoints.length : durable),
    orUnknown(status, ({ status: { behind } }) => formatCount(behind)),
    hasLog ? formatCount(saves.filter(({ failed }) => failed !== null).length) : UNKNOWN,
  ];
}

/** The best fitness of each generation of several runs, over the generations that any of them has. */
export function comparisonColumns(models: readonly RunModel[]): {
  readonly generation: readonly number[];
  readonly maxByRun: readonly (readonly (number | null)[])[];
} {
  const generation = [...new Set(models.flatMap(({ view }) => view.generations.map((each) => each.generation)))].sort(
    (a, b) => a - b,
  );
  const place = new Map(generation.map((each, index) => [each, index]));
  const maxByRun = models.map(({ view }) => {
    const column = generation.map((): number | null => null);
    for (const each of view.generations) column[place.get(each.generation) ?? 0] = drawable(each.fitnessMax);
    return column;
  });
  return { generation, maxByRun };
}
