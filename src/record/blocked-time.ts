import type { QueuedRecord } from "./run-record.ts";
import type { RunView } from "./run-view.ts";

/** How long training stood still for saving, in ms. */
export interface BlockedTime {
  readonly totalMs: number;
  readonly longestMs: number;
  /** Of the time that the generations took; null before the first. */
  readonly share: number | null;
}

/**
 * Over all processes of the run. The newest one's counters hold waits for memory too; of the earlier ones the log has
 * what each save blocked.
 */
export function blockedTimeOf(view: RunView): BlockedTime {
  const sessionAtMs = view.sessions.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  const queued = view.saves.flatMap((save): QueuedRecord[] => (save.queued === null ? [] : [save.queued]));
  const status = view.status?.status;
  const counted = status === undefined ? queued : queued.filter(({ atMs }) => atMs < sessionAtMs);
  let totalMs = status?.blockedMs ?? 0;
  let longestMs = status?.longestBlockMs ?? 0;
  for (const { blockedMs } of counted) {
    totalMs += blockedMs;
    longestMs = Math.max(longestMs, blockedMs);
  }
  let trainedMs = 0;
  for (const { generationMs } of view.generations) trainedMs += generationMs;
  return { totalMs, longestMs, share: trainedMs > 0 ? totalMs / trainedMs : null };
}
