import type { TypedArray } from "../schema/dtype.ts";
import { ID_RANGE } from "../schema/layouts.ts";
import type { Column, LogLayout } from "../schema/log-layout.ts";
import type { AnyValue } from "../schema/transition-types.ts";
import type { Block } from "./block-pool.ts";
import type { FrameLog } from "./frame-log.ts";
import { bytesOf, gatherColumn, type RowSelection } from "./gather.ts";
import type { SliceLog } from "./slice-log.ts";
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

/** Windows as slices of frames that are stored once. */
export class InternedObservation {
  readonly frames: FrameLog;
  readonly slices: SliceLog;
  /** Frames per window. */
  readonly length: number;
  readonly #first: number;
  readonly #nextFirst: number;
  readonly #interner: WindowInterner;
  readonly #views = new ByteViews();

  /** @param first, nextFirst - the columns that say with which slice each window begins */
  constructor(layout: LogLayout, first: string, nextFirst: string, frames: FrameLog, slices: SliceLog, length: number) {
    this.#first = columnIndex(layout, first);
    this.#nextFirst = columnIndex(layout, nextFirst);
    this.length = length;
    this.frames = frames;
    this.slices = slices;
    this.#interner = new WindowInterner(frames, slices, length);
  }

  /** The row of the first slice of a row's observation. */
  firstSlice(block: Block, place: number): number {
    return this.slices.rowOf((block.columns[this.#first] as Uint32Array)[place] as number);
  }

  /** The row of the first slice of a row's next observation. */
  firstNextSlice(block: Block, place: number): number {
    return this.slices.rowOf((block.columns[this.#nextFirst] as Uint32Array)[place] as number);
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
    const from = index * this.length * this.frames.frameBytes;
    const guess = previous === null ? -1 : this.firstNextSlice(previous, previousPlace);
    const first = this.#interner.internObservation(this.#views.of(observation as TypedArray), from, guess);
    const nextFirst = this.#interner.internNext(this.#views.of(next as TypedArray), from, first);
    (block.columns[this.#first] as Uint32Array)[place] = first % ID_RANGE;
    (block.columns[this.#nextFirst] as Uint32Array)[place] = nextFirst % ID_RANGE;
  }

  gather(selection: RowSelection, observation: TypedArray, next: TypedArray): void {
    this.#gatherWindows(selection, this.#first, bytesOf(observation));
    this.#gatherWindows(selection, this.#nextFirst, bytesOf(next));
  }

  #gatherWindows({ count, blocks, places }: RowSelection, column: number, out: Uint8Array): void {
    const { frames, slices } = this;
    const { log } = slices;
    const windowBytes = this.length * frames.frameBytes;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const first = (blocks[i] as Block).columns[column] as Uint32Array;
      let slice = slices.rowOf(first[places[i] as number] as number);
      for (const end = at + windowBytes; at < end; slice++) {
        const block = log.blockOf(slice);
        const place = slice % log.rowsPerBlock;
        const row = frames.rowOf(block.start[place] as number);
        at += frames.copy(row, block.count[place] as number, block.step[place] as number, out, at);
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
