import { formatBytes, hintOf, percentSmaller } from "../log-lines.ts";
import type { CloudEvent, CloudFailedEvent, CloudMovedEvent, CloudQueuedEvent, CloudUnsentEvent } from "./events.ts";

export interface UploadStatus {
  /** Uploads that were accepted and have not ended. */
  readonly pending: number;
  readonly completed: number;
  /** Uploads that failed, were not sent again since, and whose place in the cloud no later one has filled. */
  readonly failed: number;
  /** Of all that are pending or completed. */
  readonly bytes: number;
  /** Of the same; those count that are known: not of a buffer before it is saved, nor of a directory before it is read. */
  readonly totalBytes: number;
  /** Over the last ten seconds, tries that failed included; as of a fifth of a second ago. */
  readonly bytesPerSecond: number;
  /** Until `totalBytes` is reached; null while nothing moves. */
  readonly etaMs: number | null;
  /** Requests of all uploads so far that were tried again. */
  readonly retries: number;
}

/** The line of a trainer: `Upload status: 3 pending, 15 completed, 0 failed`. */
export function formatUploadStatus({
  pending,
  completed,
  failed,
}: Pick<UploadStatus, "pending" | "completed" | "failed">): string {
  return `Upload status: ${pending} pending, ${completed} completed, ${failed} failed`;
}

/** One event as a line for people. */
export function cloudLine(event: CloudEvent): string {
  switch (event.kind) {
    case "queued":
      return queuedLine(event);
    case "saved":
      return `${event.name} saved: ${formatBytes(event.bytes)}, ${percentSmaller({ ...event, storedBytes: event.bytes })} smaller than ${formatBytes(event.logicalBytes)}, ${event.elapsedMs.toFixed(0)} ms`;
    case "uploaded":
    case "downloaded":
      return movedLine(event);
    case "failed":
      return failedLine(event);
    case "retry":
      return `${event.name}: try ${event.attempt} failed, the next in ${(event.delayMs / 1000).toFixed(1)} s: ${event.error.message}`;
    case "waiting":
      return `Waiting for ${uploads(event.pending, "background upload")}…${event.paused > 0 ? ` ${event.paused} paused: resume() sends them` : ""}`;
    case "finished":
      return `${event.succeeded} succeeded, ${event.failed} failed${event.pending > 0 ? `, ${event.pending} still pending` : ""}${event.paused > 0 ? ` (${event.paused} paused)` : ""}`;
    case "unsent":
      return unsentLine(event);
    case "warning":
      return `WARNING: ${event.message}`;
  }
}

function uploads(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** So many names are told. */
const SHOWN_NAMES = 5;

function unsentLine({ uploads: count, paused, names }: CloudUnsentEvent): string {
  const shown = names.slice(0, SHOWN_NAMES).join(", ") + (names.length > SHOWN_NAMES ? ", …" : "");
  const why = paused > 0 ? ` (${paused} paused)` : "";
  return `WARNING: ${uploads(count, "upload")} not sent${why}: ${shown}. What is on local disk is kept: upload it again, or sync its folder; shutdown() before the end waits for uploads, paused ones too`;
}

function queuedLine({ name, what, direction, transitions, logicalBytes }: CloudQueuedEvent): string {
  if (transitions !== undefined && logicalBytes !== undefined) {
    return `${name} queued: ${transitions} transitions, ${formatBytes(logicalBytes)}`;
  }
  return `${direction === "up" ? "upload" : "download"} of ${what === "directory" ? "directory " : ""}${name} queued`;
}

function movedLine({ kind, from, to, files, bytes, unchanged, elapsedMs }: CloudMovedEvent): string {
  const place = `${from} → ${to}`;
  if (files === 0 && unchanged === 1) return `${place}: already there, unchanged`;
  const parts = [
    ...(files + unchanged === 1 ? [] : [`${files} file${files === 1 ? "" : "s"}`]),
    formatBytes(bytes),
    ...(unchanged > 0 ? [`${unchanged} unchanged`] : []),
    `${elapsedMs.toFixed(0)} ms`,
  ];
  return `${kind} ${place}: ${parts.join(", ")}`;
}

function failedLine({ name, direction, error, kept }: CloudFailedEvent): string {
  const what = direction === "up" ? "upload" : "download";
  const why = `${what} of ${name} FAILED: ${error.message}${hintOf(error)}`;
  return kept === null ? why : `${why}. ${kept} is kept; cloud.retryFailed() sends it again`;
}
