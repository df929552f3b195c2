import { type IdSource, randomId } from "../base/ids.ts";
import { createRandom, type Random } from "../base/random.ts";
import { ClosedError, InvalidArgumentError, NotEnoughDataError } from "../errors.ts";
import { type FieldSet, type FieldsDeclaration, parseFields } from "../schema/fields.ts";
import { layOut, mostLiveFrames } from "../schema/layouts.ts";
import type { LogLayout } from "../schema/log-layout.ts";
import type { BufferMeta, LogBounds } from "../schema/snapshot.ts";
import type { BatchOf, RowsOf, TransitionBatchOf, TransitionOf } from "../schema/transition-types.ts";
import { acceptBatch, allocateBatch, type BatchArrays } from "./batch-arrays.ts";
import { type BufferStats, estimateBytes, hintFor } from "./buffer-stats.ts";
import type {
  Attachable,
  Attachment,
  AttachOptions,
  BufferDescription,
  BufferSnapshot,
  Restorable,
  RestoreTarget,
} from "./contract.ts";
import { assertEnv } from "./env-states.ts";
import { RowSelection } from "./gather.ts";
import { assertUnit, Priorities, type PrioritizedOptions } from "./priorities.ts";
import { rebuild } from "./rebuild.ts";
import { assertBounds, assertCapacity, assertMeta } from "./restore-checks.ts";
import { drawPrioritized, drawUniform, weigh } from "./row-draws.ts";
import { Savers } from "./savers.ts";
import { TransitionLog } from "./transition-log.ts";

export interface TransitionStoreOptions<Fields extends FieldsDeclaration> {
  /** Transitions held at most; a positive integer. The oldest leave first. */
  readonly capacity: number;
  readonly fields: Fields;
  /** Of the generator behind `sample()`; 0 by default. */
  readonly seed?: number | undefined;
  /** Prioritised replay; uniform where absent. */
  readonly prioritized?: PrioritizedOptions | undefined;
  /** For tests: where incarnations come from. */
  readonly newId?: IdSource | undefined;
  /** For tests: raw bytes per block, and the row number of the first frame. */
  readonly internal?:
    | { readonly blockBytes?: number | undefined; readonly firstFrame?: number | undefined }
    | undefined;
}

export interface SampleOptions<Fields extends FieldsDeclaration> {
  /** A batch of the same size that `sample()` returned before; it is filled and returned. */
  readonly out?: BatchOf<Fields> | undefined;
  /** Whether a row may come more than once; true by default. */
  readonly replace?: boolean | undefined;
  /** Exponent of the importance weights, 0 to 1; the buffer's own by default. Prioritised buffers only. */
  readonly beta?: number | undefined;
}

export interface AddBatchOptions {
  /** The env of each row, 0..65535; 0, 1, 2, … by default. */
  readonly envs?: ArrayLike<number> | undefined;
  /** Which rows to add: those with 0 or false are skipped, such as Gymnasium's reset step after an episode's end. */
  readonly mask?: Uint8Array | readonly boolean[] | undefined;
}

/**
 * A replay buffer's rows in shared memory: adds, samples, and shows itself to savers as append-only logs.
 *
 * Exact first in, first out: the newest `capacity` transitions are held. Everything here runs on the training thread
 * and is synchronous. See docs/design.md, "The buffer".
 */
export class TransitionStore<const Fields extends FieldsDeclaration> implements Attachable, Restorable {
  readonly capacity: number;
  readonly #fields: FieldSet;
  readonly #layouts: readonly LogLayout[];
  readonly #newId: IdSource;
  readonly #random: Random;
  readonly #savers = new Savers();
  readonly #log: TransitionLog;
  readonly #priorities: Priorities | null;
  readonly #selection = new RowSelection();
  #incarnation: string;
  #isRestoring = false;

  /**
   * @throws InvalidArgumentError for a capacity that is not positive or beyond the range of frame ids, and for fields
   *   that are not well declared
   */
  constructor(options: TransitionStoreOptions<Fields>) {
    const { capacity, fields, seed = 0, prioritized, newId = randomId, internal = {} } = options;
    this.#fields = parseFields(fields);
    this.capacity = assertCapacity(capacity, this.#fields);
    this.#random = createRandom(seed);
    this.#newId = newId;
    this.#incarnation = newId();
    this.#layouts = layOut(this.#fields, capacity, internal.blockBytes);
    const host = { savers: this.#savers, makeRoom: (blockBytes: number) => this.#makeRoom(blockBytes) };
    this.#log = new TransitionLog(this.#fields, this.#layouts, capacity, host);
    this.#priorities =
      prioritized === undefined ? null : new Priorities(prioritized, capacity, this.#savers, () => this.#pinnedBytes());
    const first = internal.firstFrame ?? 0;
    this.#log.reset(this.#layouts.map((_, i) => (i === 0 ? { tail: 0, head: 0 } : { tail: first, head: first })));
  }

  /** Bytes of memory to expect, worst case: a full buffer of which no two frames are equal. */
  static estimate(options: {
    capacity: number;
    fields: FieldsDeclaration;
    prioritized?: PrioritizedOptions | undefined;
  }): number {
    const fields = parseFields(options.fields);
    return estimateBytes(fields, assertCapacity(options.capacity, fields), options.prioritized !== undefined);
  }

  /** Transitions held. */
  get size(): number {
    return this.#isRestoring ? 0 : this.#log.rows.head - this.#log.rows.tail;
  }

  get isFull(): boolean {
    return this.size === this.capacity;
  }

  /** Transitions added since the run began: over restores, and not set back by `clear()`. */
  get totalAdded(): number {
    return this.#log.rows.head;
  }

  /** The declaration of the fields, as plain JSON. */
  get fields(): FieldsDeclaration {
    return this.#fields.declaration;
  }

  /**
   * Adds one transition; the oldest leaves where the buffer is full.
   *
   * @param options.env - the environment that it came from, 0..65535; 0 by default
   * @throws InvalidArgumentError naming the value that is missing, unknown, or of a wrong dtype or length; nothing is
   *   changed then
   * Cost: less than a copy of both observations for windows that move by one frame.
   */
  add(transition: TransitionOf<Fields>, options?: { readonly env?: number | undefined }): void {
    this.#assertUsable();
    const env = options === undefined ? 0 : envOf(options);
    this.#log.input.take(transition);
    const { reward, terminated, truncated } = transition as { reward: number; terminated: boolean; truncated: boolean };
    this.#append(0, env, reward, terminated, truncated);
  }

  /**
   * Adds one transition per environment, in order.
   *
   * @param batch - each field [n, ...shape], flat
   * @throws InvalidArgumentError as `add()` does; then no row of the batch was added
   */
  addBatch(batch: TransitionBatchOf<Fields>, options: AddBatchOptions = {}): void {
    this.#assertUsable();
    const rows = this.#log.input.takeBatch(batch, options.envs, options.mask);
    for (let i = 0; i < rows.count; i++) {
      if (rows.mask !== null && !rows.mask[i]) continue;
      const env = rows.envs === null ? i : (rows.envs[i] as number);
      this.#append(i, env, rows.reward[i] as number, Boolean(rows.terminated[i]), Boolean(rows.truncated[i]));
    }
  }

  /**
   * Draws n transitions: uniformly, or with probability proportional to priority^alpha where prioritised.
   *
   * @param n - rows to draw; with `replace: false` at most `size`
   * @returns each field [n, ...shape], flat; indices f64[n]; weights f32[n] in (0, 1] where prioritised
   * @throws NotEnoughDataError when the buffer is empty, or holds fewer than n and `replace` is false
   * Cost: O(n) plus a copy of the rows; prioritised O(n log capacity). Never blocks.
   * Source: Schaul et al. 2016, proportional variant, stratified; weights normalised by the batch maximum.
   */
  sample(n: number, options: SampleOptions<Fields> = {}): BatchOf<Fields> {
    this.#assertUsable();
    const { out, replace = true, beta } = options;
    if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError("n", "a positive integer", n);
    if (beta !== undefined && this.#priorities === null) {
      throw new InvalidArgumentError("beta", "absent: the buffer is not prioritized", beta);
    }
    if (this.size === 0 || (!replace && n > this.size)) throw new NotEnoughDataError(n, this.size);
    const weightExponent = beta === undefined ? this.#priorities?.beta : assertUnit("beta", beta);
    const arrays = this.#batchFor(n, out, weightExponent !== undefined);
    const range = { tail: this.#log.rows.tail, size: this.size };
    if (this.#priorities === null) {
      drawUniform(this.#random, range, replace, arrays.indices);
    } else {
      drawPrioritized(this.#random, range, this.capacity, this.#priorities, replace, arrays.indices);
      if (arrays.weights !== null) {
        weigh(this.#priorities, this.capacity, arrays.indices, weightExponent ?? 0, arrays.weights);
      }
    }
    return this.#gather(arrays);
  }

  /**
   * Sets priorities to |TD error| + 1e-6. Rows that have left the buffer are ignored and counted in `stats()`.
   *
   * @param indices - row numbers, as `sample()` returned them
   * @param tdErrors - one per index; at most 1e30 in size
   * @throws InvalidArgumentError for NaN, a row that never was, or a buffer that is not prioritised; nothing is
   *   changed then
   */
  updatePriorities(indices: ArrayLike<number>, tdErrors: ArrayLike<number>): void {
    this.#assertUsable();
    if (this.#priorities === null) {
      throw new InvalidArgumentError("prioritized", "declared for updatePriorities()", undefined);
    }
    this.#priorities.update(indices, tdErrors, this.#log.rows.tail, this.#log.rows.head);
  }

  /** Drops all transitions. Row numbers go on, so that indices from before mean nothing instead of something else. */
  clear(): void {
    const bounds = this.#log.logs.map(({ head }) => ({ tail: head, head }));
    this.#startOver(bounds);
    this.#isRestoring = false;
  }

  stats(): BufferStats {
    const { size, capacity } = this;
    const { frameLogs, logs } = this.#log;
    const tables = frameLogs.reduce((sum, frames) => sum + frames.overheadBytes, 0);
    const blocks = logs.reduce((sum, log) => sum + log.residentBytes, 0);
    return {
      size,
      capacity,
      utilization: size / capacity,
      totalAdded: this.totalAdded,
      uniqueFrames: frameLogs.reduce((sum, { log }) => sum + log.head - log.tail, 0),
      logicalBytes: size * this.#fields.logicalRowBytes,
      residentBytes: blocks + tables + (this.#priorities?.residentBytes ?? 0),
      pinnedBytes: this.#pinnedBytes(),
      ignoredPriorityUpdates: this.#priorities?.ignored ?? 0,
      hint: hintFor(this.#fields, frameLogs, size),
    };
  }

  /** The absolute numbers of the rows held: [from, to). */
  rowRange(): { readonly from: number; readonly to: number } {
    const { tail, head } = this.#log.rows;
    return this.#isRestoring ? { from: head, to: head } : { from: tail, to: head };
  }

  /**
   * Copies rows [from, to) in order, materialised: equal buffers give equal arrays, whatever their blocks and ids.
   *
   * @throws InvalidArgumentError for rows that are not held
   */
  readRows(from: number, to: number): RowsOf<Fields> {
    this.#assertHeld(from, to);
    const arrays = allocateBatch(this.#fields, to - from, false);
    for (let i = 0; i < arrays.indices.length; i++) arrays.indices[i] = from + i;
    const batch = this.#gather(arrays);
    const origin = { env: new Uint16Array(to - from), episodeStart: new Uint8Array(to - from) };
    this.#log.columns.gatherOrigin(this.#selection, origin.env, origin.episodeStart);
    return { ...batch, ...origin };
  }

  /** The leaves (priority^alpha) of rows [from, to), f64; null where the buffer is not prioritised. */
  readLeaves(from: number, to: number): Float64Array | null {
    this.#assertHeld(from, to);
    const tree = this.#priorities?.tree;
    return tree === undefined
      ? null
      : Float64Array.from({ length: to - from }, (_, i) => tree.get((from + i) % this.capacity));
  }

  describe(): BufferDescription {
    return {
      incarnation: this.#incarnation,
      capacity: this.capacity,
      fields: this.#fields.declaration,
      logs: this.#layouts,
      prioritized: this.#priorities?.description ?? null,
    };
  }

  attach(options: AttachOptions): Attachment {
    this.#assertUsable();
    const saver = this.#savers.attach(options, (number) => this.#snapshot(number));
    this.#log.announceTo(saver);
    return saver;
  }

  /** The small mutable things, as a snapshot taken now would have them. */
  meta(): BufferMeta {
    return {
      random: this.#random.state(),
      openEnvs: this.#log.envs.openEnvs(),
      maxPriority: this.#priorities?.max ?? null,
      ignoredPriorityUpdates: this.#priorities?.ignored ?? 0,
    };
  }

  beginRestore(bounds: readonly LogBounds[]): readonly RestoreTarget[] {
    assertBounds(bounds, this.#layouts, this.capacity);
    this.#startOver(bounds);
    this.#isRestoring = true;
    return this.#log.openRestored(bounds);
  }

  finishRestore(meta: BufferMeta, leaves: Float64Array | null): void {
    if (!this.#isRestoring) throw new InvalidArgumentError("finishRestore()", "called after beginRestore()", undefined);
    const { tail, head } = this.#log.rows;
    try {
      assertMeta(meta, leaves, this.#priorities === null ? null : head - tail);
      rebuild(this.#log, this.capacity, this.#mostOpenFrames(), meta.openEnvs);
    } catch (error) {
      this.clear();
      throw error;
    }
    this.#random.setState(meta.random);
    if (leaves !== null) this.#priorities?.restore(leaves, tail, meta.maxPriority ?? 1, meta.ignoredPriorityUpdates);
    this.#isRestoring = false;
  }

  #append(index: number, env: number, reward: number, terminated: boolean, truncated: boolean): void {
    const row = this.#log.rows.head;
    this.#log.append(index, env, reward, terminated, truncated);
    this.#priorities?.admit(row);
  }

  #gather(arrays: BatchArrays): BatchOf<Fields> {
    this.#selection.select(this.#log.rows, arrays.indices);
    this.#log.columns.gather(this.#selection, arrays);
    return arrays.batch as BatchOf<Fields>;
  }

  #batchFor(n: number, out: unknown, withWeights: boolean): BatchArrays {
    return out === undefined
      ? allocateBatch(this.#fields, n, withWeights)
      : acceptBatch(this.#fields, out, n, withWeights);
  }

  #snapshot(number: number): BufferSnapshot {
    this.#assertUsable();
    return { number, bounds: this.#log.logs.map(({ bounds }) => bounds), meta: this.meta() };
  }

  /** Rule 4: content that is dropped takes its incarnation with it. */
  #startOver(bounds: readonly LogBounds[]): void {
    this.#savers.endAll();
    this.#log.reset(bounds);
    this.#priorities?.clear();
    this.#incarnation = this.#newId();
  }

  #mostOpenFrames(): number[] {
    return this.#fields.observations.flatMap(({ interned }) =>
      interned === null ? [] : mostLiveFrames(this.capacity, interned.frames) / 2,
    );
  }

  #pinnedBytes(): number {
    return this.#log.logs.reduce((sum, log) => sum + log.pinnedBytes(), 0);
  }

  /** Asks savers that pin too much to let go; see {@link BlockPool.acquire}. */
  #makeRoom(blockBytes: number): boolean {
    let hasMoved = false;
    for (const saver of this.#savers.all) {
      const pinned = this.#log.logs.reduce((sum, log) => sum + log.pinnedBytes(saver), 0);
      if (pinned === 0 || pinned + blockBytes <= saver.maxPinnedBytes) continue;
      const released = Atomics.load(saver.released, 0);
      saver.press(pinned);
      // What was released may free nothing yet, where a later number holds the same blocks: there is more to wait for.
      hasMoved ||= Atomics.load(saver.released, 0) !== released;
      hasMoved ||= this.#log.logs.reduce((sum, log) => sum + log.pinnedBytes(saver), 0) < pinned;
    }
    return hasMoved;
  }

  #assertUsable(): void {
    if (this.#isRestoring) throw new ClosedError("A buffer whose restore has not finished");
  }

  #assertHeld(from: number, to: number): void {
    const range = this.rowRange();
    const isHeld =
      Number.isSafeInteger(from) && Number.isSafeInteger(to) && range.from <= from && from <= to && to <= range.to;
    if (!isHeld)
      throw new InvalidArgumentError("from, to", `rows within [${range.from}, ${range.to})`, `[${from}, ${to})`);
  }
}

/** A misspelt option must not put every env's rows into env 0. */
function envOf(options: { readonly env?: number | undefined }): number {
  if (options.env !== undefined) return assertEnv("env", options.env);
  const unknown = Object.keys(options).find((key) => key !== "env");
  if (unknown !== undefined) throw new InvalidArgumentError("add() options", "an object with `env` only", unknown);
  return 0;
}
