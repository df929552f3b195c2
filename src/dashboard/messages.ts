import type { StoreLocation } from "../index.ts";
import type { ErrorFacts, RunRecord } from "../record/run-record.ts";

/** A run as the dashboard's thread looks at it. */
export interface RunSource {
  readonly name: string;
  /** Shown; without credentials. */
  readonly storeUrl: string;
  /** Whose checkpoints are listed; null where that is not possible, or would cost requests while the run trains. */
  readonly store: StoreLocation | null;
  readonly local: string | null;
  /** `store` is the folder before the run's own store, and need not hold what others than this machine wrote. */
  readonly isCache: boolean;
  /** `metrics.jsonl` of the run; null where it has no folder on local disk. */
  readonly recordFile: string | null;
  /** Its records are posted as they come; the file is read up to here only, in bytes. Null where it is not live. */
  readonly liveFrom: number | null;
}

/** What the thread is started with. */
export interface DashboardStart {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly runs: readonly RunSource[];
  /** i32[1], shared: how many records the thread has taken. */
  readonly taken: Int32Array;
}

export type ToDashboard =
  /** Of the run that is live. */
  { readonly type: "record"; readonly record: RunRecord } | { readonly type: "close" };

export type FromDashboard =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "failed"; readonly errno: string | null; readonly message: string }
  /** Nobody is served any more. */
  | { readonly type: "closed" };

/** `GET /api/runs`. */
export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly store: string;
  readonly isLive: boolean;
  /** False where its store is not asked for its checkpoints: it trains here, and has no folder on this machine. */
  readonly isListed: boolean;
  /** Why its checkpoints, or its log, cannot be read; tried again. */
  readonly error: ErrorFacts | null;
}
