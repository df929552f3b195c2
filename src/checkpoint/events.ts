/** What a person watching the log is told. Sent to `log`, and in part to the listeners of `on()`. */
export type CheckpointEvent =
  | QueuedEvent
  | WaitedEvent
  | DurableEvent
  | CommittedEvent
  | FailedEvent
  | SkippedEvent
  | ReplacedEvent
  | DegradedEvent
  | RecoveredEvent
  | WarningEvent;

interface EventOfSave {
  readonly step: number;
  readonly sequence: number;
}

export interface QueuedEvent extends EventOfSave {
  readonly kind: "queued";
  /** When the snapshot was taken, in ms since 1970. */
  readonly atMs: number;
  readonly transitions: number;
  /** What a full dense save would hold, in bytes. */
  readonly logicalBytes: number;
  readonly blockedMs: number;
}

/**
 * Training has waited for memory outside of `save()`: in `add()`, or in `update` of priorities. Told at the end of a wait;
 * those within a second of it as one more, together.
 */
export interface WaitedEvent {
  readonly kind: "waited";
  /** When the first of them began, and when the last ended, in ms since 1970. */
  readonly waitingAtMs: number;
  readonly atMs: number;
  /** What they took together. */
  readonly blockedMs: number;
  readonly waits: number;
}

export interface DurableEvent extends EventOfSave {
  readonly kind: "durable";
  readonly transitions: number;
  readonly logicalBytes: number;
  /** Bytes written for this checkpoint alone. */
  readonly storedBytes: number;
  /** Bytes in all packs that the checkpoint names. */
  readonly totalStoredBytes: number;
  readonly elapsedMs: number;
  /** When it became durable, by the saver's clock, in ms since 1970: the event may be read later. */
  readonly atMs: number;
  /** When the saver took it up. */
  readonly encodingAtMs: number;
  /** When its first object began to be written; packs that were shipped ahead of it do not count. */
  readonly writingAtMs: number;
}

export interface CommittedEvent extends EventOfSave {
  readonly kind: "committed";
  /** Where it was committed, without credentials. */
  readonly store: string;
  readonly manifest: string;
  /** When it was committed there, by the saver's clock, in ms since 1970. */
  readonly atMs: number;
  /** When its first object began to be sent; null where the store is the only tier, or had it already. */
  readonly sendingAtMs: number | null;
}

export interface FailedEvent extends EventOfSave {
  readonly kind: "failed";
  readonly error: Error;
}

export interface SkippedEvent extends EventOfSave {
  readonly kind: "skipped";
}

export interface ReplacedEvent extends EventOfSave {
  readonly kind: "replaced";
  /** The sequence of the save that took its place. */
  readonly by: number;
}

/**
 * The run's store is given up on for the moment. Told once, however long it lasts. With `local`, saves go on there, and
 * what the store lacks is sent when it is back.
 */
export interface DegradedEvent {
  readonly kind: "degraded";
  /** Without credentials. */
  readonly store: string;
  readonly error: Error;
  /** Durable checkpoints that the store lacks. */
  readonly behind: number;
}

/** The run's store takes checkpoints again. */
export interface RecoveredEvent {
  readonly kind: "recovered";
  readonly store: string;
  /** Durable checkpoints that the store still lacks. */
  readonly behind: number;
  readonly awayMs: number;
}

/** Something went wrong beside a save: a corrupt checkpoint passed over, a prune that failed. */
export interface WarningEvent {
  readonly kind: "warning";
  readonly message: string;
}

/** Work done so far on the save under way. */
export interface ProgressEvent extends EventOfSave {
  readonly rawBytesDone: number;
  readonly rawBytesTotal: number;
  readonly storedBytes: number;
}

/** The listeners that `Checkpointer.on` takes, by name. */
export interface CheckpointerEvents {
  progress: ProgressEvent;
  durable: DurableEvent;
  committed: CommittedEvent;
  failed: FailedEvent;
  degraded: DegradedEvent;
  recovered: RecoveredEvent;
}
