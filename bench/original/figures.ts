/** What python_original.py and varve-process.ts report of one save under way beside a trainer. */
export interface OriginalFigures {
  readonly version: string;
  /** Generations with no save, in seconds. */
  readonly withoutS: readonly number[];
  /** Generations from the call on until the save has ended. */
  readonly generationsS: readonly number[];
  readonly blockedMs: number;
  readonly extraRssBytes: number;
  readonly writtenBytes: number;
  readonly failure?: string | null;
  readonly restoreMs?: number;
  readonly restoreFailure?: string;
  /** Rows that are not those of the moment of the call. */
  readonly tornRows?: number;
  /** Those of them that mix two transitions. */
  readonly mixedRows?: number;
}
