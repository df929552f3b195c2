import { isVarveError } from "../errors.ts";
import type { CheckpointEvent, CheckpointerStatus } from "../index.ts";
import type { ErrorFacts, RunRecord, StatusRecord } from "./run-record.ts";

/**
 * What a checkpointer tells, as a record.
 *
 * @param nowMs - when it was heard, in ms since 1970: of what happened on the caller's own thread, when it happened
 */
export function recordOfEvent(event: CheckpointEvent, nowMs: number): RunRecord {
  switch (event.kind) {
    case "durable":
    case "committed": {
      const { kind, ...facts } = event;
      return { event: kind, ...facts } as RunRecord;
    }
    case "failed":
    case "degraded": {
      const { kind, error, ...facts } = event;
      return { event: kind, atMs: nowMs, ...facts, error: errorFacts(error) } as RunRecord;
    }
    case "skipped":
    case "replaced":
      return { event: event.kind, atMs: nowMs, step: event.step, sequence: event.sequence };
    default: {
      const { kind, ...facts } = event;
      return { event: kind, atMs: nowMs, ...facts } as RunRecord;
    }
  }
}

/** @param rssBytes - of the whole process */
export function recordOfStatus(status: CheckpointerStatus, rssBytes: number, nowMs: number): StatusRecord {
  const { lastError, ...counts } = status;
  const facts = lastError === null ? null : errorFacts(lastError);
  return { event: "status", atMs: nowMs, status: { ...counts, lastError: facts }, rssBytes };
}

/** What of an error can be sent and shown. */
export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { code: null, message: String(error), hint: null };
  const known = isVarveError(error) ? { code: error.code, hint: error.hint ?? null } : { code: null, hint: null };
  return { ...known, message: error.message };
}
