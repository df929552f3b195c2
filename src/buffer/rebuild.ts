import { CorruptError } from "../errors.ts";
import { ID_RANGE } from "../schema/layouts.ts";
import type { InternedObservation } from "./field-columns.ts";
import type { FrameLog } from "./frame-log.ts";
import type { TransitionLog } from "./transition-log.ts";

/**
 * Rebuilds what is derived from the rows of a restored buffer: which frames are referenced and open to reuse, hash
 * table, successor links, and each env's newest row.
 *
 * @param mostOpenFrames - per frames log, how far behind its head a frame may be open to reuse
 * @param openEnvs - from the snapshot: an env's newest row may have left the buffer
 * @throws CorruptError when a row names slices or frames outside the bounds of their logs
 * Cost: one pass over slices and frames.
 */
export function rebuild(
  log: TransitionLog,
  capacity: number,
  mostOpenFrames: readonly number[],
  openEnvs: readonly number[],
): void {
  rebuildEnvs(log, openEnvs);
  for (const [i, { columns }] of log.columns.interned.entries()) {
    rebuildReferences(log, columns);
    openFrames(columns.frames, log.rows.head, capacity, mostOpenFrames[i] as number);
    rebuildLinks(log, columns);
    columns.frames.dropUnreferenced(log.rows.tail);
  }
  log.dropUnreferencedSlices();
}

function rebuildEnvs({ rows, envs }: TransitionLog, openEnvs: readonly number[]): void {
  for (const env of openEnvs) envs.setOpen(env, true);
  for (let row = rows.tail; row < rows.head; row++) {
    const block = rows.blockOf(row);
    const place = row % rows.rowsPerBlock;
    envs.advance(block.env[place] as number, row, block.terminated[place] === 1 || block.truncated[place] === 1);
  }
}

/** For every block of frames, its newest reference and, as the time it was opened, its oldest. */
function rebuildReferences({ rows }: TransitionLog, columns: InternedObservation): void {
  const { frames, slices } = columns;
  for (const block of frames.log.segments) {
    block.lastReferenced = -1;
    block.openedAt = Number.POSITIVE_INFINITY;
  }
  let end = slices.log.tail;
  for (let row = rows.tail; row < rows.head; row++) {
    const block = rows.blockOf(row);
    const place = row % rows.rowsPerBlock;
    for (const first of [columns.firstSlice(block, place), columns.firstNextSlice(block, place)]) {
      if (first < end) throw new CorruptError(slices.log.layout.name, `row ${row} names slices of an earlier row`);
      end = referenceWindow(columns, first, row);
    }
  }
}

/** Slice by slice: nothing is done for every frame of a restored window. @returns the row after its last slice */
function referenceWindow({ frames, slices, length }: InternedObservation, first: number, row: number): number {
  const { log } = slices;
  let slice = first;
  for (let done = 0; done < length; slice++) {
    if (slice >= log.head) throw new CorruptError(log.layout.name, `row ${row} names a slice that is not there`);
    const block = log.blockOf(slice);
    const place = slice % log.rowsPerBlock;
    const count = block.count[place] as number;
    if (count === 0 || done + count > length) {
      throw new CorruptError(log.layout.name, `the slices of row ${row} do not make up ${length} frames`);
    }
    referenceFrames(frames, frames.rowOf(block.start[place] as number), count, block.step[place] as number, row);
    done += count;
  }
  return slice;
}

function referenceFrames({ log }: FrameLog, from: number, count: number, step: number, row: number): void {
  const to = from + (count - 1) * step;
  if (Math.max(from, to) >= log.head || to < log.tail) {
    throw new CorruptError(log.layout.name, `row ${row} references a frame that is not there`);
  }
  for (let done = 0; done < count; ) {
    const frame = from + done * step;
    const block = log.blockOf(frame);
    block.lastReferenced = row;
    if (row < block.openedAt) block.openedAt = row;
    const left = (block.segment + 1) * log.rowsPerBlock - frame;
    done += step > 0 ? Math.ceil(left / step) : 1;
  }
}

/**
 * Decides which blocks are open to reuse. When they were opened is not saved; the oldest reference left in them or in
 * a later block is the best bound there is. Where a frame is far behind the head, it is closed whatever that says,
 * so that being restored again and again cannot stretch the range of live ids.
 */
function openFrames(frames: FrameLog, head: number, capacity: number, mostOpen: number): void {
  const { log } = frames;
  let oldest = head;
  for (const block of log.segments.toReversed()) {
    oldest = Math.min(oldest, block.openedAt);
    block.openedAt = oldest;
  }
  const open = log.segments.find((block) => head - block.openedAt < capacity);
  const openFrom = open === undefined ? log.head : Math.max(log.tail, open.segment * log.rowsPerBlock);
  frames.adopt(Math.max(openFrom, log.head - mostOpen));
}

/**
 * Links frames to those that followed them. As guesses, so it need not be every window: where an episode goes on,
 * only the newest frame is one that no window before had.
 */
function rebuildLinks({ rows }: TransitionLog, columns: InternedObservation): void {
  const { frames, length } = columns;
  for (const block of frames.log.segments) {
    const first = (block.segment * frames.log.rowsPerBlock) % ID_RANGE;
    for (let place = 0; place < frames.log.rowsPerBlock; place++) block.successors[place] = first + place + 1;
  }
  for (let row = rows.tail; row < rows.head; row++) {
    const block = rows.blockOf(row);
    const place = row % rows.rowsPerBlock;
    const isNew = row === rows.tail || block.episodeStart[place] === 1;
    const last = isNew || length === 1 ? linkWindow(columns, columns.firstSlice(block, place), -1, 0) : -1;
    linkWindow(columns, columns.firstNextSlice(block, place), length === 1 ? last : -1, length - 1);
  }
}

/**
 * Links each frame of a window, from number `from` on, to the one before it.
 *
 * @param before - the id of the frame before the window's first, or -1
 * @returns the id of the last frame
 */
function linkWindow(
  { frames, slices, length }: InternedObservation,
  first: number,
  before: number,
  from: number,
): number {
  const { log } = slices;
  let previous = before;
  for (let slice = first, done = 0; done < length; slice++) {
    const block = log.blockOf(slice);
    const place = slice % log.rowsPerBlock;
    const start = block.start[place] as number;
    const count = block.count[place] as number;
    const step = block.step[place] as number;
    if (done >= from && previous >= 0) link(frames, previous, start);
    // Inside a slice of step 1 each link is the default.
    for (let i = step === 1 ? count : Math.max(1, from - done); i < count; i++) {
      link(frames, (start + (i - 1) * step) >>> 0, (start + i * step) >>> 0);
    }
    previous = (start + (count - 1) * step) >>> 0;
    done += count;
  }
  return previous;
}

function link(frames: FrameLog, id: number, next: number): void {
  // The default link is the next id already; few links differ from it.
  if (next !== id + 1) frames.link(id, next);
}
