import { isVarveError, StoreError } from "../../../errors.ts";
import type { FileTransfers } from "./contract.ts";
import { dropRecord, type UploadRecord } from "./upload-journal.ts";

/**
 * Aborts an upload that nobody will go on with, and forgets it. Where the store cannot be reached the journal stays,
 * so that the next upload of the file tries again; where it does not allow it, its own rules clean up one day.
 */
export async function abandonUpload(
  transfers: FileTransfers,
  journalPath: string,
  record: UploadRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { key, id, fileName } = record;
  try {
    await transfers.client.pieces.abort(key, id, { signal });
  } catch (error) {
    // Of a key that the store does not take there is no upload: a journal says so that nobody here has written.
    if (!isVarveError(error, "VARVE_STORE", "VARVE_INVALID_ARGUMENT")) throw error;
    transfers.warn(`The unfinished upload of ${fileName} could not be aborted: ${error.message}`);
    if (error instanceof StoreError && (error.retryable || error.kind === "aborted")) return;
  }
  await dropRecord(transfers, journalPath, record);
}
