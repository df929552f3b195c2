import { sha256Hex } from "../../../base/hash.ts";
import { FileChangedError } from "../../../errors.ts";
import { translateFileError } from "../../../store/file-errors.ts";
import { assertObjectKey } from "../../../store/folder/object-key.ts";
import { throwIfAborted } from "../../../store/request.ts";
import type { FileTransfers, UploadedFile, UploadRequest } from "./contract.ts";
import { movedSoFar } from "./moved-bytes.ts";
import { type SourceFile, withSourceFile } from "./source-file.ts";
import { isStored } from "./stored-content.ts";
import { abandonUpload } from "./upload-abort.ts";
import { findRecord, uploadTarget } from "./upload-journal.ts";
import { uploadInPieces } from "./upload-pieces.ts";

/** More goes in pieces: an upload in pieces is read and hashed twice, and costs four requests and a journal more. */
const MAX_WHOLE_PIECES = 2;

/** At a time, of a file that is read a second time. */
const COMPARED_BYTES = 1024 * 1024;

/** A small file may be written over while it is read: it is read so often, hoping for a moment of rest. */
const MAX_READS = 3;

/**
 * Uploads a file: whole in one request up to the size of two pieces, in pieces above. One try; the next call goes on
 * where the store stopped, also in another process, by a journal beside the file.
 *
 * A file that grows meanwhile, such as a log, goes up as long as it was at the beginning; what was appended is for the
 * next call, which finds another content than the store has.
 *
 * @throws FileChangedError if what is sent of it changed meanwhile: nothing of it is to be seen in the store, and the
 *   next call begins anew. StoreError: `not-found` if there is no such file, otherwise as the store or the disk has it.
 * Cost: reads the file twice, and once if it is small and at rest; holds two pieces in memory at most. One request tells
 *   whether the store has it already.
 */
export async function uploadFile(transfers: FileTransfers, request: UploadRequest): Promise<UploadedFile> {
  const { localPath, key, signal } = request;
  assertObjectKey("key", key);
  throwIfAborted(signal, "upload", key);
  try {
    for (let reads = 1; ; reads++) {
      const uploaded = await withSourceFile(transfers.files, request.readFrom ?? localPath, (source) =>
        uploadOpened(transfers, request, source, reads >= MAX_READS),
      );
      if (uploaded !== null && !uploaded.isOutgrown) return withoutNote(uploaded);
    }
  } catch (error) {
    throw translateFileError(error, "upload", key, `reading ${localPath}`);
  }
}

function withoutNote({ bytes, isUnchanged, sha256 }: UploadedFile): UploadedFile {
  return { bytes, isUnchanged, sha256 };
}

/** Null if a small file changed while it was read: another read may find it at rest. */
async function uploadOpened(
  transfers: FileTransfers,
  request: UploadRequest,
  source: SourceFile,
  isLastRead: boolean,
): Promise<(UploadedFile & { readonly isOutgrown?: boolean }) | null> {
  const { sizeBytes } = source.identity;
  const maxWholeBytes = MAX_WHOLE_PIECES * transfers.client.pieces.pieceBytes(sizeBytes);
  if (sizeBytes > maxWholeBytes) return uploadInPieces(transfers, request, source);
  const bytes = transfers.memory.take(sizeBytes);
  let isRead = false;
  try {
    await readWhole(source, bytes);
    isRead = true;
    const uploaded = await uploadWhole(transfers, request, bytes);
    transfers.memory.giveBack(bytes);
    return uploaded;
  } catch (error) {
    transfers.memory.drop();
    if (isRead || isLastRead || !(error instanceof FileChangedError)) throw error;
    return null;
  }
}

async function readWhole(source: SourceFile, bytes: Uint8Array): Promise<void> {
  await source.read(bytes, 0);
  if (await source.assertInPlace()) return;
  // Somebody writes to it. What two readings have in common was its content in between.
  const again = Buffer.allocUnsafeSlow(Math.min(bytes.length, COMPARED_BYTES));
  for (let offset = 0; offset < bytes.length; offset += again.length) {
    const part = again.subarray(0, Math.min(again.length, bytes.length - offset));
    await source.read(part, offset);
    if (!part.equals(bytes.subarray(offset, offset + part.length)))
      throw new FileChangedError(source.path, "it was written to while it was read");
  }
}

async function uploadWhole(
  transfers: FileTransfers,
  { localPath, key, signal, report, onMoved }: UploadRequest,
  bytes: Uint8Array,
): Promise<UploadedFile> {
  const { client } = transfers;
  const target = uploadTarget(transfers, localPath, key);
  const record = await findRecord(transfers, target);
  // The file was larger when that was begun.
  if (record !== null) await abandonUpload(transfers, target.journalPath, record, signal);
  const content = { sizeBytes: bytes.length, sha256: sha256Hex(bytes) };
  const uploaded = { bytes: bytes.length, sha256: content.sha256 };
  if (await isStored(client, key, content, signal)) {
    // An earlier try may have sent it, and lost the answer.
    const wasSent = transfers.sent.get(target.journalPath) === content.sha256;
    transfers.sent.delete(target.journalPath);
    return { ...uploaded, isUnchanged: !wasSent };
  }
  await transfers.pace(bytes.length, signal);
  transfers.sent.set(target.journalPath, content.sha256);
  const { sha256 } = content;
  const onSent = movedSoFar(onMoved);
  await client.put(key, bytes, { metadata: { sha256 }, sha256, signal, onSent });
  onSent(bytes.length);
  transfers.sent.delete(target.journalPath);
  report?.(uploaded.bytes);
  return { ...uploaded, isUnchanged: false };
}
