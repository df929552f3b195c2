import { writeSync } from "node:fs";
import { printable } from "../base/printable.ts";
import type { CheckpointEvent, WaitedEvent } from "./events.ts";

const STDERR = 2;

export function logToStderr(event: CheckpointEvent): void {
  // One a second may come for hours. That training waits, and what to do, is told as a warning.
  if (event.kind !== "waited") lineToStderr(logLine(event));
}

/** Writes at once: the stream of a worker, or of a loop that never yields, would wait for the event loop. */
export function lineToStderr(line: string): void {
  writeSync(STDERR, `varve: ${printable(line)}\n`);
}

/** One event as a line for people. */
function logLine(event: Exclude<CheckpointEvent, WaitedEvent>): string {
  switch (event.kind) {
    case "queued":
      return `save ${event.sequence} (step ${event.step}) queued: ${event.transitions} transitions, ${formatBytes(event.logicalBytes)}, training blocked ${event.blockedMs.toFixed(2)} ms`;
    case "durable":
      return `save ${event.sequence} (step ${event.step}) durable: ${formatBytes(event.storedBytes)} written, ${percentSmaller(event)} smaller than ${formatBytes(event.logicalBytes)}, ${formatBytes(event.totalStoredBytes)} in all, ${event.elapsedMs.toFixed(0)} ms`;
    case "committed":
      return `save ${event.sequence} (step ${event.step}) committed: ${event.manifest} → ${event.store}`;
    case "failed":
      return `save ${event.sequence} (step ${event.step}) FAILED: ${event.error.message}${hintOf(event.error)}`;
    case "skipped":
      return `save ${event.sequence} (step ${event.step}) skipped: an earlier one is still under way`;
    case "replaced":
      return `save ${event.sequence} (step ${event.step}) replaced by save ${event.by}, which came while it waited`;
    case "degraded":
      return `DEGRADED: ${event.store} takes no checkpoints: ${event.error.message}${hintOf(event.error)}; it lacks ${event.behind}`;
    case "recovered":
      return `${event.store} takes checkpoints again, after ${(event.awayMs / 1000).toFixed(0)} s; it lacks ${event.behind}`;
    case "warning":
      return `WARNING: ${event.message}`;
  }
}

/** What the reader can do about an error, in brackets. */
export function hintOf(error: Error): string {
  const { hint } = error as { hint?: unknown };
  return typeof hint === "string" ? ` (${hint})` : "";
}

/** Of what this save wrote: all packs together may be larger than a small buffer. */
export function percentSmaller(event: { readonly logicalBytes: number; readonly storedBytes: number }): string {
  if (event.logicalBytes === 0) return "0 %";
  return `${(100 * (1 - event.storedBytes / event.logicalBytes)).toFixed(1)} %`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Decimal units: 1 MB = 1,000,000 bytes. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${UNITS[unit]}`;
}
