/**
 * Every error that Varve throws or rejects with. Each class has a literal `code`, typed fields, and, where the
 * reader can act, a `hint`. The text says, in this order: what failed, on what, what was expected, what was got.
 */

export interface VarveErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export abstract class VarveError extends Error {
  abstract readonly code: string;
  readonly hint: string | undefined;

  constructor(message: string, options: VarveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** Describes a received value for "got …": its text and its type, shortened, never a whole buffer. */
export function describeGot(value: unknown): string {
  if (ArrayBuffer.isView(value)) {
    const length = (value as { length?: number }).length ?? value.byteLength;
    return `${value.constructor.name}(${length})`;
  }
  if (Array.isArray(value)) return `array(${value.length})`;
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return `${JSON.stringify(value.slice(0, 80))} (string)`;
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "object";
  return `\`${String(value)}\` (${typeof value})`;
}

/** An argument is wrong; nothing was changed. */
export class InvalidArgumentError extends VarveError {
  readonly code = "VARVE_INVALID_ARGUMENT";
  readonly argument: string;

  constructor(argument: string, expected: string, got: unknown, options: VarveErrorOptions = {}) {
    super(`Expected \`${argument}\` to be ${expected}, got ${describeGot(got)}`, options);
    this.argument = argument;
  }
}

/** The fields of a buffer and those of what is to be loaded into it differ. */
export class FieldMismatchError extends VarveError {
  readonly code = "VARVE_FIELD_MISMATCH";
  readonly differences: readonly string[];

  constructor(what: string, differences: readonly string[]) {
    super(`The fields of ${what} differ from the buffer's: ${differences.join("; ")}`, {
      hint: "Declare the buffer with the fields it was saved with.",
    });
    this.differences = differences;
  }
}

/** Fewer transitions are held than were asked for. */
export class NotEnoughDataError extends VarveError {
  readonly code = "VARVE_NOT_ENOUGH_DATA";
  readonly asked: number;
  readonly held: number;

  constructor(asked: number, held: number, hint?: string) {
    super(`Cannot sample ${asked} transitions: the buffer holds ${held}`, { hint });
    this.asked = asked;
    this.held = held;
  }
}

/** A restore into a buffer that already holds transitions. */
export class BufferNotEmptyError extends VarveError {
  readonly code = "VARVE_BUFFER_NOT_EMPTY";

  constructor(name: string, size: number) {
    super(`Cannot restore into buffer "${name}": it holds ${size} transitions`, {
      hint: "Restore into a new buffer, or pass overwrite: true to drop what it holds.",
    });
  }
}

/** `frozen()` was given an array over ordinary memory. */
export class NotSharedError extends VarveError {
  readonly code = "VARVE_NOT_SHARED";

  constructor(got: unknown) {
    super(`Expected an array over a SharedArrayBuffer, got ${describeGot(got)} over ordinary memory`, {
      hint: "Allocate it with allocateShared(dtype, length); an ordinary array would be copied anyway.",
    });
  }
}

/** A value in `state` cannot be saved. */
export class UnsupportedStateError extends VarveError {
  readonly code = "VARVE_UNSUPPORTED_STATE";
  readonly path: string;

  constructor(
    path: string,
    got: unknown,
    why = "plain objects, arrays, JSON values, bigint and typed arrays can be saved",
  ) {
    super(`Cannot save \`${path}\`: got ${describeGot(got)}; ${why}`);
    this.path = path;
  }
}

/** A save was given up so that training need not wait for memory (`onMemoryPressure: "abandon"`). */
export class MemoryPressureError extends VarveError {
  readonly code = "VARVE_MEMORY_PRESSURE";

  constructor(heldBytes: number, maxPinnedBytes: number, what: "replaced blocks" | "copied state" = "replaced blocks") {
    const who = what === "replaced blocks" ? "it pinned" : "saves that were not made yet held";
    super(`The save was abandoned: ${who} ${heldBytes} bytes of ${what}, the limit is ${maxPinnedBytes}`, {
      hint: 'Raise maxPinnedBytes, save less often, or use onMemoryPressure: "wait".',
    });
  }
}

/** A save was not made because one was already under way (`onBacklog: "skip"`). */
export class SaveSkippedError extends VarveError {
  readonly code = "VARVE_SAVE_SKIPPED";
  readonly sequence: number;

  constructor(sequence: number) {
    super(`Save ${sequence} was skipped: an earlier save was still under way`, {
      hint: 'Save less often, or use onBacklog: "coalesce" or "queue".',
    });
    this.sequence = sequence;
  }
}

/** The saver thread ended; the saves that it had under way are not durable. */
export class SaverCrashedError extends VarveError {
  readonly code = "VARVE_SAVER_CRASHED";

  constructor(detail: string, cause?: unknown) {
    super(`The saver thread ended unexpectedly: ${detail}`, {
      cause,
      hint: "Training can go on; the next save starts a new saver.",
    });
  }
}

/** The object was used after `close()`. */
export class ClosedError extends VarveError {
  readonly code = "VARVE_CLOSED";

  constructor(what: string) {
    super(`${what} is closed`);
  }
}

/** A write was asked of something opened with `readOnly: true`. */
export class ReadOnlyError extends VarveError {
  readonly code = "VARVE_READ_ONLY";

  constructor(operation: string, run: string) {
    super(`Cannot ${operation} on ${run}: it was opened read-only`, { hint: "Open it without readOnly." });
  }
}

export type StoreErrorKind =
  | "not-found"
  | "exists"
  | "permission"
  | "no-space"
  | "too-large"
  | "busy"
  | "network"
  | "timeout"
  | "aborted"
  | "io"
  | "unsupported";

const RETRYABLE: ReadonlySet<StoreErrorKind> = new Set(["busy", "network", "timeout", "io"]);

/** A request to a store failed. Only `retryable` says whether a second try can help; the text is for people. */
export class StoreError extends VarveError {
  readonly code = "VARVE_STORE";
  readonly kind: StoreErrorKind;
  readonly operation: string;
  readonly objectName: string;
  readonly retryable: boolean;
  /** The server's own wish (Retry-After): no try before that; 0 where it has none. */
  readonly retryAfterMs: number;
  /** What was to be written, where there was no room for it. */
  readonly neededBytes: number | null;
  /** Of the disk, where there was no room and it told. */
  readonly freeBytes: number | null;
  /** The text without what the other fields say. */
  readonly detail: string;

  constructor(
    kind: StoreErrorKind,
    operation: string,
    objectName: string,
    detail: string,
    options: VarveErrorOptions & {
      readonly retryable?: boolean | undefined;
      readonly retryAfterMs?: number | undefined;
      readonly neededBytes?: number | null | undefined;
      readonly freeBytes?: number | null | undefined;
    } = {},
  ) {
    super(`Store ${operation} of "${objectName}" failed (${kind}): ${detail}`, options);
    this.kind = kind;
    this.operation = operation;
    this.objectName = objectName;
    this.retryable = options.retryable ?? RETRYABLE.has(kind);
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.neededBytes = options.neededBytes ?? null;
    this.freeBytes = options.freeBytes ?? null;
    this.detail = detail;
  }
}

/** Bytes were read that are not what was written. */
export class CorruptError extends VarveError {
  readonly code = "VARVE_CORRUPT";
  readonly objectName: string;

  constructor(objectName: string, detail: string, cause?: unknown) {
    super(`"${objectName}" is corrupt: ${detail}`, {
      cause,
      hint: "varve verify <store> lists what is damaged. Put the object back from a copy, or use an older checkpoint.",
    });
    this.objectName = objectName;
  }
}

/** A file changed while it was uploaded; what was sent of it is not to be seen in the store. */
export class FileChangedError extends VarveError {
  readonly code = "VARVE_FILE_CHANGED";
  readonly path: string;

  constructor(path: string, detail: string) {
    super(`"${path}" changed while it was uploaded: ${detail}`, {
      hint: "Upload it once it is written whole; only a file that grows may be written to. The store keeps what it had.",
    });
    this.path = path;
  }
}

/** Some files of a directory were not moved; the others were. */
export class DirectoryTransferError extends VarveError {
  readonly code = "VARVE_DIRECTORY_TRANSFER";
  /** One for each file: its path below the directory, and why. */
  readonly failures: readonly string[];

  constructor(directory: string, failures: readonly string[], fileCount: number, options: VarveErrorOptions = {}) {
    const shown = failures.slice(0, 5).join("; ");
    const rest = failures.length > 5 ? `; and ${failures.length - 5} more` : "";
    super(`${failures.length} of ${fileCount} files of "${directory}" failed: ${shown}${rest}`, options);
    this.failures = failures;
  }
}

/** A file was written by a newer Varve, or needs a feature that this one lacks. */
export class FormatVersionError extends VarveError {
  readonly code = "VARVE_FORMAT_VERSION";
  readonly objectName: string;

  constructor(objectName: string, detail: string) {
    super(`Cannot read "${objectName}": ${detail}`, { hint: "Use a newer version of varve for this run." });
    this.objectName = objectName;
  }
}

/** Another writer took the run over; this one may not commit or prune any more. */
export class FencedError extends VarveError {
  readonly code = "VARVE_FENCED";
  readonly ownEpoch: number;
  readonly newestEpoch: number;

  constructor(ownEpoch: number, newestEpoch: number, detail = "another writer opened the run") {
    super(`Writer ${ownEpoch} of this run was replaced by writer ${newestEpoch}: ${detail}`, {
      hint: "End one of the two, or give this one a store of its own.",
    });
    this.ownEpoch = ownEpoch;
    this.newestEpoch = newestEpoch;
  }
}

/** Two tiers, or a store and a file, belong to different runs, or the same name holds different content. */
export class RunMismatchError extends VarveError {
  readonly code = "VARVE_RUN_MISMATCH";
}

/** No intact checkpoint answers to the step or sequence that was asked for. */
export class CheckpointNotFoundError extends VarveError {
  readonly code = "VARVE_CHECKPOINT_NOT_FOUND";

  /** @param available - oldest first; of many, the text names those at both ends */
  constructor(asked: string, available: readonly string[]) {
    const isMany = available.length > 8;
    const some = isMany ? [...available.slice(0, 3), "…", ...available.slice(-3)] : available;
    const count = isMany ? ` ${available.length}` : "";
    super(`No checkpoint with ${asked}; there are${count}: ${available.length > 0 ? some.join(", ") : "none"}`, {
      hint: isMany ? "varve list <store> prints them all." : undefined,
    });
  }
}

/** No checkpoint of the run could be read, though there are some. */
export class NoIntactCheckpointError extends VarveError {
  readonly code = "VARVE_NO_INTACT_CHECKPOINT";
  readonly broken: readonly string[];

  constructor(broken: readonly string[], cause?: unknown) {
    super(`None of the ${broken.length} checkpoints is intact: ${broken.join("; ")}`, {
      cause,
      hint: "varve verify <store> lists what is damaged. Nothing was changed.",
    });
    this.broken = broken;
  }
}

/** A prune, or the deletion of a run, would not be safe; nothing was deleted. */
export class PruneRefusedError extends VarveError {
  readonly code = "VARVE_PRUNE_REFUSED";

  constructor(why: string, hint?: string) {
    super(`Nothing was deleted: ${why}`, { hint });
  }
}

/** A configuration is wrong, or differs from the one a run was started with. */
export class ConfigError extends VarveError {
  readonly code = "VARVE_CONFIG";
}

/** Something was waited for longer than allowed. */
export class WaitTimeoutError extends VarveError {
  readonly code = "VARVE_WAIT_TIMEOUT";
}

/** The dashboard could not be served, or has ended by itself; training and its saves are not affected. */
export class DashboardError extends VarveError {
  readonly code = "VARVE_DASHBOARD";
}

/** This version of Node.js cannot run Varve. */
export class NodeVersionError extends VarveError {
  readonly code = "VARVE_NODE_VERSION";
}

/** Narrows anything caught to Varve's own errors, also across two copies of the package. */
export function isVarveError(value: unknown, ...codes: readonly string[]): value is VarveError {
  if (!(value instanceof Error)) return false;
  const code = (value as { code?: unknown }).code;
  if (typeof code !== "string" || !code.startsWith("VARVE_")) return false;
  return codes.length === 0 || codes.includes(code);
}
