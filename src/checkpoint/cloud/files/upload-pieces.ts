import { createHash } from "node:crypto";
import { crc32c } from "../../../base/hash.ts";
import { FileChangedError, StoreError, type StoreErrorKind } from "../../../errors.ts";
import { hashFile } from "../../../store/file-content.ts";
import { throwIfAborted } from "../../../store/request.ts";
import type { FileTransfers, UploadedFile, UploadRequest } from "./contract.ts";
import { movedSoFar } from "./moved-bytes.ts";
import { isMaybeLonger, isSameFile, type SourceFile } from "./source-file.ts";
import { isStored } from "./stored-content.ts";
import { abandonUpload } from "./upload-abort.ts";
import {
  dropRecord,
  findRecord,
  saveRecord,
  type UploadRecord,
  type UploadTarget,
  uploadTarget,
} from "./upload-journal.ts";

/** Answers, other than retryable ones, after which going on with the same upload can only fail again. */
const ENDS_UPLOAD: ReadonlySet<StoreErrorKind> = new Set(["not-found", "exists", "too-large", "io", "unsupported"]);

interface PiecesContext {
  readonly transfers: FileTransfers;
  readonly request: UploadRequest;
  readonly source: SourceFile;
  readonly target: UploadTarget;
}

/** An upload at the store, how many pieces it has, and the file as long as it was when that was begun. */
interface OpenedUpload {
  readonly record: UploadRecord;
  readonly held: number;
  readonly source: SourceFile;
}

/** The store has the content. */
interface StoredAlready {
  readonly bytes: number;
  readonly isUnchanged: boolean;
  readonly sha256: string;
}

/**
 * Uploads a large file in pieces:
 *
 *     journal of this file? ── yes ──> held? ── n pieces ──────────────> read all, send from piece n ──> complete
 *         │ no, or of another content    │ unknown                               │
 *         v                              v                                       │ changed: abort, drop the journal
 *     read and hash ────────> stored already? ── no ──> begin, write the journal ┘ broken off: the next call goes on
 *
 * The pieces that the store has are read again too: before the last piece goes out, all that was read must have the
 * checksum of the whole file, which was taken before the first. So a change that leaves size and time as they were is
 * noticed as well, and what is completed is the file as it was at one moment. The same comparison tells a file that
 * only grows from one that is written anew: the former is sent as long as it was when its upload was begun.
 *
 * @returns `isOutgrown` if that was an earlier upload, of less than the file had when this one was asked for
 */
export async function uploadInPieces(
  transfers: FileTransfers,
  request: UploadRequest,
  source: SourceFile,
): Promise<UploadedFile & { readonly isOutgrown: boolean }> {
  const target = uploadTarget(transfers, request.localPath, request.key);
  const context: PiecesContext = { transfers, request, source, target };
  const opened = await openUpload(context);
  const { leastBytes = 0 } = request;
  // A file that is shorter by now has no more to send than that.
  const isOutgrown = (bytes: number): boolean => bytes < Math.min(leastBytes, source.identity.sizeBytes);
  if ("isUnchanged" in opened) return { ...opened, isOutgrown: isOutgrown(opened.bytes) };
  const { record } = opened;
  try {
    await sendPieces(context, opened);
    await completeUpload(context, record);
  } catch (error) {
    if (isOver(error)) await abandonUpload(transfers, target.journalPath, record, request.signal);
    throw isUnknown(error) ? beginsAnew(request.key, error) : error;
  }
  await dropRecord(transfers, target.journalPath, record);
  const { sizeBytes: bytes } = record.identity;
  return { bytes, isUnchanged: false, sha256: record.sha256, isOutgrown: isOutgrown(bytes) };
}

/** Goes on with an upload or begins one, unless the store has the content already. */
async function openUpload(context: PiecesContext): Promise<OpenedUpload | StoredAlready> {
  const { transfers, request, source } = context;
  const { key, signal } = request;
  const resumed = await resumeUpload(context);
  if (resumed !== null) return resumed;
  const hashes = await hashSource(context);
  const { sha256 } = hashes;
  const { sizeBytes } = source.identity;
  if (await isStored(transfers.client, key, { sizeBytes, sha256 }, signal)) {
    return { bytes: sizeBytes, isUnchanged: true, sha256 };
  }
  return { record: await beginUpload(context, hashes), held: 0, source };
}

/** Null if there is nothing to go on with. */
async function resumeUpload(context: PiecesContext): Promise<OpenedUpload | StoredAlready | null> {
  const { transfers, request, source, target } = context;
  const { key, signal } = request;
  const record = await findUsable(context);
  if (record === null) return null;
  const { sizeBytes } = record.identity;
  const opened = { record, source: source.upTo(sizeBytes) };
  const held = await transfers.client.pieces.held(key, record.id, { totalBytes: sizeBytes, signal });
  if (held !== null && held > 0) return { ...opened, held };
  // It may have been completed, and only the answer was lost.
  const isDone = await isStored(transfers.client, key, { sizeBytes, sha256: record.sha256 }, signal);
  if (!isDone && held !== null) return { ...opened, held };
  await dropRecord(transfers, target.journalPath, record);
  return isDone ? { bytes: sizeBytes, isUnchanged: false, sha256: record.sha256 } : null;
}

/** The record of an upload of just this content, or of its beginning; one of another content is aborted. */
async function findUsable(context: PiecesContext): Promise<UploadRecord | null> {
  const { transfers, request, target } = context;
  const record = await findRecord(transfers, target);
  if (record === null) return null;
  const pieceBytes = transfers.client.pieces.pieceBytes(record.identity.sizeBytes);
  if (record.pieceBytes === pieceBytes && (await stillBegins(context, record))) return record;
  await abandonUpload(transfers, target.journalPath, record, request.signal);
  return null;
}

/** Tells whether the file begins as it did, by reading it if it was written to. */
async function stillBegins({ request, source }: PiecesContext, record: UploadRecord): Promise<boolean> {
  const { identity, sha256 } = record;
  if (isSameFile(identity, source.identity)) return true;
  if (!isMaybeLonger(identity, { kind: "file", ...source.identity })) return false;
  const { key, signal, report } = request;
  return (await hashFile(source.file, key, identity.sizeBytes, signal, () => report?.(0))) === sha256;
}

interface SourceHashes {
  readonly sha256: string;
  readonly crc32c: number;
}

async function hashSource({ request, source }: PiecesContext): Promise<SourceHashes> {
  const { key, signal, report } = request;
  let checksum = 0;
  const sha256 = await hashFile(source.file, key, source.identity.sizeBytes, signal, (bytes) => {
    checksum = crc32c(bytes, checksum);
    // Nothing of it is uploaded: the report only says that there is life.
    report?.(0);
  });
  await source.assertInPlace();
  return { sha256, crc32c: checksum };
}

async function beginUpload(
  { transfers, request, source, target }: PiecesContext,
  { sha256, crc32c: checksum }: SourceHashes,
): Promise<UploadRecord> {
  const { key, signal } = request;
  const { pieces } = transfers.client;
  const totalBytes = source.identity.sizeBytes;
  const id = await pieces.begin(key, { totalBytes, metadata: { sha256 }, crc32c: checksum, signal });
  const { bucket, fileName } = target;
  const pieceBytes = pieces.pieceBytes(totalBytes);
  const record: UploadRecord = { bucket, key, fileName, identity: source.identity, sha256, pieceBytes, id };
  await saveRecord(transfers, target, record);
  return record;
}

async function sendPieces(
  { transfers, request }: PiecesContext,
  { record, held, source }: OpenedUpload,
): Promise<void> {
  const { key, signal, report, onMoved } = request;
  const { pieceBytes, id } = record;
  const totalBytes = source.identity.sizeBytes;
  const hash = createHash("sha256");
  // One for all pieces: a request that is answered has no more use for it.
  const memory = Buffer.allocUnsafeSlow(Math.min(pieceBytes, totalBytes));
  for (let index = 0; index * pieceBytes < totalBytes; index++) {
    throwIfAborted(signal, "upload", key);
    const offset = index * pieceBytes;
    const bytes = memory.subarray(0, Math.min(pieceBytes, totalBytes - offset));
    await source.read(bytes, offset);
    await source.assertInPlace();
    hash.update(bytes);
    const isLast = offset + bytes.length === totalBytes;
    // Before the last piece: with some providers the object is seen as soon as that is there.
    if (isLast && hash.digest("hex") !== record.sha256) {
      throw new FileChangedError(source.path, "its content is another than when the upload was begun");
    }
    if (index >= held) {
      await transfers.pace(bytes.length, signal);
      const onSent = movedSoFar(onMoved);
      await transfers.client.pieces.put(key, id, { index, offset, bytes, isLast }, { totalBytes, signal, onSent });
      onSent(bytes.length);
    }
    report?.(offset + bytes.length);
  }
}

async function completeUpload({ transfers, request, target }: PiecesContext, record: UploadRecord): Promise<void> {
  const { key, signal } = request;
  const { client } = transfers;
  const { sha256, id } = record;
  const { sizeBytes } = record.identity;
  try {
    await client.pieces.complete(key, id, { totalBytes: sizeBytes, metadata: { sha256 }, signal });
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind === "aborted") throw error;
    if (await isStored(client, key, { sizeBytes, sha256 }, signal).catch(unlessStoreError)) return;
    // Something in what the store has is wrong, and going on would join the same pieces again.
    if (error.kind === "io") await abandonUpload(transfers, target.journalPath, record, signal);
    throw error;
  }
}

/** The first failure is the one to tell. */
function unlessStoreError(error: unknown): boolean {
  if (error instanceof StoreError) return false;
  throw error;
}

/** Tells whether going on with the same upload can only fail again. */
function isOver(error: unknown): boolean {
  if (error instanceof FileChangedError) return true;
  return error instanceof StoreError && !error.retryable && ENDS_UPLOAD.has(error.kind);
}

function isUnknown(error: unknown): boolean {
  return error instanceof StoreError && error.kind === "not-found";
}

/** Somebody aborted the upload, or it grew too old: the next try can succeed, and finds out if the bucket is gone. */
function beginsAnew(key: string, cause: unknown): StoreError {
  return new StoreError("busy", "upload", key, "the store does not know the upload any more", { cause });
}
