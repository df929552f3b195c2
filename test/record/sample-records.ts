import type {
  CommittedRecord,
  DurableRecord,
  EndRecord,
  GenerationRecord,
  QueuedRecord,
  StartRecord,
  StatusRecord,
} from "../../src/record/run-record.ts";
import { defaultConfig } from "../../src/trainer/config.ts";

/** Records as a run of pendulum writes them, generation `n` at `n` seconds. */

export const START: StartRecord = { event: "start", atMs: 0, config: defaultConfig("pendulum") };

export const END: EndRecord = {
  event: "end",
  atMs: 90_000,
  generations: 3,
  finished: true,
  stateHash: "ab".repeat(32),
};

export function generation(number: number): GenerationRecord {
  return {
    ...{ event: "generation", atMs: number * 1000, generation: number, generations: 10, frames: number * 100 },
    ...{ fitnessMean: -10, fitnessMax: -5, fitnessSpread: 2, validation: -6 },
    ...{ bufferSize: number * 100, bufferCapacity: 1000, learningStarts: 10, criticLoss: 0.5, gradientSteps: 5 },
    ...{ evaluateMs: 300, learnMs: 500, evolveMs: 100, generationMs: 900, blockedMs: 0.25, saved: true },
    buffer: { added: number * 100, uniqueFrames: 0, logicalBytes: 7000, residentBytes: 9000, pinnedBytes: 500 },
  };
}

export function queued(sequence: number): QueuedRecord {
  const atMs = sequence * 1000;
  return { event: "queued", atMs, step: sequence, sequence, transitions: 100, logicalBytes: 8000, blockedMs: 0.25 };
}

export function durable(sequence: number): DurableRecord {
  const atMs = sequence * 1000;
  return {
    ...{ event: "durable", atMs: atMs + 400, step: sequence, sequence, transitions: 100, logicalBytes: 8000 },
    ...{ storedBytes: 2000, totalStoredBytes: 4000, elapsedMs: 400 },
    ...{ encodingAtMs: atMs + 100, writingAtMs: atMs + 250 },
  };
}

export function committed(sequence: number): CommittedRecord {
  const atMs = sequence * 1000;
  const manifest = `checkpoints/00000001-${String(sequence).padStart(12, "0")}.json`;
  const times = { atMs: atMs + 900, sendingAtMs: atMs + 500 };
  return { event: "committed", step: sequence, sequence, store: "s3://bucket/run", manifest, ...times };
}

export function status(overrides: Partial<StatusRecord["status"]> = {}, atMs = 5000): StatusRecord {
  return {
    ...{ event: "status", atMs, rssBytes: 300_000_000 },
    status: {
      ...{ pending: 1, completed: 2, failed: 0, skipped: 0, replaced: 0, current: { sequence: 3, phase: "encoding" } },
      ...{ behind: 1, behindBytes: 2000, behindMs: 1500, isDegraded: false },
      upload: {
        ...{ waiting: 2, running: 1, bytesDone: 10, bytesTotal: 20, bytesPerSecond: 5, etaMs: 2000, retries: 1 },
        jobs: [{ name: "packs/a", bytesDone: 4, bytesTotal: 8, bytesPerSecond: 2, etaMs: null, retries: 1 }],
      },
      ...{ bytes: 6000, requests: 20, requestsByKind: { put: 8, get: 1, head: 1, list: 2, delete: 0 } },
      ...{ bytesUp: 4000, bytesUpInVain: 100, bytesDown: 50, retries: 3 },
      ...{ blockedMs: 1.5, longestBlockMs: 0.75, heldStateBytes: 40, memoryWaits: 0, lastError: null },
      ...overrides,
    },
  };
}
