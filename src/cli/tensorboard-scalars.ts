import { TensorBoardLog } from "../exchange/tensorboard-log.ts";
import type { RunRecord } from "../record/run-record.ts";
import type { ConsoleOutput } from "./console-output.ts";

/** @throws ConfigError where nothing can be written to that folder */
export function logForTensorBoard(folder: string, output: Pick<ConsoleOutput, "warn">): (record: RunRecord) => void {
  const warn = (message: string): void => output.warn(`WARNING: ${message}\n  Training goes on without.`);
  return tensorBoardListener(new TensorBoardLog(folder, { warn }));
}

/** Writes what happens in a run as scalars for TensorBoard; a generation, or the step of a save, is their step. */
export function tensorBoardListener(log: TensorBoardLog): (record: RunRecord) => void {
  let generation = 0;
  return (record) => {
    if (record.event === "resume") {
      generation = record.step;
      log.restartAt(record.step + 1);
    }
    if (record.event === "generation") ({ generation } = record);
    const step = "step" in record ? record.step : generation;
    const scalars = scalarsOf(record);
    if (Object.keys(scalars).length > 0) log.write(step, scalars, record.atMs);
  };
}

function scalarsOf(record: RunRecord): Readonly<Record<string, number>> {
  switch (record.event) {
    case "generation":
      return generationScalars(record);
    case "durable":
      return {
        "saving/stored_bytes": record.storedBytes,
        "saving/total_stored_bytes": record.totalStoredBytes,
        "saving/logical_bytes": record.logicalBytes,
        "saving/durable_seconds": record.elapsedMs / 1000,
      };
    case "status":
      return statusScalars(record);
    default:
      return {};
  }
}

function generationScalars(record: Extract<RunRecord, { event: "generation" }>): Readonly<Record<string, number>> {
  const { validation, criticLoss, buffer } = record;
  return {
    "fitness/mean": record.fitnessMean,
    "fitness/max": record.fitnessMax,
    "fitness/spread": record.fitnessSpread,
    ...(validation === null ? {} : { validation }),
    ...(criticLoss === null ? {} : { "loss/critic": criticLoss }),
    "buffer/size": record.bufferSize,
    "buffer/fill": record.bufferSize / record.bufferCapacity,
    "buffer/added": buffer.added,
    "buffer/unique_frames": buffer.uniqueFrames,
    "buffer/logical_bytes": buffer.logicalBytes,
    "buffer/resident_bytes": buffer.residentBytes,
    "time/generation_seconds": record.generationMs / 1000,
    "time/evaluate_seconds": record.evaluateMs / 1000,
    "time/learn_seconds": record.learnMs / 1000,
    "time/evolve_seconds": record.evolveMs / 1000,
    "saving/blocked_seconds": record.blockedMs / 1000,
  };
}

function statusScalars({
  status,
  rssBytes,
}: Extract<RunRecord, { event: "status" }>): Readonly<Record<string, number>> {
  return {
    "saving/blocked_seconds_total": status.blockedMs / 1000,
    "saving/failed": status.failed,
    "saving/behind": status.behind,
    "saving/bytes_up": status.bytesUp,
    "saving/requests": status.requests,
    "saving/retries": status.retries,
    "memory/rss_bytes": rssBytes,
  };
}
