import { CorruptError, InvalidArgumentError, isVarveError } from "../errors.ts";
import type { FieldsDeclaration } from "../schema/fields.ts";
import { BufferAttachments } from "./buffer-attachments.ts";
import type { SaverCall, SelectedBuffer } from "./messages.ts";
import type { ReplayBuffer, ReplayBufferOptions } from "./replay-buffer.ts";
import { SaverLink } from "./saver-link.ts";
import { SharedStatus } from "./shared-status.ts";

// oxlint-disable-next-line no-explicit-any -- a buffer of any fields
type AnyReplayBuffer = ReplayBuffer<any>;

const MAX_PINNED_BYTES = 256 * 1024 * 1024;

/** Saves one buffer to one file, in a saver thread of its own. */
export async function saveBufferFile(buffer: AnyReplayBuffer, path: string): Promise<{ readonly bytes: number }> {
  assertPath(path);
  const link = startFileSaver();
  const attachments = new BufferAttachments({
    post: (message) => link.post(message),
    maxPinnedBytes: MAX_PINNED_BYTES,
    wait: (isDone) => link.waitUntil(isDone),
    canWaitForSaves: true,
    isRunning: () => link.isRunning,
    onPressure: () => undefined,
  });
  try {
    const snapshot = { name: "default", ...attachments.snapshot(buffer) };
    return await link.call({ method: "saveFile", path, buffer: snapshot });
  } finally {
    attachments.detachAll();
    await link.close();
  }
}

/** Reads a file in a saver thread of its own, straight into the blocks of a new buffer. */
export async function loadBufferFile(
  path: string,
  create: (options: ReplayBufferOptions<FieldsDeclaration>) => AnyReplayBuffer,
): Promise<AnyReplayBuffer> {
  assertPath(path);
  const link = startFileSaver();
  try {
    return await readBufferFile(path, (call) => link.call(call), create);
  } finally {
    await link.close();
  }
}

/**
 * What `loadBufferFile` does with a saver.
 *
 * @param ask - calls a saver of files, in whatever thread it is
 */
export async function readBufferFile(
  path: string,
  ask: <T>(call: SaverCall) => Promise<T>,
  create: (options: ReplayBufferOptions<FieldsDeclaration>) => AnyReplayBuffer,
): Promise<AnyReplayBuffer> {
  const opened = await ask<SelectedBuffer>({ method: "openFile", path });
  const buffer = believing(path, () =>
    create({
      capacity: opened.capacity,
      fields: opened.fields as FieldsDeclaration,
      ...(opened.prioritized === null ? {} : { prioritized: opened.prioritized }),
    }),
  );
  const layouts = buffer.describe().logs;
  const targets = believing(path, () => buffer.beginRestore(opened.bounds));
  const fill = { method: "fill", manifest: path, buffer: "default", targets, layouts, checkOnly: false } as const;
  const leaves = await ask<Float64Array | null>(fill);
  believing(path, () => buffer.finishRestore(opened.meta, leaves));
  return buffer;
}

/** What a file says about its buffer is not the caller's argument: where it cannot be, the file is wrong. */
function believing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    // RangeError: of the memory that a buffer of such a capacity needs.
    const isTheFiles = isVarveError(error, "VARVE_INVALID_ARGUMENT", "VARVE_CORRUPT") || error instanceof RangeError;
    if (!isTheFiles) throw error;
    throw new CorruptError(path, error.message, error);
  }
}

function startFileSaver(): SaverLink {
  return new SaverLink(
    {
      store: null,
      local: null,
      readOnly: false,
      onBacklog: "queue",
      concurrency: 1,
      maxUploadBytesPerSecond: null,
      maxPinnedBytes: MAX_PINNED_BYTES,
      retention: { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 },
      writer: null,
    },
    new SharedStatus(),
    [],
    { onMessage: () => undefined, isAwaited: () => false, canWaitForSaves: true, onCrash: () => undefined },
  );
}

function assertPath(path: string): void {
  if (typeof path !== "string" || path === "") throw new InvalidArgumentError("path", "a file's path", path);
}
