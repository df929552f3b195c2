import type { TypedArray } from "../schema/dtype.ts";
import type { Column, LogLayout } from "../schema/log-layout.ts";
import type { AnyValue } from "../schema/transition-types.ts";
import type { Block } from "./block-pool.ts";
import type { FrameLog } from "./frame-log.ts";
import { bytesOf, gatherColumn, type RowSelection } from "./gather.ts";
import { WindowInterner } from "./window-interner.ts";

/** Arrays up to this length are copied in a loop: a native call costs more. */
const LOOP_UP_TO_ELEMENTS = 16;

/** A column whose values are stored as they are. */
export class PlainColumn {
  readonly #column: Column;
  readonly #index: number;
  readonly #length: number;
  readonly #isShortFloat: boolean;

  constructor(layout: LogLayout, name: string) {
    this.#index = columnIndex(layout, name);
    this.#column = layout.columns[this.#index] as Column;
    this.#length = this.#column.elementsPerRow;
    this.#isShortFloat = this.#column.dtype === "float32" && this.#column.elementsPerRow <= LOOP_UP_TO_ELEMENTS;
  }

  /** @param value - the scalar, or an array that holds the row's elements at `index * elementsPerRow` */
  write(block: Block, place: number, value: AnyValue, index: number): void {
    const target = block.columns[this.#index] as TypedArray;
    if (!this.#isShortFloat || typeof value !== "object") {
      this.#writeOther(target, place, value, index);
      return;
    }
    const length = this.#length;
    const from = index * length;
    const at = place * length;
    for (let i = 0; i < length; i++) (target as Float32Array)[at + i] = (value as Float32Array)[from + i] as number;
  }

  #writeOther(target: TypedArray, place: number, value: AnyValue, index: number): void {
    if (typeof value !== "object") {
      target[place] = value;
      return;
    }
    const length = this.#length;
    const from = index * length;
    // The dtypes of both sides were checked to be equal.
    const source = (value.length === length ? value : value.subarray(from, from + length)) as Float32Array;
    (target as Float32Array).set(source, place * length);
  }

  gather(selection: RowSelection, out: TypedArray): void {
    gatherColumn(selection, this.#column, out);
  }
}

/** Windows as ids of frames that are stored once. */
export class InternedObservation {
  readonly frames: FrameLog;
  /** Frames per window. */
  readonly length: number;
  readonly #ids: number;
  readonly #nextIds: number;
  readonly #interner: WindowInterner;
  readonly #views = new ByteViews();

  constructor(layout: LogLayout, ids: string, nextIds: string, frames: FrameLog) {
    this.#ids = columnIndex(layout, ids);
    this.#nextIds = columnIndex(layout, nextIds);
    this.length = (layout.columns[this.#ids] as Column).elementsPerRow;
    this.frames = frames;
    this.#interner = new WindowInterner(frames, this.length);
  }

  /** Both id columns of a block. */
  idsIn(block: Block): readonly [ids: Uint32Array, nextIds: Uint32Array] {
    return [block.columns[this.#ids] as Uint32Array, block.columns[this.#nextIds] as Uint32Array];
  }

  /**
   * @param index - which row of the arrays, in a batch
   * @param previous - block and place of the env's previous row; null where it is gone or there was none
   */
  write(
    block: Block,
    place: number,
    observation: AnyValue,
    next: AnyValue,
    index: number,
    previous: Block | null,
    previousPlace: number,
  ): void {
    const ids = block.columns[this.#ids] as Uint32Array;
    const nextIds = block.columns[this.#nextIds] as Uint32Array;
    const guess = previous === null ? null : (previous.columns[this.#nextIds] as Uint32Array);
    const at = place * this.length;
    const from = index * this.length * this.frames.frameBytes;
    this.#interner.begin(this.#views.of(observation as TypedArray), from, ids, at);
    this.#interner.internObservation(guess, previousPlace * this.length);
    this.#interner.begin(this.#views.of(next as TypedArray), from, nextIds, at);
    this.#interner.internNext(ids, at);
  }

  gather(selection: RowSelection, observation: TypedArray, next: TypedArray): void {
    this.#gatherWindows(selection, this.#ids, bytesOf(observation));
    this.#gatherWindows(selection, this.#nextIds, bytesOf(next));
  }

  /** One native copy per run of consecutive ids in a block. */
  #gatherWindows({ count, blocks, places }: RowSelection, column: number, out: Uint8Array): void {
    const { log, frameBytes } = this.frames;
    const { rowsPerBlock } = log;
    const length = this.length;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const ids = (blocks[i] as Block).columns[column] as Uint32Array;
      const start = (places[i] as number) * length;
      const end = start + length;
      for (let k = start; k < end; ) {
        const first = ids[k] as number;
        const row = this.frames.rowOf(first);
        const place = row % rowsPerBlock;
        const most = Math.min(end - k, rowsPerBlock - place);
        let run = 1;
        while (run < most && ids[k + run] === first + run) run += 1;
        at += log.blockOf(row).bytes.copy(out, at, place * frameBytes, (place + run) * frameBytes);
        k += run;
      }
    }
  }
}

/**
 * Byte views of the caller's arrays, kept for the two last seen: trainers hand the same arrays in again and again,
 * or the next observation as the following observation.
 */
class ByteViews {
  #older: ArrayBufferView | null = null;
  #olderBytes: Uint8Array = new Uint8Array(0);
  #newer: ArrayBufferView | null = null;
  #newerBytes: Uint8Array = new Uint8Array(0);

  of(array: TypedArray): Uint8Array {
    if (array === this.#newer && this.#newerBytes.byteLength === array.byteLength) return this.#newerBytes;
    if (array === this.#older && this.#olderBytes.byteLength === array.byteLength) return this.#olderBytes;
    this.#older = this.#newer;
    this.#olderBytes = this.#newerBytes;
    this.#newer = array;
    this.#newerBytes = bytesOf(array);
    return this.#newerBytes;
  }
}

function columnIndex(layout: LogLayout, name: string): number {
  return layout.columns.findIndex((column) => column.name === name);
}
