import type { BlockEvent, BufferDescription } from "../../buffer/contract.ts";
import type { LogLayout } from "../../schema/log-layout.ts";
import type { ToSaver } from "../messages.ts";
import { type PriorityCapture, PriorityCaptures } from "./priority-captures.ts";
import { ReleaseTracker } from "./release-tracker.ts";

/** Rows of one block: what is encoded at once. */
export interface Chunk {
  readonly layout: LogLayout;
  readonly log: number;
  readonly block: number;
  readonly memory: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
}

interface AttachedLog {
  readonly layout: LogLayout;
  readonly blocks: Map<number, SharedArrayBuffer>;
  /** Segment -> block. */
  readonly segments: Map<number, number>;
}

/** A buffer as the saver sees it: only what messages have handed over (rule 1). */
export class AttachedBuffer {
  readonly id: number;
  readonly description: BufferDescription;
  readonly logs: readonly AttachedLog[];
  readonly rows: ReleaseTracker;
  readonly #captured: Int32Array;
  readonly #priorities: PriorityCaptures | null;

  constructor({ id, description, released, captured, blocks }: Extract<ToSaver, { type: "attach" }>) {
    this.id = id;
    this.description = description;
    this.logs = description.logs.map((layout) => ({ layout, blocks: new Map(), segments: new Map() }));
    this.rows = new ReleaseTracker(released);
    this.#captured = captured;
    const { prioritized } = description;
    this.#priorities = prioritized === null ? null : new PriorityCaptures(prioritized.pages);
    for (const event of blocks) this.handle(event);
  }

  handle(event: BlockEvent): void {
    const log = this.logs[event.log];
    if (log === undefined) return;
    if (event.kind === "memory") log.blocks.set(event.block, event.memory);
    else if (event.kind === "opened") log.segments.set(event.segment, event.block);
    else this.rows.hold(event.number);
  }

  /**
   * Notes what a snapshot holds, and copies its priorities at once: training may write to all of them from then on.
   *
   * @returns null where it is not prioritised
   */
  take(snapshot: number): PriorityCapture | null {
    this.rows.hold(snapshot);
    const capture = this.#priorities?.capture(snapshot) ?? null;
    this.#tellCaptured(snapshot);
    return capture;
  }

  /** A snapshot that nobody will save. */
  letGo(snapshot: number): void {
    this.rows.hold(snapshot);
    this.rows.release(snapshot);
    this.#tellCaptured(snapshot);
  }

  #tellCaptured(snapshot: number): void {
    Atomics.store(this.#captured, 0, snapshot);
    Atomics.notify(this.#captured, 0);
  }

  /** Rows [from, to) of a log, cut at the borders of blocks. */
  *chunks(logIndex: number, from: number, to: number): Generator<Chunk> {
    const log = this.logs[logIndex];
    if (log === undefined) return;
    const { layout } = log;
    for (let row = from; row < to; ) {
      const segment = Math.floor(row / layout.rowsPerBlock);
      const end = Math.min(to, (segment + 1) * layout.rowsPerBlock);
      const block = log.segments.get(segment);
      const memory = block === undefined ? undefined : log.blocks.get(block);
      if (block === undefined || memory === undefined) {
        throw new Error(`No block for rows ${row} to ${end} of ${layout.name}: they were never handed over`);
      }
      yield { layout, log: logIndex, block, memory, from: row, to: end };
      row = end;
    }
  }

  /** Segments wholly below the tails will not be asked for again. */
  forgetBelow(tails: readonly number[]): void {
    for (const [index, log] of this.logs.entries()) {
      const tail = tails[index] ?? 0;
      for (const segment of log.segments.keys()) {
        if ((segment + 1) * log.layout.rowsPerBlock <= tail) log.segments.delete(segment);
      }
    }
  }
}
