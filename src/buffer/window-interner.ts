import { ID_RANGE } from "../schema/layouts.ts";
import type { FrameLog } from "./frame-log.ts";
import type { SliceLog } from "./slice-log.ts";

/** Longest run of successor links that is tried in one comparison. */
const LONGEST_LEAP = 1024;

/**
 * Turns windows of frames into slices, by guessing first: a guess costs one native comparison per run of consecutive
 * frames, and only what no guess explains is hashed.
 *
 * ```
 *   observation       guess: the slices of the env's previous next observation
 *   next observation  guess: the slices of the observation, moved by one frame
 *   what is left      frame by frame: the frame that followed the one before last time, in runs that double
 *                     while they are right; else hash and look up; else store
 * ```
 *
 * A guess is taken only where its frames are open to reuse (rule 5) and equal byte for byte. All frames that are named
 * count as referenced by the transition that was begun last (`FrameLog.beginTransition`).
 */
export class WindowInterner {
  readonly #frames: FrameLog;
  readonly #slices: SliceLog;
  /** Frames per window. */
  readonly #length: number;
  // The window under way: its bytes, from #offset, and the id of its frame before the one to be resolved, or -1.
  #source: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #previous = -1;

  constructor(frames: FrameLog, slices: SliceLog, length: number) {
    this.#frames = frames;
    this.#slices = slices;
    this.#length = length;
  }

  /**
   * @param source - has the window's bytes, from `offset`
   * @param guess - the row of the first slice of the env's previous next observation; -1 where there is none
   * @returns the row of its first slice
   */
  internObservation(source: Uint8Array, offset: number, guess: number): number {
    const first = this.#begin(source, offset);
    this.#resolve(guess < 0 ? 0 : this.#follow(guess, 0, this.#length));
    this.#slices.end();
    return first;
  }

  /** @param observation - the row of the first slice of the same transition's observation */
  internNext(source: Uint8Array, offset: number, observation: number): number {
    const first = this.#begin(source, offset);
    const done = this.#follow(observation, 1, this.#length - 1);
    // A window that did not move by one says nothing about its first frame, except where that is its newest, too.
    if (this.#length === 1) this.#previous = this.#firstId(observation);
    this.#resolve(done);
    this.#slices.end();
    return first;
  }

  #begin(source: Uint8Array, offset: number): number {
    this.#source = source;
    this.#offset = offset;
    this.#previous = -1;
    return this.#slices.begin();
  }

  #firstId(slice: number): number {
    const { log } = this.#slices;
    return log.blockOf(slice).start[slice % log.rowsPerBlock] as number;
  }

  /**
   * Takes guessed frames as long as they are right; returns how many were.
   *
   * @param guess - the row of a window's first slice
   * @param skip - 0, or 1 to leave out that window's first frame
   */
  #follow(guess: number, skip: number, count: number): number {
    const { log } = this.#slices;
    let done = 0;
    let from = skip;
    for (let slice = guess; done < count; slice++) {
      const block = log.blockOf(slice);
      const place = slice % log.rowsPerBlock;
      const step = block.step[place] as number;
      const first = (block.start[place] as number) + from * step;
      const most = Math.min((block.count[place] as number) - from, count - done);
      const taken = step === 1 ? this.#takeRun(done, first, most) : this.#takeEach(done, first, step, most);
      done += taken;
      if (taken < most) return done;
      from = 0;
    }
    return done;
  }

  /** Takes frames with consecutive ids, one comparison for each block that they lie in; returns how many were right. */
  #takeRun(done: number, first: number, count: number): number {
    const { log, floor } = this.#frames;
    const floorId = floor % ID_RANGE;
    const openCount = log.head - floor;
    let taken = 0;
    while (taken < count) {
      const id = (first + taken) >>> 0;
      const distance = (id - floorId) >>> 0;
      if (distance >= openCount) return taken;
      const row = floor + distance;
      const most = Math.min(count - taken, openCount - distance, ID_RANGE - id);
      const run = Math.min(most, log.rowsPerBlock - (row % log.rowsPerBlock));
      if (!this.#take(done + taken, row, id, run)) return taken;
      taken += run;
    }
    return taken;
  }

  #takeEach(done: number, first: number, step: number, count: number): number {
    for (let taken = 0; taken < count; taken++) {
      const id = (first + taken * step) >>> 0;
      const row = this.#frames.openRowOf(id);
      if (row < 0 || !this.#take(done + taken, row, id, 1)) return taken;
    }
    return count;
  }

  #resolve(from: number): void {
    const frames = this.#frames;
    let done = from;
    let leap = 1;
    while (done < this.#length) {
      const run = this.#previous < 0 ? 0 : this.#leap(done, leap);
      if (run > 0) {
        done += run;
        leap = Math.min(2 * leap, LONGEST_LEAP);
      } else if (leap > 1) {
        leap = 1;
      } else {
        const id = frames.intern(this.#source, this.#offset + done * frames.frameBytes);
        if (this.#previous >= 0) frames.link(this.#previous, id);
        this.#slices.push(id, 1);
        this.#previous = id;
        done += 1;
      }
    }
  }

  /** Guesses up to `most` frames after the previous one from successor links; returns how many it took, all or none. */
  #leap(done: number, most: number): number {
    const frames = this.#frames;
    const { log } = frames;
    const previousRow = frames.openRowOf(this.#previous);
    if (previousRow < 0) return 0;
    const first = log.blockOf(previousRow).successors[previousRow % log.rowsPerBlock] as number;
    const firstRow = frames.openRowOf(first);
    if (firstRow < 0) return 0;
    const { successors } = log.blockOf(firstRow);
    const place = firstRow % log.rowsPerBlock;
    const limit = Math.min(most, this.#length - done, log.rowsPerBlock - place, log.head - firstRow);
    let run = 1;
    while (run < limit && successors[place + run - 1] === first + run) run += 1;
    return this.#take(done, firstRow, first, run) ? run : 0;
  }

  /** Takes `run` frames from `row` on, which lie in one block, if they equal the window's from `done` on. */
  #take(done: number, row: number, id: number, run: number): boolean {
    const { log, frameBytes, transition } = this.#frames;
    const block = log.blockOf(row);
    const start = (row % log.rowsPerBlock) * frameBytes;
    const from = this.#offset + done * frameBytes;
    const bytes = run * frameBytes;
    if (block.bytes.compare(this.#source, from, from + bytes, start, start + bytes) !== 0) return false;
    block.lastReferenced = transition;
    this.#slices.push(id, run);
    this.#previous = id + run - 1;
    return true;
  }
}
