import type { DoctorSubject } from "./doctor-subject.ts";

/** Which right a check needs, to name it where it is refused. */
export type DoctorRight = "create" | "replace" | "read" | "list" | "delete" | "pieces";

/** What a check found out, in a plain sentence; `hint` says what to do. */
export interface DoctorFinding {
  readonly outcome: "ok" | "failed" | "skipped";
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly measured?: Partial<DoctorMeasurements> | undefined;
}

/** What was measured; null where it could not be. */
export interface DoctorMeasurements {
  /** How far the store's clock is ahead of ours, as exactly as the store tells times. */
  readonly clockAheadMs: number | null;
  /** Medians of objects of 1 KiB. */
  readonly putMs: number | null;
  readonly getMs: number | null;
  readonly uploadBytesPerSecond: number | null;
  readonly downloadBytesPerSecond: number | null;
}

/** One thing that is tried on a store. */
export interface PlannedCheck {
  readonly name: string;
  /** Names of checks without which this one says nothing. */
  readonly needs: readonly string[];
  readonly right: DoctorRight;
  readonly run: (subject: DoctorSubject) => Promise<DoctorFinding>;
}

export function ok(detail: string, more: Partial<DoctorFinding> = {}): DoctorFinding {
  return { outcome: "ok", detail, ...more };
}

export function failed(detail: string, hint?: string): DoctorFinding {
  return { outcome: "failed", detail, hint };
}

export function skipped(detail: string): DoctorFinding {
  return { outcome: "skipped", detail };
}

export function isSame(got: Uint8Array | null, expected: Uint8Array): boolean {
  return got !== null && Buffer.compare(got, expected) === 0;
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
