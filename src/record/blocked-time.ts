import type { QueuedRecord, WaitedRecord } from "./run-record.ts";
import type { RunView } from "./run-view.ts";

/** How long training stood still for saving, in ms. */
export interface BlockedTime {
  readonly totalMs: number;
  readonly longestMs: number;
  /** Of the time that the generations took; null before the first. */
  readonly share: number | null;
}

/** Over all processes of the run: of the newest its counters, of the earlier ones what the log has of saves and waits. */
export function blockedTimeOf(view: RunView): BlockedTime {
  const sessionAtMs = view.sessions.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  const queued = view.saves.flatMap((save): QueuedRecord[] => (save.queued === null ? [] : [save.queued]));
  const blocks: readonly (QueuedRecord | WaitedRecord)[] = [...queued, ...view.waits];
  const status = view.status?.status;
  const counted = status === undefined ? blocks : blocks.filter(({ atMs }) => atMs < sessionAtMs);
  let totalMs = status?.blockedMs ?? 0;
  let longestMs = status?.longestBlockMs ?? 0;
  for (const block of counted) {
    totalMs += block.blockedMs;
    // Of several waits told together, the longest took their mean at least.
    const waits = block.event === "waited" ? block.waits : 1;
    longestMs = Math.max(longestMs, block.blockedMs / waits);
  }
  let trainedMs = 0;
  for (const { generationMs } of view.generations) trainedMs += generationMs;
  return { totalMs, longestMs, share: trainedMs > 0 ? totalMs / trainedMs : null };
}
