import type { CheckpointerStatus, CheckpointInfo } from "../index.ts";
import type { GenerationReport, TrainConfig } from "../trainer/contract.ts";

/**
 * What happened in a run, one record after another: the lines of `logs/metrics.jsonl`, and what a live dashboard is sent
 * besides. Times are in ms since 1970.
 *
 * The lines of one process come as its training thread hears of things; `atMs` says when they happened, for what the
 * saver's thread did a little before. After a resume from an older step the abandoned lines stay; the last line of a
 * generation, or of a sequence, is the one that counts. Readers pass over events that they do not know.
 */
export type RunRecord =
  | StartRecord
  | ResumeRecord
  | GenerationRecord
  | StatusRecord
  | QueuedRecord
  | WaitedRecord
  | DurableRecord
  | CommittedRecord
  | FailedRecord
  | LeftOutRecord
  | DegradedRecord
  | RecoveredRecord
  | WarningRecord
  | EndRecord
  | CheckpointsRecord;

interface AtTime {
  readonly atMs: number;
}

export interface StartRecord extends AtTime {
  readonly event: "start";
  readonly config: TrainConfig;
}

export interface ResumeRecord extends AtTime {
  readonly event: "resume";
  readonly step: number;
  readonly sequence: number;
  readonly config: TrainConfig;
}

/** A generation that has ended at `atMs`: evaluated, learned and evolved in this order, as long as the report says. */
export interface GenerationRecord extends AtTime, GenerationReport {
  readonly event: "generation";
  readonly buffer: BufferFacts;
}

export interface BufferFacts {
  /** Transitions added since the buffer began, those gone since included. */
  readonly added: number;
  /** Distinct frames held. */
  readonly uniqueFrames: number;
  /** What the held transitions would take, each for itself. */
  readonly logicalBytes: number;
  readonly residentBytes: number;
  /** Part of it: replaced blocks that a save under way still needs. */
  readonly pinnedBytes: number;
}

/** Written after each generation; a live dashboard takes it several times a second. */
export interface StatusRecord extends AtTime {
  readonly event: "status";
  readonly status: Omit<CheckpointerStatus, "lastError"> & { readonly lastError: ErrorFacts | null };
  /** Of the whole process. */
  readonly rssBytes: number;
}

/** A pack on its way to the run's store. */
export type UploadJobFacts = StatusRecord["status"]["upload"]["jobs"][number];

export interface ErrorFacts {
  /** As in docs/errors.md; null for errors that are not Varve's. */
  readonly code: string | null;
  readonly message: string;
  readonly hint: string | null;
}

interface OfSave extends AtTime {
  readonly step: number;
  readonly sequence: number;
}

export interface QueuedRecord extends OfSave {
  readonly event: "queued";
  readonly transitions: number;
  readonly logicalBytes: number;
  readonly blockedMs: number;
}

/** Waits for memory outside of saves, a second's together: from the begin of the first to `atMs`, the end of the last. */
export interface WaitedRecord extends AtTime {
  readonly event: "waited";
  readonly waitingAtMs: number;
  /** What they took together. */
  readonly blockedMs: number;
  readonly waits: number;
}

/** `atMs` is when it became durable. */
export interface DurableRecord extends OfSave {
  readonly event: "durable";
  readonly transitions: number;
  readonly logicalBytes: number;
  readonly storedBytes: number;
  readonly totalStoredBytes: number;
  readonly elapsedMs: number;
  /** When the saver took it up, and when its first pack began to be written. */
  readonly encodingAtMs: number;
  readonly writingAtMs: number;
}

/** `atMs` is when it was committed in the run's store. */
export interface CommittedRecord extends OfSave {
  readonly event: "committed";
  readonly store: string;
  readonly manifest: string;
  /** When its first object began to be sent; null where the store is the only tier, or had it already. */
  readonly sendingAtMs: number | null;
}

export interface FailedRecord extends OfSave {
  readonly event: "failed";
  readonly error: ErrorFacts;
}

export interface LeftOutRecord extends OfSave {
  readonly event: "skipped" | "replaced";
}

export interface DegradedRecord extends AtTime {
  readonly event: "degraded";
  readonly store: string;
  readonly error: ErrorFacts;
  readonly behind: number;
}

export interface RecoveredRecord extends AtTime {
  readonly event: "recovered";
  readonly store: string;
  readonly behind: number;
  readonly awayMs: number;
}

export interface WarningRecord extends AtTime {
  readonly event: "warning";
  readonly message: string;
}

export interface EndRecord extends AtTime {
  readonly event: "end";
  readonly generations: number;
  /** False where it was stopped before its last generation. */
  readonly finished: boolean;
  readonly stateHash: string;
}

/** Not in the file: the checkpoints that the store holds now, oldest first. */
export interface CheckpointsRecord extends AtTime {
  readonly event: "checkpoints";
  readonly checkpoints: readonly CheckpointFacts[];
}

export interface CheckpointFacts extends CheckpointInfo {
  /** Why it cannot be used; null for one that can be read and whose packs are all there, in their sizes. */
  readonly problem: string | null;
}
