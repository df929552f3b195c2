import { formatBytes, formatCount, formatDuration } from "../../record/format.ts";
import type { GenerationRecord, WaitedRecord } from "../../record/run-record.ts";
import type { SaveView } from "../../record/run-view.ts";
import { formatClock, formatShare } from "./page-format.ts";
import type { RunModel } from "./run-model.ts";
import { outcomeOf } from "./save-outcome.ts";
import type { TimeRange } from "./time-window.ts";
import { phaseShares, TRAINING_PHASES, visibleGenerations } from "./training-time.ts";

/** What the time-line shows, in words: for who cannot see it, and for who wants the numbers. */
export function describeRange({ view }: RunModel, range: TimeRange): string {
  const { generations, saves, waits } = view;
  const within = (atMs: number | undefined): boolean =>
    atMs !== undefined && atMs >= range.fromMs && atMs <= range.toMs;
  const durable = saves.filter((save) => within(save.durable?.atMs));
  const committed = saves.filter((save) => within(save.committed?.atMs));
  const failed = saves.filter((save) => within(save.failed?.atMs));
  const [from, to] = visibleGenerations(generations, range);
  const shares = phaseShares(generations, range, 1);
  const savingMs = saves.reduce((sum, { queued }) => sum + (within(queued?.atMs) ? (queued?.blockedMs ?? 0) : 0), 0);
  const waitingMs = waits.reduce((sum, { atMs, blockedMs }) => sum + (within(atMs) ? blockedMs : 0), 0);
  const waited = waitingMs === 0 ? "" : `, ${formatDuration(waitingMs)} of it waiting for memory between saves`;
  const phases = TRAINING_PHASES.map((phase, index) => `${phase} ${formatShare(shares[index] ?? 0)}`).join(", ");
  return [
    `${formatClock(range.fromMs, 1000)} to ${formatClock(range.toMs, 1000)}`,
    `${counted(to - from, "generation")} (${phases})`,
    `blocked ${formatDuration(savingMs + waitingMs)}${waited}`,
    `${counted(durable.length, "checkpoint")} durable, ${formatCount(committed.length)} committed${failed.length === 0 ? "" : `, ${formatCount(failed.length)} failed`}`,
  ].join(" · ");
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function describeGeneration({ generation, ...report }: GenerationRecord): string {
  const { evaluateMs, learnMs, evolveMs, blockedMs } = report;
  return [
    `Generation ${formatCount(generation)}`,
    `evaluate ${formatDuration(evaluateMs)}`,
    `learn ${formatDuration(learnMs)}`,
    `evolve ${formatDuration(evolveMs)}`,
    ...(report.saved ? [`blocked by its save ${formatDuration(blockedMs)}`] : []),
  ].join(" · ");
}

/** Waits for memory, where training stood still outside of its saves. */
export function describeWait({ waitingAtMs, atMs, blockedMs, waits }: WaitedRecord): string {
  const times = waits === 1 ? "" : `, ${formatCount(waits)} × within ${formatDuration(atMs - waitingAtMs)}`;
  return `Training waited ${formatDuration(blockedMs)} for memory${times}`;
}

/** A save's way so far: `Checkpoint 12 (step 120) · blocked 0.2 ms · encode 31 ms · …`. */
export function describeSave(save: SaveView, model: RunModel, hasEnded: boolean): string {
  const { queued, durable, committed, failed } = save;
  const outcome = outcomeOf(save, model, hasEnded);
  const parts = [`Checkpoint ${formatCount(save.sequence)} (step ${formatCount(save.step)})`];
  if (queued !== null) parts.push(`blocked ${formatDuration(queued.blockedMs)}`);
  if (durable !== null) {
    parts.push(`encode ${formatDuration(Math.max(0, durable.writingAtMs - durable.encodingAtMs))}`);
    parts.push(`write ${formatDuration(Math.max(0, durable.atMs - durable.writingAtMs))}`);
    parts.push(`${formatBytes(durable.storedBytes)} new`);
  }
  if (committed !== null && committed.sendingAtMs !== null) {
    parts.push(`upload ${formatDuration(Math.max(0, committed.atMs - committed.sendingAtMs))}`);
  }
  parts.push(failed === null ? outcome : `failed: ${failed.error.message}`);
  return parts.join(" · ");
}
