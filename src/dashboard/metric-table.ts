import type { StatusRecord } from "../record/run-record.ts";
import type { RunTotals } from "./run-totals.ts";

/** A run to be measured. */
export interface MeasuredRun {
  /** The label `run`; different for each. */
  readonly label: string;
  readonly isLive: boolean;
  readonly totals: RunTotals;
}

/** The value is null while nothing is known: then the run has no such line. */
export type Metric = readonly [name: string, help: string, value: (run: MeasuredRun) => number | null];

const seconds = (ms: number): number => ms / 1000;

const ofStatus = (pick: (status: StatusRecord["status"]) => number) => {
  return ({ totals }: MeasuredRun): number | null => {
    const record = totals.status;
    return record === null ? null : pick(record.status);
  };
};

const ofGeneration = (pick: (generation: NonNullable<RunTotals["generation"]>) => number | null) => {
  return ({ totals }: MeasuredRun): number | null => (totals.generation === null ? null : pick(totals.generation));
};

const sum = (pick: (totals: RunTotals) => number) => {
  return ({ totals }: MeasuredRun): number | null => (totals.isKnown ? pick(totals) : null);
};

/** Over the whole run; they only grow, and begin at 0 again only where its log does. */
export const COUNTERS: readonly Metric[] = [
  ["varve_saves_total", "Checkpoints made durable", sum(({ saves }) => saves)],
  ["varve_saves_committed_total", "Checkpoints committed in the run's store", sum(({ committed }) => committed)],
  ["varve_saves_failed_total", "Saves that failed", sum(({ failed }) => failed)],
  ["varve_saves_skipped_total", "Saves not made because one was under way", sum(({ skipped }) => skipped)],
  ["varve_saves_replaced_total", "Saves that a newer one took the place of", sum(({ replaced }) => replaced)],
  ["varve_warnings_total", "Warnings told", sum(({ warnings }) => warnings)],
  ["varve_blocked_seconds_total", "Time that saving held training up", sum((of) => seconds(of.sumOf("blockedMs")))],
  ["varve_memory_waits_total", "Times that training waited for memory", sum((of) => of.sumOf("memoryWaits"))],
  ["varve_saving_seconds_total", "Background time from taking a save up to durable", sum((of) => seconds(of.savingMs))],
  ["varve_sending_seconds_total", "Background time of sending checkpoints on", sum((of) => seconds(of.sendingMs))],
  ["varve_logical_bytes_total", "What full saves would have written", sum(({ logicalBytes }) => logicalBytes)],
  ["varve_stored_bytes_total", "Written for checkpoints, in the first tier", sum(({ storedBytes }) => storedBytes)],
  ["varve_written_bytes_total", "Written to all tiers together", sum((of) => of.sumOf("bytes"))],
  ["varve_uploaded_bytes_total", "Sent to the run's store and answered", sum((of) => of.sumOf("bytesUp"))],
  ["varve_uploaded_in_vain_bytes_total", "Sent to it and not answered", sum((of) => of.sumOf("bytesUpInVain"))],
  ["varve_downloaded_bytes_total", "Read from the run's store", sum((of) => of.sumOf("bytesDown"))],
  ["varve_requests_total", "Requests to the run's store, every try counted", sum(({ requests }) => requests)],
  ["varve_retries_total", "Requests to it made again after a failure", sum((of) => of.sumOf("retries"))],
];

export const GAUGES: readonly Metric[] = [
  ["varve_run_live", "1 while the run trains in this process", ({ isLive }) => (isLive ? 1 : 0)],
  [
    "varve_longest_block_seconds",
    "Longest time that one save held training up",
    ofStatus((status) => seconds(status.longestBlockMs)),
  ],
  ["varve_dedup_ratio", "Bytes of full saves for each byte stored", dedupRatio],
  ["varve_behind_checkpoints", "Durable checkpoints that the store lacks", ofStatus(({ behind }) => behind)],
  ["varve_behind_bytes", "Bytes still to be sent for them", ofStatus(({ behindBytes }) => behindBytes)],
  ["varve_behind_seconds", "Age of the oldest of them", ofStatus(({ behindMs }) => seconds(behindMs))],
  ["varve_store_degraded", "1 while the store is given up on", ofStatus(({ isDegraded }) => (isDegraded ? 1 : 0))],
  ["varve_saves_pending", "Saves accepted and not durable yet", ofStatus(({ pending }) => pending)],
  ["varve_uploads_waiting", "Packs that wait for their turn", ofStatus(({ upload }) => upload.waiting)],
  ["varve_uploads_running", "Packs on their way", ofStatus(({ upload }) => upload.running)],
  ["varve_upload_bytes_per_second", "Rate of uploads", ofStatus(({ upload }) => upload.bytesPerSecond)],
  ["varve_held_state_bytes", "Copied state of saves not encoded yet", ofStatus((status) => status.heldStateBytes)],
  ["varve_process_resident_bytes", "RSS of the trainer's process", ({ totals }) => totals.status?.rssBytes ?? null],
  ["varve_buffer_transitions", "Transitions held", ofGeneration(({ bufferSize }) => bufferSize)],
  ["varve_buffer_capacity_transitions", "Transitions held at most", ofGeneration((report) => report.bufferCapacity)],
  ["varve_buffer_added_transitions", "Transitions added since it began", ofGeneration(({ buffer }) => buffer.added)],
  ["varve_buffer_unique_frames", "Different frames held", ofGeneration(({ buffer }) => buffer.uniqueFrames)],
  [
    "varve_buffer_logical_bytes",
    "What they would take as plain arrays",
    ofGeneration(({ buffer }) => buffer.logicalBytes),
  ],
  ["varve_buffer_resident_bytes", "Memory of the buffer", ofGeneration(({ buffer }) => buffer.residentBytes)],
  ["varve_buffer_pinned_bytes", "Of it, kept for saves under way", ofGeneration(({ buffer }) => buffer.pinnedBytes)],
  ["varve_generation", "Completed generations", ofGeneration(({ generation }) => generation)],
  ["varve_generation_seconds", "Time of the last generation", ofGeneration((report) => seconds(report.generationMs))],
  ["varve_fitness_mean", "Mean fitness of the population", ofGeneration(({ fitnessMean }) => fitnessMean)],
  ["varve_fitness_max", "Highest fitness of the population", ofGeneration(({ fitnessMax }) => fitnessMax)],
  ["varve_validation", "Validation score of the generation", ofGeneration(({ validation }) => validation)],
];

function dedupRatio({ totals }: MeasuredRun): number | null {
  return totals.storedBytes === 0 ? null : totals.logicalBytes / totals.storedBytes;
}
