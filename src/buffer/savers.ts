import { ClosedError } from "../errors.ts";
import type { Attachment, AttachOptions, BlockEvent, BufferSnapshot } from "./contract.ts";

/**
 * The savers attached to a buffer, and the one counter that snapshots and `full` notices take their numbers from.
 *
 * ```
 *  training thread                                      saver A
 *  number 7: snapshot for A  ── message ─────────────►  reads rows of 7 …
 *  number 8: segment full    ── message ─────────────►  reads it …
 *  block retires, tagged 8 (the newest number)
 *  wants it back: releasedA = 6 < 8, and < 8 issued     … released = 8  (Atomics.store after the last read)
 *  wants it back: releasedA = 8  ► reuse (Atomics.load before the first write)
 * ```
 *
 * A has something outstanding exactly while released < issued, the last number given to A. A block tagged t needs
 * every saver to have released t, or to have nothing outstanding.
 */
export class Savers {
  #newest = 0;
  #newestSnapshot = 0;
  #savers: Saver[] = [];

  /** The newest number given to anyone. */
  get newest(): number {
    return this.#newest;
  }

  /** The newest number of a snapshot; 0 before the first. */
  get newestSnapshot(): number {
    return this.#newestSnapshot;
  }

  /** @param takeSnapshot - notes bounds and the like, given the number */
  attach(options: AttachOptions, takeSnapshot: (number: number) => BufferSnapshot): Saver {
    const saver = new Saver(this, options, takeSnapshot);
    this.#savers.push(saver);
    return saver;
  }

  /** Tells every saver of the present incarnation. */
  announce(event: Extract<BlockEvent, { kind: "memory" | "opened" }>): void {
    for (const saver of this.#savers) saver.tell(event);
  }

  /** A `full` notice hands rows over, so it takes a number like a snapshot (rule 2). */
  announceFull(log: number, segment: number): void {
    for (const saver of this.#savers) {
      if (!saver.isEnded) saver.tell({ kind: "full", log, segment, number: saver.issue() });
    }
  }

  /** Ends every attachment, as clear() and restore do: what is held stays held, nothing new is told. */
  endAll(): void {
    for (const saver of this.#savers) saver.end();
    this.#forgetIdle();
  }

  /** Whether a block that retired when `tag` was the newest number can be written again. */
  isReleased(tag: number): boolean {
    return this.#savers.every((saver) => !saver.holds(tag));
  }

  /** The savers that need what retired with `tag`. */
  holders(tag: number): readonly Saver[] {
    return this.#savers.filter((saver) => saver.holds(tag));
  }

  /** The savers that may still read the shadow of a priority page that is tagged `tag`. */
  uncaptured(tag: number): readonly Saver[] {
    return this.#savers.filter((saver) => saver.hasNotCaptured(tag));
  }

  get all(): readonly Saver[] {
    return this.#savers;
  }

  issueNumber(): number {
    this.#newest += 1;
    return this.#newest;
  }

  issueSnapshotNumber(): number {
    this.#newestSnapshot = this.issueNumber();
    return this.#newestSnapshot;
  }

  drop(saver: Saver): void {
    this.#savers = this.#savers.filter((other) => other !== saver);
  }

  #forgetIdle(): void {
    this.#savers = this.#savers.filter((saver) => !saver.isEnded || saver.isOutstanding);
  }
}

/** One saver's hold, as the training thread sees it. */
export class Saver implements Attachment {
  readonly released: Int32Array;
  readonly captured: Int32Array;
  readonly #savers: Savers;
  readonly #options: AttachOptions;
  readonly #takeSnapshot: (number: number) => BufferSnapshot;
  #issued = 0;
  #lastSnapshot = 0;
  #ended = false;

  constructor(savers: Savers, options: AttachOptions, takeSnapshot: (number: number) => BufferSnapshot) {
    // A memory each, from its start: savers are handed the memories, not the arrays.
    this.released = new Int32Array(new SharedArrayBuffer(4));
    this.captured = new Int32Array(new SharedArrayBuffer(4));
    this.#savers = savers;
    this.#options = options;
    this.#takeSnapshot = takeSnapshot;
  }

  snapshot(): BufferSnapshot {
    if (this.#ended) throw new ClosedError("This hold on a buffer that was detached, cleared or restored");
    this.#issued = this.#savers.issueSnapshotNumber();
    this.#lastSnapshot = this.#issued;
    return this.#takeSnapshot(this.#issued);
  }

  detach(): void {
    this.#ended = true;
    this.#savers.drop(this);
  }

  end(): void {
    this.#ended = true;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  get isOutstanding(): boolean {
    return Atomics.load(this.released, 0) < this.#issued || Atomics.load(this.captured, 0) < this.#lastSnapshot;
  }

  get maxPinnedBytes(): number {
    return this.#options.maxPinnedBytes ?? Number.POSITIVE_INFINITY;
  }

  tell(event: BlockEvent): void {
    if (!this.#ended) this.#options.sink(event);
  }

  issue(): number {
    this.#issued = this.#savers.issueNumber();
    return this.#issued;
  }

  holds(tag: number): boolean {
    const released = Atomics.load(this.released, 0);
    return released < tag && released < this.#issued;
  }

  hasNotCaptured(tag: number): boolean {
    const captured = Atomics.load(this.captured, 0);
    return captured < tag && captured < this.#lastSnapshot;
  }

  /** Asks the owner to make room; it comes back when something was released, or when it cannot help. */
  press(pinnedBytes: number): void {
    this.#options.onPressure?.(pinnedBytes);
  }

  /** Tells the owner that training waits for this saver to capture priorities. */
  pressForCapture(waitedMs: number, pinnedBytes: number): void {
    if (this.#options.onCaptureWait !== undefined) this.#options.onCaptureWait(waitedMs);
    else this.#options.onPressure?.(pinnedBytes);
  }
}
