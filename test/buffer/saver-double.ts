import type {
  Attachment,
  AttachOptions,
  BlockEvent,
  BufferDescription,
  BufferSnapshot,
  PriorityPagesMemory,
  Restorable,
} from "../../src/buffer/contract.ts";
import { capturePriorityPage } from "../../src/buffer/priority-pages.ts";
import type { TransitionStore } from "../../src/buffer/transition-store.ts";
import { arrayConstructors } from "../../src/schema/dtype.ts";
import type { FieldSpec, FieldsDeclaration } from "../../src/schema/fields.ts";
import { columnBytes, type LogLayout } from "../../src/schema/log-layout.ts";
import type { LogBounds } from "../../src/schema/snapshot.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- stores of any fields
export type AnyStore = TransitionStore<any>;

/** The bytes of every column of every log, rows [tail, head), as a saver would have encoded them. */
export interface SavedBuffer {
  readonly bounds: readonly LogBounds[];
  readonly columns: readonly ReadonlyMap<string, Uint8Array>[];
  readonly leaves: Float64Array | null;
  readonly snapshot: BufferSnapshot;
  readonly description: BufferDescription;
}

/** Copies all leaves as they were at a snapshot, f64[leafCount]; leaves without a row are 0. */
export function capturePriorities(memory: PriorityPagesMemory, snapshot: number): Float64Array {
  const leaves = new Float64Array(memory.leafCount);
  for (let page = 0; page * memory.leavesPerPage < memory.leafCount; page++) {
    capturePriorityPage(memory, page, snapshot, leaves.subarray(page * memory.leavesPerPage));
  }
  return leaves;
}

/** A saver that knows a buffer only from its events and snapshots, and reads late. */
export class SaverDouble {
  readonly events: BlockEvent[] = [];
  readonly attachment: Attachment;
  readonly description: BufferDescription;
  readonly #memories = new Map<string, SharedArrayBuffer>();
  readonly #segments = new Map<string, number>();
  /** Leaves of snapshots that are captured or, as null, not yet. */
  readonly #leaves = new Map<number, Float64Array | null>();
  /** How often training had to wait for this saver's captures. */
  captureWaits = 0;

  constructor(store: AnyStore, options: Omit<AttachOptions, "sink"> = {}) {
    this.description = store.describe();
    this.attachment = store.attach({
      onCaptureWait: () => {
        this.captureWaits += 1;
        this.capture();
      },
      ...options,
      sink: (event) => this.#hear(event),
    });
  }

  snapshot(): BufferSnapshot {
    const snapshot = this.attachment.snapshot();
    this.#leaves.set(snapshot.number, null);
    return snapshot;
  }

  /** Captures the priorities of all snapshots so far. */
  capture(): void {
    const { prioritized } = this.description;
    for (const [number, leaves] of this.#leaves) {
      if (leaves !== null || prioritized === null) continue;
      this.#leaves.set(number, capturePriorities(prioritized.pages, number));
      Atomics.store(this.attachment.captured, 0, number);
    }
  }

  /** Reads everything that a snapshot covers, now. */
  read(snapshot: BufferSnapshot): SavedBuffer {
    const columns = this.description.logs.map((layout, log) =>
      this.#readLog(layout, log, snapshot.bounds[log] as LogBounds),
    );
    this.capture();
    const leaves = this.#leaves.get(snapshot.number) ?? null;
    return { bounds: snapshot.bounds, columns, leaves, snapshot, description: this.description };
  }

  release(number: number): void {
    this.capture();
    Atomics.store(this.attachment.captured, 0, number);
    Atomics.store(this.attachment.released, 0, number);
  }

  #hear(event: BlockEvent): void {
    this.events.push(event);
    if (event.kind === "memory") this.#memories.set(`${event.log}/${event.block}`, event.memory);
    if (event.kind === "opened") this.#segments.set(`${event.log}/${event.segment}`, event.block);
  }

  #readLog(layout: LogLayout, log: number, { tail, head }: LogBounds): Map<string, Uint8Array> {
    return new Map(
      layout.columns.map((column) => {
        const bytes = new Uint8Array((head - tail) * column.bytesPerRow);
        for (let row = tail; row < head; row++) {
          const segment = Math.floor(row / layout.rowsPerBlock);
          const block = this.#segments.get(`${log}/${segment}`);
          const memory = this.#memories.get(`${log}/${block}`);
          if (memory === undefined) throw new Error(`${layout.name}: segment ${segment} was never announced`);
          bytes.set(columnBytes(layout, column, memory, row, row + 1), (row - tail) * column.bytesPerRow);
        }
        return [column.name, bytes] as const;
      }),
    );
  }
}

/** What a snapshot of a quiet buffer holds. */
export function saveNow(store: AnyStore): SavedBuffer {
  const saver = new SaverDouble(store);
  const snapshot = saver.snapshot();
  const saved = saver.read(snapshot);
  saver.attachment.detach();
  return saved;
}

/** Fills a buffer from what was saved; a smaller capacity keeps the newest rows. */
export function restoreInto(store: AnyStore, saved: SavedBuffer): void {
  const { logs, capacity } = store.describe();
  const bounds = saved.bounds.map(({ tail, head }, i) => ({
    tail: i === 0 ? Math.max(tail, head - capacity) : tail,
    head,
  }));
  const targets = (store as Restorable).beginRestore(bounds);
  for (const target of targets) {
    const layout = logs[target.log] as LogLayout;
    const firstSaved = (saved.bounds[target.log] as LogBounds).tail;
    const memories = new Map(target.segments.map(({ segment, memory }) => [segment, memory]));
    for (const column of layout.columns) {
      const bytes = saved.columns[target.log]?.get(column.name) as Uint8Array;
      for (let row = target.tail; row < target.head; row++) {
        const memory = memories.get(Math.floor(row / layout.rowsPerBlock)) as SharedArrayBuffer;
        const from = (row - firstSaved) * column.bytesPerRow;
        columnBytes(layout, column, memory, row, row + 1).set(bytes.subarray(from, from + column.bytesPerRow));
      }
    }
  }
  const rows = bounds[0] as LogBounds;
  const leaves =
    saved.leaves === null
      ? null
      : Float64Array.from(
          { length: rows.head - rows.tail },
          (_, i) => saved.leaves?.[(rows.tail + i) % saved.description.capacity] ?? 0,
        );
  (store as Restorable).finishRestore(saved.snapshot.meta, leaves);
}

/** The saved rows as plain values: windows put together from slices and frames, by this file's own reading of them. */
export function materialise(saved: SavedBuffer, path: string): number[][] {
  const rows = saved.bounds[0] as LogBounds;
  const count = rows.head - rows.tail;
  if (saved.columns[0]?.has(path)) return valuesOf(saved, 0, path);
  const key = path.includes(".") ? (path.split(".")[1] as string) : "observation";
  const logNamed = (name: string): number => saved.description.logs.findIndex((layout) => layout.name === name);
  const [frameLog, sliceLog] = [logNamed(`frames/${key}`), logNamed(`slices/${key}`)];
  const frames = valuesOf(saved, frameLog, "frame");
  const slices = ["start", "count", "step"].map((name) => valuesOf(saved, sliceLog, name).flat());
  const at = (log: number, id: number): number => {
    const { tail, head } = saved.bounds[log] as LogBounds;
    const index = (((id - tail) % 2 ** 32) + 2 ** 32) % 2 ** 32;
    if (index >= head - tail) throw new Error(`id ${id} is referenced, outside [${tail}, ${head})`);
    return index;
  };
  const perWindow = windowLength(saved, path);
  const firsts = valuesOf(saved, 0, `slices.${path}`).flat();
  return Array.from({ length: count }, (_, i) => {
    const window: number[][] = [];
    for (let slice = at(sliceLog, firsts[i] as number); window.length < perWindow; slice++) {
      const [start, length, step] = slices.map((values) => values[slice] as number) as [number, number, number];
      for (let k = 0; k < length; k++) window.push(frames[at(frameLog, start + k * step)] as number[]);
    }
    if (window.length > perWindow) throw new Error(`the slices of row ${rows.tail + i} are longer than its window`);
    return window.flat();
  });
}

function windowLength({ description }: SavedBuffer, path: string): number {
  const { observation } = description.fields as FieldsDeclaration;
  const name = path.split(".")[1];
  const spec = name === undefined ? observation : (observation as Record<string, FieldSpec>)[name];
  return (spec as FieldSpec).frames ?? 1;
}

function valuesOf(saved: SavedBuffer, log: number, name: string): number[][] {
  const { tail, head } = saved.bounds[log] as LogBounds;
  return split(saved, log, name, saved.columns[log]?.get(name) as Uint8Array, head - tail);
}

function split(saved: SavedBuffer, log: number, name: string, bytes: Uint8Array, rows: number): number[][] {
  const column = saved.description.logs[log]?.columns.find((known) => known.name === name);
  if (column === undefined) throw new Error(`no column ${name}`);
  const values = new arrayConstructors[column.dtype](bytes.buffer);
  const length = column.elementsPerRow;
  return Array.from({ length: rows }, (_, i) => Array.from(values.subarray(i * length, (i + 1) * length), Number));
}
