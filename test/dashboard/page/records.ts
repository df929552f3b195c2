import { emptyModel, type RunModel, takeRecords } from "../../../src/dashboard/page/run-model.ts";
import type {
  CheckpointFacts,
  CommittedRecord,
  DurableRecord,
  ErrorFacts,
  GenerationRecord,
  QueuedRecord,
  RunRecord,
  StatusRecord,
  WaitedRecord,
} from "../../../src/record/run-record.ts";

export function modelOf(...records: readonly RunRecord[]): RunModel {
  const model = emptyModel();
  takeRecords(model, records);
  return model;
}

const CONFIG = { generations: 40 } as never;

export const start = (atMs: number): RunRecord => ({ event: "start", atMs, config: CONFIG });
export const resume = (atMs: number, step: number): RunRecord => ({
  ...{ event: "resume", atMs, step, sequence: 1, config: CONFIG },
});

export function generation(number: number, atMs: number, changes: Partial<GenerationRecord> = {}): GenerationRecord {
  return {
    ...{ event: "generation", atMs, generation: number, generations: 40, frames: 100, saved: false, blockedMs: 0 },
    ...{ fitnessMean: 1, fitnessMax: 3, fitnessSpread: 0.5, validation: null, criticLoss: null, gradientSteps: 1 },
    ...{ bufferSize: 500, bufferCapacity: 1000, learningStarts: 200 },
    ...{ evaluateMs: 20, learnMs: 70, evolveMs: 10, generationMs: 100 },
    buffer: { added: 2500, uniqueFrames: 40, logicalBytes: 8_000_000, residentBytes: 2_000_000, pinnedBytes: 1000 },
    ...changes,
  };
}

const ofSave = (sequence: number) => ({ sequence, step: sequence * 5 });

export const queued = (sequence: number, atMs: number, blockedMs = 0.5): QueuedRecord => ({
  ...{ event: "queued", atMs, ...ofSave(sequence), transitions: 500, logicalBytes: 1_000_000, blockedMs },
});

export const waited = (waitingAtMs: number, atMs: number, blockedMs: number, waits = 1): WaitedRecord => ({
  ...{ event: "waited", atMs, waitingAtMs, blockedMs, waits },
});

/** Encoded in 20 ms and written in 30. */
export const durable = (sequence: number, atMs: number): DurableRecord => ({
  ...{ event: "durable", atMs, ...ofSave(sequence), transitions: 500, logicalBytes: 1_000_000, storedBytes: 4000 },
  ...{ totalStoredBytes: 9000, elapsedMs: 60, encodingAtMs: atMs - 50, writingAtMs: atMs - 30 },
});

export const committed = (sequence: number, atMs: number, sendingAtMs: number | null): CommittedRecord => ({
  ...{ event: "committed", atMs, ...ofSave(sequence), store: "s3://runs/a", sendingAtMs },
  manifest: nameOf(sequence),
});

export const ERROR: ErrorFacts = { code: "VARVE_STORE", message: "refused", hint: "Ask for the right to write." };

export const failed = (sequence: number, atMs: number): RunRecord => ({
  ...{ event: "failed", atMs, ...ofSave(sequence), error: ERROR },
});

export const nameOf = (sequence: number): string => `checkpoints/00000001-${String(sequence).padStart(12, "0")}.json`;

export function checkpoint(sequence: number, changes: Partial<CheckpointFacts> = {}): CheckpointFacts {
  return {
    ...{ name: nameOf(sequence), ...ofSave(sequence), epoch: 1, parent: null, createdAt: "", metrics: {} },
    ...{ storedBytes: 9000, logicalBytes: 1_000_000, transitions: 500, pinned: false, problem: null },
    ...changes,
  };
}

export function status(atMs: number, changes: Partial<StatusRecord["status"]> = {}): StatusRecord {
  return {
    ...{ event: "status", atMs, rssBytes: 100_000_000 },
    status: {
      ...{ pending: 0, completed: 0, failed: 0, skipped: 0, replaced: 0, current: null, behind: 0, behindBytes: 0 },
      ...{ behindMs: 0, isDegraded: false, bytes: 0, requests: 0, bytesUp: 0, bytesUpInVain: 0, bytesDown: 0 },
      upload: {
        ...{ waiting: 0, running: 0, bytesDone: 0, bytesTotal: 0, bytesPerSecond: 0, etaMs: null, retries: 0 },
        jobs: [],
      },
      requestsByKind: { put: 0, get: 0, head: 0, list: 0, delete: 0 },
      ...{ retries: 0, blockedMs: 0, longestBlockMs: 0, heldStateBytes: 0, memoryWaits: 0, lastError: null },
      ...changes,
    },
  };
}
