import type { FieldSet } from "../schema/fields.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { LogBounds } from "../schema/snapshot.ts";
import type { RestoreTarget } from "./contract.ts";
import { EnvStates } from "./env-states.ts";
import { FrameLog } from "./frame-log.ts";
import { Log, type LogHost } from "./log.ts";
import { RowColumns } from "./row-columns.ts";
import type { Saver } from "./savers.ts";
import { SliceLog } from "./slice-log.ts";
import { TransitionBlock } from "./transition-block.ts";
import { TransitionInput } from "./transition-input.ts";

/**
 * The logs of one buffer, kept in step: transitions, and the windows and frames that they reference.
 *
 * ```
 *  add ─► frames that are new ─► frames logs            leave: when the last transition
 *     │                                                 that references them is gone
 *     ├─► windows as slices of frames ─► slices logs    leave: with their transition
 *     └─► row of values ─► transitions log              leaves: after `capacity` more
 * ```
 */
export class TransitionLog {
  readonly input: TransitionInput;
  readonly columns: RowColumns;
  readonly rows: Log<TransitionBlock>;
  /** By interned observation field, as are the logs of slices. */
  readonly frameLogs: readonly FrameLog[];
  readonly sliceLogs: readonly SliceLog[];
  readonly envs: EnvStates = new EnvStates();
  readonly #capacity: number;

  constructor(fields: FieldSet, layouts: readonly LogLayout[], capacity: number, host: LogHost) {
    const [transitions, ...interned] = layouts as [LogLayout, ...LogLayout[]];
    const count = interned.length / 2;
    this.#capacity = capacity;
    this.rows = new Log(0, transitions, host, (number) => new TransitionBlock(number, transitions));
    this.frameLogs = interned.slice(0, count).map((layout, i) => new FrameLog(1 + i, layout, capacity, host));
    this.sliceLogs = interned.slice(count).map((layout, i) => new SliceLog(1 + count + i, layout, host));
    this.input = new TransitionInput(fields);
    this.columns = new RowColumns(fields, transitions, this.frameLogs, this.sliceLogs);
  }

  get logs(): readonly Log[] {
    return [this.rows, ...[...this.frameLogs, ...this.sliceLogs].map(({ log }) => log)];
  }

  /**
   * Appends row `index` of the input's values, and drops the oldest row where the buffer is full.
   *
   * Nothing is part of the buffer before the commit: were memory refused on the way, frames and slices without a
   * reference would be left behind, and nothing else.
   */
  append(index: number, env: number, reward: number, terminated: boolean, truncated: boolean): void {
    const { rows, envs } = this;
    const row = rows.head;
    const block = rows.blockForAppend();
    const place = rows.appendPlace;
    if (this.frameLogs.length > 0) this.#writeInterned(block, place, index, env, row);
    this.columns.writePlain(block, place, this.input.values, index);
    block.reward[place] = reward;
    block.terminated[place] = terminated ? 1 : 0;
    block.truncated[place] = truncated ? 1 : 0;
    block.env[place] = env;
    block.episodeStart[place] = envs.advance(env, row, terminated || truncated) ? 1 : 0;
    rows.commit();
    if (rows.head - rows.tail > this.#capacity) this.#dropOldest();
  }

  /** Drops everything and goes on at the given bounds; see {@link Log.reset}. */
  reset(bounds: readonly LogBounds[]): void {
    this.envs.clear();
    this.rows.reset(bounds[0] as LogBounds);
    for (const [i, log] of [...this.frameLogs, ...this.sliceLogs].entries()) log.reset(bounds[1 + i] as LogBounds);
  }

  /** Opens memory for restored rows; {@link reset} with the same bounds comes before. */
  openRestored(bounds: readonly LogBounds[]): RestoreTarget[] {
    return this.logs.map((log, i) => log.openRestored(bounds[i] as LogBounds));
  }

  announceTo(saver: Saver): void {
    for (const log of this.logs) log.announceTo(saver);
  }

  /** Gives back what only transitions that are gone named; see {@link SliceLog}. */
  dropUnreferencedSlices(): void {
    const { rows } = this;
    if (rows.tail === rows.head) return;
    this.columns.dropSlicesBefore(rows.blockOf(rows.tail), rows.tail % rows.rowsPerBlock);
  }

  #writeInterned(block: TransitionBlock, place: number, index: number, env: number, row: number): void {
    const { rows, columns, frameLogs } = this;
    const { values } = this.input;
    for (let i = 0; i < frameLogs.length; i++) (frameLogs[i] as FrameLog).beginTransition(row);
    const last = this.envs.lastRow(env);
    if (last >= rows.tail && last >= 0) {
      columns.writeInterned(block, place, values, index, rows.blockOf(last), last % rows.rowsPerBlock);
    } else {
      columns.writeInterned(block, place, values, index, null, 0);
    }
  }

  #dropOldest(): void {
    const { rows, frameLogs } = this;
    rows.dropOldest();
    if (frameLogs.length > 0) this.dropUnreferencedSlices();
    for (let i = 0; i < frameLogs.length; i++) (frameLogs[i] as FrameLog).dropUnreferenced(rows.tail);
  }
}
