import { ID_RANGE, sliceColumns } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { LogBounds } from "../schema/snapshot.ts";
import { Block } from "./block-pool.ts";
import { Log, type LogHost } from "./log.ts";

const MAX_COUNT = 2 ** 16 - 1;
const MAX_STEP = 2 ** 15 - 1;

/** A block of slices, with their columns by name. */
export class SliceBlock extends Block {
  /** The id of the first frame. */
  readonly start: Uint32Array;
  /** Frames, 1 or more. */
  readonly count: Uint16Array;
  /** From one frame's row to the next one's. */
  readonly step: Int16Array;

  constructor(number: number, layout: LogLayout) {
    super(number, layout);
    const column = (name: string) => this.columns[layout.columns.findIndex((known) => known.name === name)];
    this.start = column(sliceColumns.start) as Uint32Array;
    this.count = column(sliceColumns.count) as Uint16Array;
    this.step = column(sliceColumns.step) as Int16Array;
  }
}

/**
 * The windows of one observation field, as slices of its frames: those of each transition's observation, then those
 * of its next observation.
 *
 * ```
 *   frames    7 8 9 10 11 | 3 | 40 44 48      one env's frames lie one after another; those of one env out of
 *   slices    7:5:1       3:1   40:3:4        four that step together lie four apart
 * ```
 *
 * A window that moves by one frame costs 8 bytes, however long it is; one whose frames are in no order at most 8 for
 * each frame, where an id would take 4.
 *
 * **Numbers** of slices are row numbers modulo 2^32, as ids are. Transitions leave in order, and so do their slices:
 * the oldest one that is alive is the first of the oldest transition.
 */
export class SliceLog {
  readonly log: Log<SliceBlock>;
  // The slice at the end of the window under way, which may go on; none where its count is 0.
  #start = 0;
  #count = 0;
  #step = 1;

  constructor(index: number, layout: LogLayout, host: LogHost) {
    this.log = new Log(index, layout, host, (number) => new SliceBlock(number, layout));
  }

  /** The absolute row of the slice with this number. */
  rowOf(number: number): number {
    const tail = this.log.tail;
    return tail + ((number - (tail % ID_RANGE)) >>> 0);
  }

  /** Begins a window; returns the absolute row of its first slice. What was begun before and not ended is forgotten. */
  begin(): number {
    this.#count = 0;
    return this.log.head;
  }

  /** Appends frames to the window: those with the ids `id`, `id + 1`, …, `count` of them. */
  push(id: number, count: number): void {
    if (this.#goesOn(id, count)) {
      this.#count += count;
      return;
    }
    if (this.#count > 0) this.#commit();
    this.#start = id;
    this.#count = count;
    this.#step = 1;
  }

  /** Ends the window. */
  end(): void {
    if (this.#count > 0) this.#commit();
    this.#count = 0;
  }

  reset(bounds: LogBounds): void {
    this.#count = 0;
    this.log.reset(bounds);
  }

  /** Whether the frames go on where the last slice ends. A slice of one frame has no step yet. */
  #goesOn(id: number, count: number): boolean {
    if (this.#count === 0 || this.#count + count > MAX_COUNT) return false;
    const step = id - (this.#start + (this.#count - 1) * this.#step);
    if (this.#count > 1) return step === this.#step && (count === 1 || step === 1);
    if (count > 1 ? step !== 1 : step > MAX_STEP || step < -MAX_STEP) return false;
    this.#step = step;
    return true;
  }

  #commit(): void {
    const { log } = this;
    const block = log.blockForAppend();
    const place = log.appendPlace;
    block.start[place] = this.#start;
    block.count[place] = this.#count;
    block.step[place] = this.#step;
    log.commit();
  }
}
