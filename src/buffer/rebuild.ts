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
 * @throws CorruptError when a row references a frame outside the bounds of its log
 * Cost: one pass over ids and frames, under 1 ns an id.
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
  const { frames, length } = columns;
  for (const block of frames.log.segments) {
    block.lastReferenced = -1;
    block.openedAt = Number.POSITIVE_INFINITY;
  }
  for (let row = rows.tail; row < rows.head; row++) {
    const [ids, nextIds] = columns.idsIn(rows.blockOf(row));
    const from = (row % rows.rowsPerBlock) * length;
    referenceWindow(frames, ids, from, from + length, row);
    referenceWindow(frames, nextIds, from, from + length, row);
  }
}

/** Run by run of consecutive ids: nothing else is done for every id of a restored buffer. */
function referenceWindow({ log }: FrameLog, ids: Uint32Array, from: number, end: number, row: number): void {
  const { tail, head, rowsPerBlock } = log;
  const tailId = tail % ID_RANGE;
  for (let i = from; i < end; ) {
    const first = ids[i] as number;
    let run = 1;
    while (i + run < end && ids[i + run] === first + run) run += 1;
    const start = tail + ((first - tailId) >>> 0);
    if (start + run > head) throw new CorruptError(log.layout.name, `row ${row} references a frame that is not there`);
    for (let frame = start; frame < start + run; ) {
      const block = log.blockOf(frame);
      block.lastReferenced = row;
      if (row < block.openedAt) block.openedAt = row;
      frame = (block.segment + 1) * rowsPerBlock;
    }
    i += run;
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
    const [ids, nextIds] = columns.idsIn(block);
    const from = place * length;
    const last = from + length - 1;
    const isNew = row === rows.tail || block.episodeStart[place] === 1;
    for (let i = isNew ? from : last; i < last; i++) link(frames, ids[i] as number, ids[i + 1] as number);
    link(frames, (length > 1 ? nextIds[last - 1] : ids[last]) as number, nextIds[last] as number);
  }
}

function link(frames: FrameLog, id: number, next: number): void {
  // The default link is the next id already; few links differ from it.
  if (next !== id + 1) frames.link(id, next);
}
