import type { RunRecord } from "../../record/run-record.ts";
import { applyRecord, emptyView, type RunView } from "../../record/run-view.ts";

/** While the run's store was away; `toMs` is null as long as it is. */
export interface AwayPeriod {
  readonly fromMs: number;
  toMs: number | null;
}

/** A run as the page has it: the view, and what the page needs besides. Pure data. */
export interface RunModel {
  readonly view: RunView;
  readonly aways: AwayPeriod[];
  /** Of the records so far, on the trainer's clock; null while there are none. */
  firstAtMs: number | null;
  lastAtMs: number | null;
  /** When the store was listed last; null where it was not. */
  listedAtMs: number | null;
  recordCount: number;
  /** Goes up with every record that concerns saves, checkpoints or sessions: who shows them compares it. */
  savesRevision: number;
}

export function emptyModel(): RunModel {
  return {
    ...{ view: emptyView(), aways: [], firstAtMs: null, lastAtMs: null, listedAtMs: null },
    ...{ recordCount: 0, savesRevision: 0 },
  };
}

/** Records as the server sends them: of a score that is not finite JSON knows only null. */
export function recordsIn(json: string): readonly RunRecord[] {
  return (JSON.parse(json) as readonly RunRecord[]).map((record) => {
    if (record.event !== "generation") return record;
    const [fitnessMean, fitnessMax] = [scoreIn(record.fitnessMean), scoreIn(record.fitnessMax)];
    return { ...record, fitnessMean, fitnessMax, fitnessSpread: scoreIn(record.fitnessSpread) };
  });
}

const scoreIn = (score: number | null): number => score ?? Number.NaN;

/** Takes records in, in their order. Cost: a constant for each, but for a resume. */
export function takeRecords(model: RunModel, records: readonly RunRecord[]): void {
  for (const record of records) {
    applyRecord(model.view, record);
    model.recordCount += 1;
    takeTime(model, record);
    takeAway(model, record);
    if (record.event !== "generation" && record.event !== "status") model.savesRevision += 1;
  }
}

function takeTime(model: RunModel, record: RunRecord): void {
  if (record.event === "checkpoints") {
    model.listedAtMs = record.atMs;
    return;
  }
  model.firstAtMs = Math.min(model.firstAtMs ?? beginOf(record), beginOf(record));
  model.lastAtMs = Math.max(model.lastAtMs ?? record.atMs, record.atMs);
}

/** A log may begin with the end of a generation. */
const beginOf = (record: RunRecord): number =>
  record.event === "generation" ? record.atMs - record.generationMs : record.atMs;

function takeAway({ aways }: RunModel, record: RunRecord): void {
  const last = aways.at(-1);
  const isOpen = last !== undefined && last.toMs === null;
  if (record.event === "degraded" && !isOpen) aways.push({ fromMs: record.atMs, toMs: null });
  // A process that went away took its knowledge of the store along.
  const ends = record.event === "recovered" || record.event === "start" || record.event === "resume";
  if (ends && isOpen) last.toMs = record.atMs;
}

/** A generation seldom takes longer; a log that is as young as this still grows. */
const FRESH_MS = 120_000;

/**
 * Whether more is to come of a run: it trains in this server's process, or its log was written to a moment ago.
 *
 * @param nowMs - by the clock of whoever wrote the log
 */
export function isTraining({ view, lastAtMs }: RunModel, isLive: boolean, nowMs: number): boolean {
  if (view.end !== null) return false;
  return isLive || (lastAtMs !== null && nowMs - lastAtMs < FRESH_MS);
}

export type RunPhase = "empty" | "stored" | "training" | "finished" | "stopped" | "silent";

/**
 * Where a run stands: nothing known of it; checkpoints without a log; training; ended at its last generation; ended
 * before; or without a word of its end, as where its process was killed, or trains out of this server's sight.
 *
 * @param isInTraining - as `isTraining` says
 */
export function phaseOf({ view, lastAtMs }: RunModel, isInTraining: boolean): RunPhase {
  if (view.end !== null) return view.end.finished ? "finished" : "stopped";
  if (isInTraining) return "training";
  if (lastAtMs !== null) return "silent";
  return view.checkpoints.length > 0 ? "stored" : "empty";
}
