import { type Clock, systemClock } from "../base/clock.ts";
import type { BufferStats, CheckpointEvent, CheckpointerStatus } from "../index.ts";
import { recordOfEvent, recordOfStatus } from "../record/checkpointer-record.ts";
import type { GenerationRecord, RunRecord } from "../record/run-record.ts";
import type { GenerationReport, TrainConfig, TrainResult } from "../trainer/contract.ts";
import { MetricsLog } from "./metrics-log.ts";

/** Hears every record, also those that the file does not take. */
export type RecordListener = (record: RunRecord) => void;

/** Writes down what happens in a run as it happens, and passes it on. Costs the training thread one small write each. */
export class TrainRecorder {
  readonly #clock: Clock;
  /** What was heard before the first generation: a run that cannot begin leaves no file behind. */
  #early: RunRecord[] | null = [];
  #log: MetricsLog | null = null;
  #listener: RecordListener | null = null;
  readonly #others: RecordListener[] = [];

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** The file; null where the run has no folder on local disk, and before it begins. */
  get path(): string | null {
    return this.#log?.path ?? null;
  }

  /**
   * Says where records go.
   *
   * @param log - null where the run has no folder on local disk
   * @param listener - is not told what the file held before
   */
  open(log: MetricsLog | null, listener: RecordListener | null): void {
    this.#log = log;
    this.#listener = listener;
  }

  /** @param listener - hears what the file takes, from the beginning of the run on */
  alsoTo(listener: RecordListener): void {
    this.#others.push(listener);
  }

  started(config: TrainConfig): void {
    this.#begin({ event: "start", atMs: this.#clock.now(), config });
  }

  resumed(step: number, sequence: number, config: TrainConfig): void {
    this.#begin({ event: "resume", atMs: this.#clock.now(), step, sequence, config });
  }

  generation(report: GenerationReport, stats: BufferStats, status: CheckpointerStatus): void {
    const { totalAdded: added, uniqueFrames, logicalBytes, residentBytes, pinnedBytes } = stats;
    const buffer = { added, uniqueFrames, logicalBytes, residentBytes, pinnedBytes };
    this.#add({ event: "generation", atMs: this.#clock.now(), ...report, buffer } satisfies GenerationRecord);
    this.status(status);
  }

  checkpoint(event: CheckpointEvent): void {
    this.#add(recordOfEvent(event, this.#clock.now()));
  }

  status(status: CheckpointerStatus): void {
    this.#add(this.#statusRecord(status));
  }

  /** For whoever looks at the run while it trains: the file has one after each generation. */
  liveStatus(status: CheckpointerStatus): void {
    this.#listener?.(this.#statusRecord(status));
  }

  ended({ generations, finished, stateHash }: TrainResult): void {
    this.#add({ event: "end", atMs: this.#clock.now(), generations, finished, stateHash });
  }

  /** @param status - once the run is closed, and what could be sent has been */
  close(status: CheckpointerStatus): void {
    if (this.#early === null) this.status(status);
    this.#log?.close();
    this.#log = null;
    this.#listener = null;
  }

  #statusRecord(status: CheckpointerStatus): RunRecord {
    return recordOfStatus(status, process.memoryUsage.rss(), this.#clock.now());
  }

  #begin(record: RunRecord): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const each of [...early, record]) this.#add(each);
  }

  #add(record: RunRecord): void {
    if (this.#early !== null) {
      this.#early.push(record);
      return;
    }
    this.#log?.write(record);
    this.#listener?.(record);
    for (const other of this.#others) other(record);
  }
}

/** Passes events on, but for warnings told since the last save: a restore reads twice, and tells the same again. */
export function withoutRepeats(listener: (event: CheckpointEvent) => void): (event: CheckpointEvent) => void {
  const warned = new Set<string>();
  return (event) => {
    if (event.kind === "queued") warned.clear();
    if (event.kind === "warning") {
      if (warned.has(event.message)) return;
      warned.add(event.message);
    }
    listener(event);
  };
}
