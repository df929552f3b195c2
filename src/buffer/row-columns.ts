import type { TypedArray } from "../schema/dtype.ts";
import type { FieldSet, ObservationField } from "../schema/fields.ts";
import { builtIn, inlineColumn, slicesColumn } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { AnyValue } from "../schema/transition-types.ts";
import type { BatchArrays } from "./batch-arrays.ts";
import type { Block } from "./block-pool.ts";
import { InternedObservation, PlainColumn } from "./field-columns.ts";
import type { FrameLog } from "./frame-log.ts";
import type { RowSelection } from "./gather.ts";
import type { SliceLog } from "./slice-log.ts";
import { type ValueSlot, valueSlots } from "./value-slots.ts";

/** An interned observation field, and the slot of its observation; the next observation's is the one after. */
interface InternedSlot {
  readonly slot: number;
  readonly columns: InternedObservation;
}

/** The columns of the transitions log: writes the values of a row's fields, and copies rows out. */
export class RowColumns {
  readonly interned: readonly InternedSlot[];
  /** By slot; null where the value is interned. */
  readonly #plain: readonly (PlainColumn | null)[];
  readonly #reward: PlainColumn;
  readonly #terminated: PlainColumn;
  readonly #truncated: PlainColumn;
  readonly #episodeStart: PlainColumn;
  readonly #env: PlainColumn;

  /** @param frameLogs, sliceLogs - of the interned observation fields, in order */
  constructor(fields: FieldSet, layout: LogLayout, frameLogs: readonly FrameLog[], sliceLogs: readonly SliceLog[]) {
    const plain = (name: string): PlainColumn => new PlainColumn(layout, name);
    const slots = valueSlots(fields);
    this.#plain = slots.map((slot) => (isInterned(slot) ? null : plain(columnName(slot))));
    this.interned = slots
      .flatMap((value, slot) => (isInterned(value) && !value.isNext ? [{ value, slot }] : []))
      .map(({ value, slot }, i) => {
        const field = value.field as ObservationField;
        const [first, nextFirst] = [slicesColumn(field, false), slicesColumn(field, true)];
        const logs = [frameLogs[i] as FrameLog, sliceLogs[i] as SliceLog] as const;
        return {
          slot,
          columns: new InternedObservation(layout, first, nextFirst, ...logs, field.interned?.frames ?? 1),
        };
      });
    this.#reward = plain(builtIn.reward);
    this.#terminated = plain(builtIn.terminated);
    this.#truncated = plain(builtIn.truncated);
    this.#episodeStart = plain(builtIn.episodeStart);
    this.#env = plain(builtIn.env);
  }

  /** Writes what is stored as it is: row `index` of the values that were checked. */
  writePlain(block: Block, place: number, values: readonly AnyValue[], index: number): void {
    const plain = this.#plain;
    for (let slot = 0; slot < plain.length; slot++) {
      const column = plain[slot] as PlainColumn | null;
      if (column !== null) column.write(block, place, values[slot] as AnyValue, index);
    }
  }

  /**
   * Writes what is interned.
   *
   * @param previous - block and place of the env's previous row; null where it is gone or there was none
   */
  writeInterned(
    block: Block,
    place: number,
    values: readonly AnyValue[],
    index: number,
    previous: Block | null,
    previousPlace: number,
  ): void {
    for (let i = 0; i < this.interned.length; i++) {
      const { slot, columns } = this.interned[i] as InternedSlot;
      const observation = values[slot] as AnyValue;
      columns.write(block, place, observation, values[slot + 1] as AnyValue, index, previous, previousPlace);
    }
  }

  /** Drops the slices of rows before this one, which is the oldest from now on. */
  dropSlicesBefore(block: Block, place: number): void {
    for (let i = 0; i < this.interned.length; i++) {
      const { columns } = this.interned[i] as InternedSlot;
      columns.slices.log.dropBefore(columns.firstSlice(block, place));
    }
  }

  /** Copies the selected rows to a batch; indices and weights are the caller's. */
  gather(selection: RowSelection, arrays: BatchArrays): void {
    this.#reward.gather(selection, arrays.reward);
    this.#terminated.gather(selection, arrays.terminated);
    this.#truncated.gather(selection, arrays.truncated);
    for (const [slot, column] of this.#plain.entries()) column?.gather(selection, arrays.values[slot] as TypedArray);
    for (const { slot, columns } of this.interned) {
      columns.gather(selection, arrays.values[slot] as TypedArray, arrays.values[slot + 1] as TypedArray);
    }
  }

  gatherOrigin(selection: RowSelection, env: Uint16Array, episodeStart: Uint8Array): void {
    this.#env.gather(selection, env);
    this.#episodeStart.gather(selection, episodeStart);
  }
}

function isInterned({ field, kind }: ValueSlot): boolean {
  return kind === "observation" && (field as ObservationField).interned !== null;
}

function columnName({ field, kind, isNext }: ValueSlot): string {
  return kind === "observation" ? inlineColumn(field as ObservationField, isNext) : field.path;
}
