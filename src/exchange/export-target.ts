import type { ExportBatch } from "./export-batches.ts";
import type { ExportPlan } from "./export-plan.ts";

/** A file or folder that an export is being written to. Batches come in order. */
export interface ExportTarget {
  write(batch: ExportBatch): Promise<void>;
  /** Makes durable what was written. @returns what another process needs to go on from here, as JSON values */
  settle(): Promise<unknown>;
  /** Completes the result, durably; nothing is written to it afterwards. */
  finish(): Promise<void>;
  /** Lets go of it, finished or not. */
  close(): Promise<void>;
}

export interface ExportWriter {
  /** @param resume - what `settle` returned to the process that began it; null to begin */
  open(path: string, plan: ExportPlan, resume: unknown): Promise<ExportTarget>;
  /**
   * Whether all that counted as written when `settle` returned is there as it was.
   *
   * Cost: reads all of it.
   */
  isAsSettled(path: string, plan: ExportPlan, resume: unknown, signal?: AbortSignal): Promise<boolean>;
  /** Whether what lies there is this very export, whole: by the identity that it carries. */
  isResultOf(path: string, plan: ExportPlan): Promise<boolean>;
}
