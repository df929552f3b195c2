import { dirname, join, resolve } from "node:path";
import { fileErrorCode, orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileTransfers } from "./contract.ts";
import { walkFolder } from "./folder-walk.ts";
import { isMaybeLonger, isSameFile } from "./source-file.ts";
import { abandonUpload } from "./upload-abort.ts";
import { isJournalName, readJournal, type UploadRecord } from "./upload-journal.ts";

/** As long as a session of GCS lives: who has not gone on by then does not go on. */
const DEFAULT_AGE_MS: number = 7 * 24 * 60 * 60 * 1000;

/**
 * Aborts uploads below a prefix that were begun longer ago than a week, or than is asked for, whoever began them; not
 * those of this process. What the provider does not date is left alone, and GCS lists none: there they end by themselves.
 *
 * @returns how many were aborted
 */
export async function abortAbandonedUploads(
  { client, clock, begun }: FileTransfers,
  prefix: string,
  options: { readonly olderThanMs?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const { olderThanMs = DEFAULT_AGE_MS, signal } = options;
  const own = new Set([...begun.values()].map(({ id }) => id));
  let aborted = 0;
  for await (const { key, id, startedAtMs } of client.pieces.open(prefix, { signal })) {
    if (startedAtMs === null || clock.now() - startedAtMs <= olderThanMs || own.has(id)) continue;
    await client.pieces.abort(key, id, { signal });
    aborted++;
  }
  return aborted;
}

/**
 * Aborts the uploads to this bucket whose journal lies in a folder while their file is gone or changed. One that may
 * only have grown is left to its own next upload, which reads it. Folders below are not entered: uploads look into those
 * of their own files.
 *
 * @returns how many journals were settled
 */
export async function abortOrphanedUploads(
  transfers: FileTransfers,
  folder: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  let aborted = 0;
  const entries = walkFolder(transfers.files, folder, { enters: () => false, onUnreadable: () => {}, signal });
  for await (const { name, kind } of entries) {
    const journalPath = resolve(folder, name);
    if (kind !== "file" || !isJournalName(name) || transfers.begun.has(journalPath)) continue;
    const record = await readJournal(transfers, journalPath);
    if (record?.bucket !== transfers.client.url || !(await isOrphaned(transfers, journalPath, record))) continue;
    await abandonUpload(transfers, journalPath, record, signal);
    aborted++;
  }
  return aborted;
}

async function isOrphaned({ files }: FileTransfers, journalPath: string, record: UploadRecord): Promise<boolean> {
  const path = join(dirname(journalPath), record.fileName);
  try {
    const info = await orNull(files.info(path));
    return info === null || !(isSameFile(record.identity, info) || isMaybeLonger(record.identity, info));
  } catch (error) {
    // No file has such a name.
    if (fileErrorCode(error) === "ENAMETOOLONG") return true;
    throw translateFileError(error, "list", journalPath, `looking at ${path}`);
  }
}
