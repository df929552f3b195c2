export type { Clock } from "./base/clock.ts";
export { createRandom, type Random, type RandomState } from "./base/random.ts";
export type { BufferStats } from "./buffer/buffer-stats.ts";
export type {
  CheckpointReader,
  OpenCheckpointOptions,
  RowBatch,
  RowsOptions,
  SavedBufferInfo,
  SavedColumn,
  SavedFrames,
  SavedTensor,
} from "./checkpoint/checkpoint-reader.ts";
export { Checkpointer } from "./checkpoint/checkpointer.ts";
export { formatUploadStatus, type UploadStatus } from "./checkpoint/cloud/cloud-log.ts";
export type { CloudProvider, CloudSyncOptions } from "./checkpoint/cloud/cloud-options.ts";
export {
  CloudSync,
  type TransferFor,
  type TransferOptions,
  type UploadDirectoryOptions,
  type WaitOptions,
} from "./checkpoint/cloud/cloud-sync.ts";
export type {
  CloudEvent,
  CloudFailedEvent,
  CloudFinishedEvent,
  CloudMovedEvent,
  CloudQueuedEvent,
  CloudRetryEvent,
  CloudSavedEvent,
  CloudUnsentEvent,
  CloudWaitingEvent,
  CloudWarningEvent,
} from "./checkpoint/cloud/events.ts";
export type { TransferResult } from "./checkpoint/cloud/messages.ts";
export type { CloudTransferPhase, ForegroundTransfer, Transfer, UploadsResult } from "./checkpoint/cloud/transfer.ts";
export type {
  BufferContents,
  CheckpointContents,
  ColumnContents,
  DescribeOptions,
  LogContents,
  StateContents,
  StateTensor,
  StateValue,
  StoredBytes,
} from "./checkpoint/describe.ts";
export type {
  CheckpointEvent,
  CheckpointerEvents,
  CommittedEvent,
  DegradedEvent,
  DurableEvent,
  FailedEvent,
  ProgressEvent,
  QueuedEvent,
  RecoveredEvent,
  ReplacedEvent,
  SkippedEvent,
  WaitedEvent,
  WarningEvent,
} from "./checkpoint/events.ts";
export type {
  PruneReport,
  TierProblem,
  VerifiedCheckpoint,
  VerifiedTier,
  VerifyReport,
} from "./checkpoint/messages.ts";
export type {
  AnyBuffer,
  BacklogPolicy,
  CheckpointerOptions,
  CheckpointerStatus,
  CheckpointInfo,
  DamageInStore,
  MemoryPolicy,
  PruneOptions,
  RequestCounts,
  Restored,
  RestoreOptions,
  RestoreProgress,
  Save,
  SavePhase,
  SaveRequest,
  SaveResult,
  StateTree,
  SyncOptions,
  SyncProgress,
  SyncReport,
  UploadJob,
  UploadProgress,
  WaitResult,
} from "./checkpoint/options.ts";
export { ReplayBuffer, type ReplayBufferOptions } from "./checkpoint/replay-buffer.ts";
export { allocateShared, frozen } from "./checkpoint/shared-arrays.ts";
export { stateHash } from "./checkpoint/state-hash.ts";
export { type CopyReport, type CopyRunOptions, copyRun } from "./checkpoint/whole-runs/copy-run.ts";
export { type DeleteReport, type DeleteRunOptions, deleteRun } from "./checkpoint/whole-runs/delete-run.ts";
export {
  BufferNotEmptyError,
  CheckpointNotFoundError,
  ClosedError,
  ConfigError,
  CorruptError,
  DashboardError,
  DirectoryTransferError,
  FencedError,
  FieldMismatchError,
  FileChangedError,
  FormatVersionError,
  InvalidArgumentError,
  isVarveError,
  MemoryPressureError,
  NodeVersionError,
  NoIntactCheckpointError,
  NotEnoughDataError,
  NotSharedError,
  PruneRefusedError,
  ReadOnlyError,
  RunMismatchError,
  SaverCrashedError,
  SaveSkippedError,
  StoreError,
  type StoreErrorKind,
  UnsupportedStateError,
  VarveError,
  type VarveErrorOptions,
  WaitTimeoutError,
} from "./errors.ts";
export type { ArrayOf, DType, TypedArray } from "./schema/dtype.ts";
export type { FieldSpec, FieldsDeclaration } from "./schema/fields.ts";
export type { BatchOf, TransitionBatchOf, TransitionOf } from "./schema/transition-types.ts";
export { type DoctorCheck, type DoctorOptions, type DoctorReport, diagnoseStore } from "./store/doctor.ts";
export type { DoctorMeasurements } from "./store/doctor-check.ts";
export { openStore } from "./store/open-store.ts";
export type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  PutOptions,
  RequestOptions,
  Store,
  StoreLocation,
  StoreTraits,
} from "./store/store.ts";
export type { RetryPolicy } from "./transfer/retry.ts";
