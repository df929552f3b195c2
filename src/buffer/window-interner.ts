import { ID_RANGE } from "../schema/layouts.ts";
import type { FrameLog } from "./frame-log.ts";

/** Longest run of successor links that is tried in one comparison. */
const LONGEST_LEAP = 1024;

/**
 * Turns windows of frames into ids, by guessing first: a guess costs one native comparison per run of consecutive
 * ids, and only what no guess explains is hashed.
 *
 * ```
 *   observation       guess: the ids of the env's previous next observation
 *   next observation  guess: the ids of the observation, moved by one frame
 *   what is left      frame by frame: the frame that followed the one before last time, in runs that double
 *                     while they are right; else hash and look up; else store
 * ```
 *
 * A guess is taken only where its frames are open to reuse (rule 5) and equal byte for byte. All ids that are written
 * count as referenced by the transition that was begun last (`FrameLog.beginTransition`).
 */
export class WindowInterner {
  readonly #frames: FrameLog;
  /** Frames per window. */
  readonly #length: number;
  // The window under way: its bytes, from #offset, and where its ids go. Fields instead of eight parameters.
  #source: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #ids: Uint32Array = new Uint32Array(0);
  #at = 0;

  constructor(frames: FrameLog, length: number) {
    this.#frames = frames;
    this.#length = length;
  }

  /** Names the next window: its bytes in `source`, from `offset`, and where its ids go. */
  begin(source: Uint8Array, offset: number, ids: Uint32Array, at: number): void {
    this.#source = source;
    this.#offset = offset;
    this.#ids = ids;
    this.#at = at;
  }

  /** @param guess - ids of the env's previous next observation, from `guessAt`; null where there is none */
  internObservation(guess: Uint32Array | null, guessAt: number): void {
    const done = guess === null ? 0 : this.#follow(guess, guessAt, this.#length);
    this.#resolve(done, done > 0 ? this.#idAt(done - 1) : -1);
  }

  /** @param observation - ids of the same transition's observation, from `observationAt` */
  internNext(observation: Uint32Array, observationAt: number): void {
    const done = this.#follow(observation, observationAt + 1, this.#length - 1);
    // A window that did not move by one says nothing about its first frame, except where that is its newest, too.
    const before = this.#length === 1 ? (observation[observationAt] as number) : -1;
    this.#resolve(done, done > 0 ? this.#idAt(done - 1) : before);
  }

  /** Takes the guessed ids as long as they are right, a run of consecutive ids at a time; returns how many were. */
  #follow(guess: Uint32Array, guessAt: number, count: number): number {
    const { log, floor } = this.#frames;
    const floorId = floor % ID_RANGE;
    const openCount = log.head - floor;
    let done = 0;
    while (done < count) {
      const first = guess[guessAt + done] as number;
      const distance = (first - floorId) >>> 0;
      if (distance >= openCount) return done;
      const place = (floor + distance) % log.rowsPerBlock;
      const most = Math.min(count - done, log.rowsPerBlock - place, openCount - distance);
      let run = 1;
      while (run < most && guess[guessAt + done + run] === first + run) run += 1;
      if (!this.#take(done, floor + distance, first, run)) return done;
      done += run;
    }
    return done;
  }

  /** @param before - the id of the frame before the first one to be resolved, or -1 */
  #resolve(from: number, before: number): void {
    const frames = this.#frames;
    let previous = before;
    let done = from;
    let leap = 1;
    while (done < this.#length) {
      const run = previous < 0 ? 0 : this.#leap(done, previous, leap);
      if (run > 0) {
        done += run;
        leap = Math.min(2 * leap, LONGEST_LEAP);
      } else if (leap > 1) {
        leap = 1;
        continue;
      } else {
        const id = frames.intern(this.#source, this.#offset + done * frames.frameBytes);
        if (previous >= 0) frames.link(previous, id);
        this.#ids[this.#at + done] = id;
        done += 1;
      }
      previous = this.#idAt(done - 1);
    }
  }

  /** Guesses up to `most` frames after `previous` from successor links; returns how many it took, all or none. */
  #leap(done: number, previous: number, most: number): number {
    const frames = this.#frames;
    const { log } = frames;
    const previousRow = frames.openRowOf(previous);
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
    const ids = this.#ids;
    const at = this.#at + done;
    for (let i = 0; i < run; i++) ids[at + i] = id + i;
    block.lastReferenced = transition;
    return true;
  }

  #idAt(frame: number): number {
    return this.#ids[this.#at + frame] as number;
  }
}
