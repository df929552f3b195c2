/** One save, as both harnesses report it. */
export interface SaveFigures {
  /** How long the training thread could do nothing else. */
  readonly blockedMs: number;
  /** Until the program says that it has saved. */
  readonly completeMs: number;
  /** Until that is on disk; for programs that leave this to the system, with an fsync that the harness adds. */
  readonly durableMs: number;
  readonly extraRssBytes: number;
  /** Bytes in files that are new or have changed. */
  readonly writtenBytes: number;
}

export interface Measured {
  readonly version: string;
  readonly syncs: boolean;
  readonly first: SaveFigures;
  readonly second: SaveFigures;
}

export interface Restored {
  readonly restoreMs: number;
  /** Rows of the first save that came back other than they were when save() was called. */
  readonly tornRows: number;
}
