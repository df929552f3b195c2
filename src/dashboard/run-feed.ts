import type { RunRecord } from "../record/run-record.ts";
import { RunTotals } from "./run-totals.ts";

/** Only the newest of these counts: a reader that is slow skips those between. */
export type LatestKind = "status" | "checkpoints";

const LATEST_KINDS: readonly LatestKind[] = ["status", "checkpoints"];

/** Text that is kept of a run: about 100,000 generations with their saves. */
const MAX_CHARACTERS = 128 * 1024 * 1024;

interface Latest {
  readonly json: string;
  readonly version: number;
}

/** Where a reader stands. */
export interface FeedPosition {
  readonly epoch: number;
  index: number;
  isNew: boolean;
  readonly seen: Record<LatestKind, number>;
}

/**
 * The records of one run, for any number of readers, each at a pace of its own: nothing is kept for a reader but its
 * position.
 *
 * ```
 *   dropped      kept as text              status, checkpoints: the newest of each
 *   0 ........ first ............. end
 *                       ^ index of a reader
 * ```
 */
export class RunFeed {
  readonly #maxCharacters: number;
  #entries: string[] = [];
  #first = 0;
  #characters = 0;
  /** Every "start" and "resume" that there was, by index: there are few. */
  #sessions: { readonly index: number; readonly json: string }[] = [];
  /** Said in place of what was dropped. */
  #preface: readonly string[] = [];
  #latest: Partial<Record<LatestKind, Latest>> = {};
  #epoch = 0;
  #version = 0;
  #isReady = false;
  #totals = new RunTotals();
  readonly #wakers = new Set<() => void>();

  constructor(maxCharacters: number = MAX_CHARACTERS) {
    this.#maxCharacters = maxCharacters;
  }

  /** Whether everything that there was has been taken in. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get totals(): RunTotals {
    return this.#totals;
  }

  add(records: readonly RunRecord[]): void {
    for (const record of records) {
      const json = JSON.stringify(record);
      this.#totals.add(record);
      if (record.event === "status" || record.event === "checkpoints") {
        this.#latest[record.event] = { json, version: ++this.#version };
        continue;
      }
      // What a new process has to say of the store replaces what the last one had.
      if (record.event === "start" || record.event === "resume") {
        delete this.#latest.status;
        this.#sessions.push({ index: this.#first + this.#entries.length, json });
      }
      this.#entries.push(json);
      this.#characters += json.length;
    }
    if (this.#characters > this.#maxCharacters) this.#dropOldest();
    this.#wake();
  }

  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#wake();
  }

  /** The file began anew: readers are told everything again. */
  reset(): void {
    this.#epoch++;
    this.#entries = [];
    this.#first = 0;
    this.#characters = 0;
    this.#sessions = [];
    this.#preface = [];
    this.#latest = {};
    this.#isReady = false;
    this.#totals = new RunTotals();
    this.#wake();
  }

  start(): FeedPosition {
    return { epoch: this.#epoch, index: this.#first, isNew: true, seen: { status: 0, checkpoints: 0 } };
  }

  /** Whether a reader has to begin anew: the run did, or what it has not read yet was dropped. */
  hasLost(position: FeedPosition): boolean {
    return position.epoch !== this.#epoch || position.index < this.#first;
  }

  /** The next records as texts of JSON, and moves the position on; none where there are none. */
  take(position: FeedPosition, atMost: number): string[] {
    const from = position.index - this.#first;
    const taken = this.#entries.slice(from, from + atMost);
    const preface = position.isNew ? this.#preface : [];
    position.isNew = false;
    position.index += taken.length;
    const left = atMost - taken.length;
    const newest = left < LATEST_KINDS.length ? [] : this.#takeLatest(position);
    return [...preface, ...taken, ...newest];
  }

  /** Resolves at the next change, or when the signal is aborted. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (signal.aborted) return wake();
      signal.addEventListener("abort", wake, { once: true });
      this.#wakers.add(wake);
    });
  }

  #takeLatest(position: FeedPosition): string[] {
    return LATEST_KINDS.flatMap((kind) => {
      const latest = this.#latest[kind];
      if (latest === undefined || latest.version <= position.seen[kind]) return [];
      position.seen[kind] = latest.version;
      return [latest.json];
    });
  }

  /** A quarter at once; the settings of the run stay, and that something is missing is said. */
  #dropOldest(): void {
    const dropped = this.#entries.splice(0, Math.ceil(this.#entries.length / 4));
    this.#first += dropped.length;
    this.#characters -= dropped.reduce((sum, json) => sum + json.length, 0);
    const session = this.#sessions.findLast(({ index }) => index < this.#first);
    const message = `The run is long: its first ${this.#first} records are not shown; they are in its logs/metrics.jsonl.`;
    const warning: RunRecord = { event: "warning", atMs: 0, message };
    this.#preface = [...(session === undefined ? [] : [session.json]), JSON.stringify(warning)];
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }
}
