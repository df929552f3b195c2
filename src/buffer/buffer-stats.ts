import type { FieldSet } from "../schema/fields.ts";
import { layOut } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { FrameLog } from "./frame-log.ts";

/** What a buffer holds and what it costs. All bytes are exact, not sampled. */
export interface BufferStats {
  /** Transitions held. */
  readonly size: number;
  readonly capacity: number;
  /** size / capacity, 0 to 1. */
  readonly utilization: number;
  /** Transitions added since the run began, over restores; `clear()` does not set it back. */
  readonly totalAdded: number;
  /** Frames stored for those transitions, of all observation fields together; 0 where all are inline. */
  readonly uniqueFrames: number;
  /** What the transitions would take as plain arrays, both observations in full. */
  readonly logicalBytes: number;
  /** Memory allocated: blocks in use, free and pinned, tables, sum-tree. */
  readonly residentBytes: number;
  /** Memory of replaced blocks that a running save still needs; part of residentBytes. */
  readonly pinnedBytes: number;
  /** Priority updates ignored because their rows were gone. */
  readonly ignoredPriorityUpdates: number;
  /** What could be declared better, in words; null if nothing was seen. */
  readonly hint: string | null;
}

/** Rows from which on it can be told whether anything is shared. */
const HINT_FROM_ROWS = 64;
/** New frames per transition; the observation that is the next one's successor already makes it about 1. */
const HINT_FROM_FRAMES_PER_ROW = 0.9;

/** A hint where a large observation without `frames` is stored in full, row by row. */
export function hintFor(fields: FieldSet, frameLogs: readonly FrameLog[], size: number): string | null {
  if (size < HINT_FROM_ROWS) return null;
  const interned = fields.observations.filter((field) => field.interned !== null);
  for (const [i, field] of interned.entries()) {
    const { head, tail } = (frameLogs[i] as FrameLog).log.bounds;
    const perRow = (head - tail) / size;
    if (field.declaresFrames || perRow < HINT_FROM_FRAMES_PER_ROW || (field.shape[0] ?? 1) < 2) continue;
    return (
      `Every ${field.path} (${field.bytes} bytes) is stored in full: ${perRow.toFixed(2)} new ones per transition. ` +
      `If it is a stack or window along its leading axis of ${field.shape[0]}, declare \`frames\` ` +
      `(such as frames: ${field.shape[0]}), and what repeats is stored once.`
    );
  }
  return null;
}

/** Slices of a window to expect: it is one where its env is the only one, and few where old and new frames meet. */
const SLICES_PER_WINDOW = 4;

/**
 * Bytes of memory to expect once the buffer is full and no two frames are equal: the most that ordinary data can take.
 * What is shared comes off it. A running save may add blocks that were replaced meanwhile, up to its `maxPinnedBytes`.
 */
export function estimateBytes(fields: FieldSet, capacity: number, isPrioritized: boolean): number {
  const [transitions, ...others] = layOut(fields, capacity) as [LogLayout, ...LogLayout[]];
  const interned = fields.observations.flatMap((field) => field.interned ?? []);
  let total = bytesFor(capacity, transitions);
  for (const [i, { frames: perWindow }] of interned.entries()) {
    const layout = others[i] as LogLayout;
    const frames = 2 * capacity * perWindow;
    // Per frame: hash and successor; per slot of the table, of which at most four times the frames: hash and id.
    total += bytesFor(frames, layout, 8) + 32 * (frames + layout.rowsPerBlock);
    total += bytesFor(2 * capacity * Math.min(perWindow, SLICES_PER_WINDOW), others[interned.length + i] as LogLayout);
  }
  // The tree has up to four times the leaves; its pages are there twice, with two numbers each.
  return total + (isPrioritized ? (4 + 2) * 8 * capacity + 2 * 4 * Math.ceil(capacity / 4096) : 0);
}

/** A part of a block at either end of the rows, and one more while the next row is written. */
function bytesFor(rows: number, { rowsPerBlock, blockBytes }: LogLayout, more = 0): number {
  return (Math.ceil(rows / rowsPerBlock) + 2) * (blockBytes + more * rowsPerBlock);
}
