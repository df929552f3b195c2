import type {
  BufferFacts,
  GenerationRecord,
  RunRecord,
  StatusRecord,
  UploadJobFacts,
} from "../../src/record/run-record.ts";
import type { TrainConfig } from "../../src/trainer/contract.ts";

/** 2026-03-02 09:00:00 UTC. */
export const BEGIN_MS = 1_772_442_000_000;

const CONFIG = {
  ...{ environment: "pendulum", environmentOptions: {}, seed: 1, population: 12, generations: 400, saveEvery: 5 },
  buffer: { capacity: 100_000, learningStarts: 2000, prioritized: null },
} as unknown as TrainConfig;

interface MadeOptions {
  readonly generations: number;
  readonly all?: number;
  readonly beginMs?: number;
  /** Milliseconds of one generation. */
  readonly generationMs?: number;
  /** From which generation on the store is away. */
  readonly awayFrom?: number;
  readonly hasUploads?: boolean;
  /** The step that the process resumed from: what it counts begins there. */
  readonly resumedFrom?: number;
  /** Other numbers learn otherwise. */
  readonly seed?: number;
}

/** Deterministic, and looks like noise. */
const wobble = (index: number): number => Math.sin(index * 12.9898) * Math.sin(index * 78.233);

/**
 * The records of a run that somebody could have trained: fitness that rises, a buffer that fills, a checkpoint every
 * five generations. Times follow from the options alone.
 */
export function madeRun(options: MadeOptions): RunRecord[] {
  const { generations, all = 400, beginMs = BEGIN_MS } = options;
  const records: RunRecord[] = [{ event: "start", atMs: beginMs, config: { ...CONFIG, generations: all } }];
  for (let generation = 1; generation <= generations; generation++) records.push(...recordsOf(generation, options));
  return records;
}

/** What one generation adds. */
export function recordsOf(generation: number, options: MadeOptions): RunRecord[] {
  const { beginMs = BEGIN_MS, generationMs = 2000, awayFrom = Number.POSITIVE_INFINITY, hasUploads = true } = options;
  const atMs = beginMs + generation * generationMs;
  const isSaved = generation % 5 === 0;
  const isAway = generation >= awayFrom;
  const records: RunRecord[] = [];
  if (isAway && generation === Math.ceil(awayFrom / 5) * 5) records.push(degraded(atMs - 300, generation));
  if (isSaved) records.push(...recordsOfSave(generation, atMs, { isAway, hasUploads, generationMs }));
  records.push(generationRecord(generation, atMs, options));
  const behind = isAway ? Math.floor((generation - awayFrom) / 5) + 1 : 0;
  records.push(statusRecord(generation, atMs + 1, behind, options.resumedFrom ?? 0));
  return records.sort((a, b) => a.atMs - b.atMs);
}

function generationRecord(generation: number, atMs: number, options: MadeOptions): GenerationRecord {
  const { generationMs = 2000, all = 400, seed = 1 } = options;
  const rise = 1 - Math.exp(-generation / (60 + 20 * seed));
  const mean = -1400 + (1190 - 40 * seed) * rise + 40 * wobble(generation * seed);
  const added = generation * 2400;
  const isSaved = generation % 5 === 0;
  const buffer: BufferFacts = {
    ...{ added, uniqueFrames: Math.min(added, 104_000) },
    ...{ logicalBytes: Math.min(added, 100_000) * 512, residentBytes: Math.min(added, 108_000) * 88 + 4_000_000 },
    pinnedBytes: isSaved ? 4_000_000 : 0,
  };
  return {
    ...{ event: "generation", atMs, generation, generations: all, frames: added, buffer },
    ...{ fitnessMean: mean, fitnessMax: mean + 180 - 90 * rise, fitnessSpread: 130 - 80 * rise },
    validation: generation % 10 === 0 ? mean + 60 : null,
    ...{ bufferSize: Math.min(added, 100_000), bufferCapacity: 100_000, learningStarts: 2000 },
    ...{ criticLoss: 0.4, gradientSteps: 120 },
    evaluateMs: generationMs * (0.24 + 0.04 * wobble(generation + 7)),
    learnMs: generationMs * (0.68 + 0.04 * wobble(generation + 3)),
    ...{
      evolveMs: generationMs * 0.03,
      generationMs,
      saved: isSaved,
      blockedMs: isSaved ? blockedMsOf(generation) : 0,
    },
  };
}

const blockedMsOf = (generation: number): number => 0.21 + 0.08 * Math.abs(wobble(generation));

function recordsOfSave(
  generation: number,
  queuedAtMs: number,
  { isAway, hasUploads, generationMs }: { isAway: boolean; hasUploads: boolean; generationMs: number },
): RunRecord[] {
  const save = { step: generation, sequence: generation / 5 };
  const size = { transitions: Math.min(generation * 2400, 100_000), logicalBytes: generation * 2400 * 512 };
  const pace = generationMs / 2000;
  const encodingAtMs = queuedAtMs + 2;
  const writingAtMs = encodingAtMs + (240 + 60 * wobble(generation)) * pace;
  const durableAtMs = writingAtMs + (420 + 80 * wobble(generation + 1)) * pace;
  const sendingAtMs = durableAtMs + 30;
  const storedBytes = 380_000 + 20_000 * wobble(generation);
  const durable = {
    ...({ ...save, ...size, event: "durable", atMs: durableAtMs, encodingAtMs, writingAtMs, storedBytes } as const),
    ...{ totalStoredBytes: Math.min(save.sequence, 20) * 380_000, elapsedMs: durableAtMs - queuedAtMs },
  };
  const queued = { ...save, ...size, event: "queued", atMs: queuedAtMs, blockedMs: blockedMsOf(generation) } as const;
  if (isAway) return [queued, durable];
  const name = `checkpoints/00000001-${String(save.sequence).padStart(12, "0")}.json`;
  const committedAtMs = hasUploads ? sendingAtMs + (2600 + 900 * wobble(generation + 2)) * pace : durableAtMs;
  const committed = {
    ...({ ...save, event: "committed", atMs: committedAtMs, store: "s3://runs/pendulum-1", manifest: name } as const),
    sendingAtMs: hasUploads ? sendingAtMs : null,
  };
  return [queued, durable, committed];
}

function degraded(atMs: number, generation: number): RunRecord {
  return {
    ...({ event: "degraded", atMs, store: "s3://runs/pendulum-1", behind: Math.floor(generation / 5) } as const),
    error: {
      code: "VARVE_STORE",
      message: "PUT packs/00000001-7f3a.pack at s3://runs/pendulum-1 failed after 8 tries: 503 SlowDown",
      hint: "Saves go on to local disk. See whether the bucket's provider has an outage; nothing else is to be done.",
    },
  };
}

/** A pack of a store that is away. */
const WAITING_JOB: UploadJobFacts = {
  ...{ name: `packs/00000001-${"7f3a9c01".repeat(8)}.pack`, bytesDone: 0, bytesTotal: 376_000 },
  ...{ bytesPerSecond: 0, etaMs: null, retries: 7 },
};

function statusRecord(generation: number, atMs: number, behind: number, resumedFrom: number): StatusRecord {
  const [saves, savesBefore] = [Math.floor(generation / 5), Math.floor(resumedFrom / 5)];
  const sent = (saves - behind) * 380_000;
  const isSending = behind > 0;
  const blocked = Array.from({ length: saves - savesBefore }, (_, at) => blockedMsOf((savesBefore + at + 1) * 5));
  return {
    ...{ event: "status", atMs, rssBytes: 412_000_000 },
    status: {
      ...{ pending: 0, completed: saves, failed: 0, skipped: 0, replaced: 0, current: null },
      ...{ behind, behindBytes: behind * 380_000, behindMs: behind * 10_000, isDegraded: behind > 0 },
      upload: {
        ...{ waiting: isSending ? behind : 0, running: isSending ? 1 : 0, bytesDone: sent, retries: isSending ? 7 : 1 },
        ...{ bytesTotal: saves * 380_000, bytesPerSecond: isSending ? 0 : 182_000, etaMs: null },
        jobs: isSending ? [WAITING_JOB] : [],
      },
      ...{ bytes: saves * 760_000, requests: saves * 7, bytesUp: sent, bytesUpInVain: isSending ? 1_520_000 : 0 },
      requestsByKind: { put: saves * 3 + 2, get: 2, head: 1, list: 1, delete: 0 },
      ...{ bytesDown: 4200, retries: isSending ? 9 : 1, heldStateBytes: 0, memoryWaits: 0, lastError: null },
      blockedMs: blocked.reduce((sum, each) => sum + each, 0),
      longestBlockMs: Math.max(0, ...blocked),
    },
  };
}
