import { printable } from "../base/printable.ts";
import type { ErrorFacts, RunRecord } from "../record/run-record.ts";
import { formatBytes, formatCount, formatDuration, formatScore, formatSmaller, plural } from "./format.ts";

/** A record as one line for a person; null where it says nothing that another line does not say. */
export function recordLine(record: RunRecord): string | null {
  switch (record.event) {
    case "start":
      return `start: ${printable(record.config.environment)}`;
    case "resume":
      return `resumed from checkpoint ${record.sequence} (step ${record.step})`;
    case "generation":
      return generationLine(record);
    case "queued":
    case "durable":
    case "committed":
    case "failed":
    case "skipped":
    case "replaced":
      return saveLine(record);
    case "waited":
      return `training waited ${formatDuration(record.blockedMs)} for memory`;
    case "degraded":
      return `${printable(record.store)} is away: ${errorText(record.error)}`;
    case "recovered":
      return `${printable(record.store)} is back after ${formatDuration(record.awayMs)}: ${plural(record.behind, "checkpoint")} still to send`;
    case "warning":
      return `WARNING: ${printable(record.message)}`;
    case "end":
      return `${record.finished ? "finished" : "stopped"} after ${plural(record.generations, "generation")}`;
    case "checkpoints":
      return checkpointsLine(record);
    case "status":
      return null;
  }
}

function generationLine(record: Extract<RunRecord, { event: "generation" }>): string {
  const { generation, generations, validation } = record;
  const parts = [
    `generation ${generation}/${generations}`,
    `fitness mean ${formatScore(record.fitnessMean)}, max ${formatScore(record.fitnessMax)}`,
    ...(validation === null ? [] : [`validation ${formatScore(validation)}`]),
    `buffer ${formatCount(record.bufferSize)} / ${formatCount(record.bufferCapacity)}`,
    formatDuration(record.generationMs),
  ];
  return parts.join(" · ");
}

type OfSave = "queued" | "durable" | "committed" | "failed" | "skipped" | "replaced";

function saveLine(record: Extract<RunRecord, { event: OfSave }>): string {
  const save = `save ${record.sequence} (step ${record.step})`;
  switch (record.event) {
    case "queued":
      return `${save} queued: ${formatBytes(record.logicalBytes)}, training blocked ${formatDuration(record.blockedMs)}`;
    case "durable":
      return `${save} durable: ${formatBytes(record.storedBytes)} written (${formatSmaller(record.logicalBytes, record.storedBytes)}), ${formatDuration(record.elapsedMs)}`;
    case "committed":
      return `${save} committed to ${printable(record.store)}`;
    case "failed":
      return `${save} FAILED: ${errorText(record.error)}`;
    case "skipped":
    case "replaced":
      return `${save} ${record.event}`;
  }
}

function checkpointsLine({ checkpoints }: Extract<RunRecord, { event: "checkpoints" }>): string {
  const newest = checkpoints.at(-1);
  if (newest === undefined) return "the store holds no checkpoints";
  return `the store holds ${plural(checkpoints.length, "checkpoint")}, the newest of step ${newest.step} (sequence ${newest.sequence})`;
}

/** What failed, and what to do. */
export function errorText({ code, message, hint }: ErrorFacts): string {
  const known = code === null ? "" : ` [${printable(code)}]`;
  return `${printable(message)}${known}${hint === null ? "" : ` → ${printable(hint)}`}`;
}
