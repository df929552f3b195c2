import { z } from "zod";
import { parseStrictJson } from "../base/strict-json.ts";
import type { RunRecord } from "./run-record.ts";

/** A line of `metrics.jsonl` comes from a disk that anybody may have written to: only what these shapes hold is used. */

const count = z.number().int().nonnegative();
const amount = z.number().nonnegative();
const time = z.number();
/** JSON has no NaN and no infinities: they are written as null. */
const score = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

const errorFacts = z.object({ code: z.string().nullable(), message: z.string(), hint: z.string().nullable() });

// Settings are shown and computed with nowhere, but for these; of the others, all numbers are finite.
const others = z.json();
const config = z
  .object({
    environment: z.string(),
    seed: z.number(),
    generations: count,
    population: count,
    saveEvery: count,
    algorithm: z.string(),
    learning: z.string(),
    hiddenSizes: z.array(count),
    buffer: z.object({ capacity: count, learningStarts: count }).catchall(others),
  })
  .catchall(others);

const ofSave = { atMs: time, step: count, sequence: count };

const buffer = z.object({
  added: count,
  uniqueFrames: count,
  logicalBytes: amount,
  residentBytes: amount,
  pinnedBytes: amount,
});

const report = {
  ...{ generation: count, generations: count, frames: count },
  ...{ fitnessMean: score, fitnessMax: score, fitnessSpread: score, validation: z.number().nullable() },
  ...{ bufferSize: count, bufferCapacity: count, learningStarts: count },
  ...{ criticLoss: z.number().nullable(), gradientSteps: count },
  ...{ evaluateMs: amount, learnMs: amount, evolveMs: amount, generationMs: amount, blockedMs: amount },
  saved: z.boolean(),
};

const uploadJob = z.object({
  ...{ name: z.string(), bytesDone: amount, bytesTotal: amount },
  ...{ bytesPerSecond: amount, etaMs: amount.nullable(), retries: count },
});

const status = z.object({
  ...{ pending: z.number().int(), completed: count, failed: count, skipped: count, replaced: count },
  current: z.object({ sequence: count, phase: z.string() }).nullable(),
  ...{ behind: count, behindBytes: amount, behindMs: amount, isDegraded: z.boolean() },
  upload: z.object({
    ...{ waiting: count, running: count, bytesDone: amount, bytesTotal: amount },
    ...{ bytesPerSecond: amount, etaMs: amount.nullable(), retries: count },
    // Logs of before have none.
    jobs: z.array(uploadJob).default([]),
  }),
  ...{ bytes: amount, requests: count },
  requestsByKind: z.object({ put: count, get: count, head: count, list: count, delete: count }),
  ...{ bytesUp: amount, bytesUpInVain: amount, bytesDown: amount, retries: count },
  ...{ blockedMs: amount, longestBlockMs: amount, heldStateBytes: amount, memoryWaits: count },
  lastError: errorFacts.nullable(),
});

const sizes = { transitions: count, logicalBytes: amount };
const stored = { storedBytes: amount, totalStoredBytes: amount };

const recordSchema = z.discriminatedUnion("event", [
  z.object({ event: z.literal("start"), atMs: time, config }),
  z.object({ event: z.literal("resume"), ...ofSave, config }),
  z.object({ event: z.literal("generation"), atMs: time, ...report, buffer }),
  z.object({ event: z.literal("status"), atMs: time, status, rssBytes: amount }),
  z.object({ event: z.literal("queued"), ...ofSave, ...sizes, blockedMs: amount }),
  z.object({ event: z.literal("waited"), atMs: time, waitingAtMs: time, blockedMs: amount, waits: count }),
  z.object({
    ...{ event: z.literal("durable"), ...ofSave, ...sizes, ...stored },
    ...{ elapsedMs: z.number(), encodingAtMs: time, writingAtMs: time },
  }),
  z.object({
    ...{ event: z.literal("committed"), ...ofSave },
    ...{ store: z.string(), manifest: z.string(), sendingAtMs: time.nullable() },
  }),
  z.object({ event: z.literal("failed"), ...ofSave, error: errorFacts }),
  z.object({ event: z.enum(["skipped", "replaced"]), ...ofSave }),
  z.object({ event: z.literal("degraded"), atMs: time, store: z.string(), error: errorFacts, behind: count }),
  z.object({ event: z.literal("recovered"), atMs: time, store: z.string(), behind: count, awayMs: z.number() }),
  z.object({ event: z.literal("warning"), atMs: time, message: z.string() }),
  z.object({
    ...{ event: z.literal("end"), atMs: time },
    ...{ generations: count, finished: z.boolean(), stateHash: z.string() },
  }),
]);

/** Settings nest three levels deep; options of an environment may nest as they like. */
const MAX_DEPTH = 40;

/**
 * Reads one line of a run's log.
 *
 * @returns null for what is no record that this version knows: another event, another shape, half a line
 */
export function parseRecord(line: Uint8Array): RunRecord | null {
  let value: unknown;
  try {
    value = parseStrictJson(line, MAX_DEPTH);
  } catch {
    // Half a line, or none of ours.
    return null;
  }
  const parsed = recordSchema.safeParse(value);
  return parsed.success ? (parsed.data as RunRecord) : null;
}
