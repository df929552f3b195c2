import type { SaveView } from "../../record/run-view.ts";
import type { RunModel } from "./run-model.ts";
import { outcomeOf } from "./save-outcome.ts";
import type { TimeRange } from "./time-window.ts";

export type SaveRow = "encode" | "write" | "upload";

/** A stretch of one save's way. A wait is time in which nobody worked on it; open is what has not ended yet. */
export interface SaveBar extends TimeRange {
  readonly row: SaveRow;
  readonly kind: "work" | "wait" | "failed";
  readonly isOpen: boolean;
  readonly save: SaveView;
}

/**
 * The bars of all saves, oldest save first.
 *
 * ```
 *   queued    encodingAtMs  writingAtMs   durable     sendingAtMs   committed
 *     |..wait....|== encode ==|== write ====|....wait.....|== upload ==|
 * ```
 *
 * @param nowMs - where bars that have not ended are cut
 * Cost: O(saves).
 */
export function saveBars(model: RunModel, nowMs: number, hasEnded: boolean): SaveBar[] {
  const isTwoTier = hasTwoTiers(model);
  return model.view.saves.flatMap((save) => barsOf(save, model, { nowMs, hasEnded, isTwoTier }));
}

/** Whether checkpoints are sent on after they are durable; with one tier both happen at once. */
export function hasTwoTiers({ view }: RunModel): boolean {
  if ((view.status?.status.behind ?? 0) > 0) return true;
  return view.saves.some(({ committed }) => committed !== null && committed.sendingAtMs !== null);
}

/** Whether checkpoints are written to the run's store at once; unknown, and false, before the first. */
export function hasOneTier(model: RunModel): boolean {
  return !hasTwoTiers(model) && model.view.saves.some(({ committed }) => committed !== null);
}

interface Surroundings {
  readonly nowMs: number;
  readonly hasEnded: boolean;
  readonly isTwoTier: boolean;
}

function barsOf(save: SaveView, model: RunModel, { nowMs, hasEnded, isTwoTier }: Surroundings): SaveBar[] {
  const bars: SaveBar[] = [];
  const add = (row: SaveRow, kind: SaveBar["kind"], fromMs: number, toMs: number, isOpen = false): void => {
    bars.push({ row, kind, fromMs, toMs: Math.max(fromMs, toMs), isOpen, save });
  };
  const { queued, durable, committed, failed } = save;
  if (durable !== null) {
    if (queued !== null) add("encode", "wait", queued.atMs, durable.encodingAtMs);
    add("encode", "work", durable.encodingAtMs, durable.writingAtMs);
    add("write", "work", durable.writingAtMs, durable.atMs);
  } else if (queued !== null && failed === null) {
    addOpen(add, save, model, nowMs, hasEnded);
  }
  if (durable !== null && committed !== null && committed.sendingAtMs !== null) {
    add("upload", "wait", durable.atMs, committed.sendingAtMs);
    add("upload", "work", committed.sendingAtMs, committed.atMs);
  } else if (durable !== null && committed === null && isTwoTier) {
    add("upload", "wait", durable.atMs, nowMs, !hasEnded);
  }
  if (failed !== null) add(durable === null ? "write" : "upload", "failed", failed.atMs, failed.atMs);
  return bars;
}

function addOpen(
  add: (row: SaveRow, kind: SaveBar["kind"], fromMs: number, toMs: number, isOpen: boolean) => void,
  save: SaveView,
  model: RunModel,
  nowMs: number,
  hasEnded: boolean,
): void {
  const outcome = outcomeOf(save, model, hasEnded);
  const fromMs = save.queued?.atMs ?? nowMs;
  if (outcome === "encoding") add("encode", "work", fromMs, nowMs, true);
  else if (outcome === "writing") add("write", "work", fromMs, nowMs, true);
  else if (outcome === "waiting") add("encode", "wait", fromMs, nowMs, true);
}
