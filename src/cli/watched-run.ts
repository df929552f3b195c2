import { type Clock, systemClock } from "../base/clock.ts";
import { Checkpointer, type CheckpointInfo, isVarveError } from "../index.ts";
import type { CheckpointsRecord, RunRecord } from "../record/run-record.ts";
import { applyRecord, emptyView, type RunView } from "../record/run-view.ts";
import { storeNamed } from "./cloud-store.ts";
import { describeError } from "./error-report.ts";
import { RecordTail } from "./record-tail.ts";
import { localFolderOf } from "./train-place.ts";

/** A listing reads every manifest: that costs nothing on local disk, and money in a cloud. */
const LIST_FOLDER_EVERY_MS = 10_000;
const LIST_CLOUD_EVERY_MS = 60_000;

/** How long after its last generation a trainer may still send what its store lacks. */
const ENDING_MS = 30_000;

export interface WatchedPlaces {
  readonly store: string;
  /** Path of its `metrics.jsonl`; null where it has no folder on this machine. */
  readonly log: string | null;
  /** Ends reading the log and waiting for the store. */
  readonly signal?: AbortSignal | undefined;
}

/** A run that somebody looks at: its log, followed, and its store, asked now and then. */
export class WatchedRun {
  readonly #store: string;
  readonly #signal: AbortSignal | undefined;
  readonly #tail: RecordTail | null;
  readonly #clock: Clock;
  readonly #listEveryMs: number;
  #view: RunView = emptyView();
  #reader: Checkpointer | null = null;
  #listing: Promise<void> | null = null;
  #listedAtMs = Number.NEGATIVE_INFINITY;
  #listed: CheckpointsRecord | null = null;
  #warnings: string[] = [];
  #unlisted: string | null = null;
  #hasLog = false;

  constructor(run: WatchedPlaces, clock: Clock = systemClock) {
    this.#store = run.store;
    this.#signal = run.signal;
    this.#tail = run.log === null ? null : new RecordTail(run.log);
    this.#clock = clock;
    const isFolder = localFolderOf({ store: run.store, local: undefined }) !== null;
    this.#listEveryMs = isFolder ? LIST_FOLDER_EVERY_MS : LIST_CLOUD_EVERY_MS;
  }

  get view(): RunView {
    return this.#view;
  }

  get hasLog(): boolean {
    return this.#hasLog;
  }

  /** Why the store's checkpoints are not known, or not all of them; null where they are. */
  get unlisted(): string | null {
    return this.#unlisted ?? (this.#warnings.length === 0 ? null : this.#warnings.join("; "));
  }

  get unreadable(): number {
    return this.#tail?.unreadable ?? 0;
  }

  /** Whether its trainer has ended, and whether no more is to be expected of its log. */
  get isOver(): boolean {
    const { end, status } = this.#view;
    if (end === null) return false;
    return (status !== null && status.atMs >= end.atMs) || this.#clock.now() - end.atMs > ENDING_MS;
  }

  /**
   * Takes in what the log has got since the last time.
   *
   * @param onRecord - told each, in order
   * @throws StoreError where the log cannot be read; the signal's reason: a long log is read for minutes
   */
  async look(onRecord: (record: RunRecord) => void = () => undefined): Promise<void> {
    const listener = {
      onReset: () => {
        this.#view = emptyView();
        if (this.#listed !== null) applyRecord(this.#view, this.#listed);
      },
      onRecord: (record: RunRecord): void => {
        this.#hasLog = true;
        applyRecord(this.#view, record);
        onRecord(record);
      },
    };
    await this.#tail?.read(listener, this.#signal);
  }

  /** Lists the store's checkpoints where that is due. @returns the record of it, where it says something new */
  async list(): Promise<CheckpointsRecord | null> {
    if (this.#clock.monotonicMs() - this.#listedAtMs < this.#listEveryMs) return null;
    const before = this.#listed;
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null;
      this.#listedAtMs = this.#clock.monotonicMs();
    });
    await this.#listing;
    return this.#listed === before ? null : this.#listed;
  }

  async close(): Promise<void> {
    // At once: a listing under way may wait for a store that does not answer.
    await this.#reader?.close({ timeoutMs: 0 });
    await this.#listing;
  }

  async #list(): Promise<void> {
    this.#warnings = [];
    try {
      this.#reader ??= await this.#open();
      this.#take(await this.#reader.list());
      this.#unlisted = null;
    } catch (error) {
      if (!isVarveError(error)) throw error;
      this.#unlisted = describeError(error);
    }
  }

  async #open(): Promise<Checkpointer> {
    return Checkpointer.open({
      store: await storeNamed(this.#store),
      readOnly: true,
      signal: this.#signal,
      log: (event) => {
        if (event.kind === "warning") this.#warnings.push(event.message);
      },
    });
  }

  #take(found: readonly CheckpointInfo[]): void {
    const checkpoints = found.map((info) => ({ ...info, problem: null }));
    if (JSON.stringify(checkpoints) === JSON.stringify(this.#listed?.checkpoints)) return;
    this.#listed = { event: "checkpoints", atMs: this.#clock.now(), checkpoints };
    applyRecord(this.#view, this.#listed);
  }
}
