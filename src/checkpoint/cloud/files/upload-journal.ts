import { createHash } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { parseStrictJson } from "../../../base/strict-json.ts";
import { readRange, writeWhole } from "../../../store/file-content.ts";
import { fileErrorCode, ignoreFileError, orNull } from "../../../store/file-errors.ts";
import { isObjectKey } from "../../../store/folder/object-key.ts";
import type { FileTransfers } from "./contract.ts";
import type { FileIdentity } from "./source-file.ts";

const SHA256 = /^[0-9a-f]{64}$/;

/** What is needed to go on with an upload, in this process or another. */
export interface UploadRecord {
  readonly bucket: string;
  readonly key: string;
  /** The file's name in its folder. */
  readonly fileName: string;
  readonly identity: FileIdentity;
  /** Of the whole file, in hexadecimal, as it was when the upload was begun. */
  readonly sha256: string;
  readonly pieceBytes: number;
  /** The provider's; of GCS a URL that lets anyone write. */
  readonly id: string;
}

/**
 * GCS's ids are URLs below its endpoint. One that names a host of its own, or is read so by a URL parser, would send the
 * file to whoever wrote the journal.
 */
const LOCAL_ID = /^(?!\/\/|[a-z][a-z0-9+.-]*:)[!-[\]-~]+$/i;

/** One name in the journal's own folder: what lies elsewhere is not even looked at on its word. */
function isFileName(name: string): boolean {
  return basename(name) === name && !["", ".", ".."].includes(name) && !name.includes("\0");
}

const journalForm = z.strictObject({
  magic: z.literal("varve-upload"),
  version: z.literal(1),
  bucket: z.string().min(1),
  key: z.string().refine(isObjectKey),
  fileName: z.string().refine(isFileName),
  identity: z.strictObject({ sizeBytes: z.int().nonnegative(), modifiedAtMs: z.number(), inode: z.number() }),
  sha256: z.string().regex(SHA256),
  pieceBytes: z.int().positive(),
  id: z.string().max(8192).regex(LOCAL_ID),
});

/** What is sent where. */
export interface UploadTarget {
  readonly bucket: string;
  readonly key: string;
  readonly fileName: string;
  readonly folder: string;
  /** Beside the file; another key or bucket has another one. */
  readonly journalPath: string;
}

const JOURNAL_SUFFIX = ".varve-upload.json";
/** A journal is some hundred bytes and a URL. */
const MAX_JOURNAL_BYTES: number = 64 * 1024;
/** So many characters of a file's name are at most 240 bytes: with the rest the journal's name is one all systems take. */
const SHOWN_NAME_LENGTH = 60;

export function isJournalName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(JOURNAL_SUFFIX);
}

export function uploadTarget({ client }: FileTransfers, localPath: string, key: string): UploadTarget {
  const path = resolve(localPath);
  const fileName = basename(path);
  const identity = JSON.stringify([client.url, key, fileName]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 12);
  const name = `.${fileName.slice(0, SHOWN_NAME_LENGTH)}.${digest}${JOURNAL_SUFFIX}`;
  return { bucket: client.url, key, fileName, folder: dirname(path), journalPath: join(dirname(path), name) };
}

/** What is known of an upload of this file to this place. What does not belong here is not followed, and told. */
export async function findRecord(transfers: FileTransfers, target: UploadTarget): Promise<UploadRecord | null> {
  const known = transfers.begun.get(target.journalPath);
  if (known !== undefined) return known;
  const record = await readJournal(transfers, target.journalPath);
  if (record === null) return null;
  const { bucket, key, fileName } = target;
  if (record.bucket === bucket && record.key === key && record.fileName === fileName) {
    transfers.begun.set(target.journalPath, record);
    return record;
  }
  transfers.warn(`${target.journalPath} is the journal of another upload: it is ignored, and ${fileName} sent anew`);
  return null;
}

/** Null where there is none, or it cannot be understood; the latter is told. */
export async function readJournal({ files, warn }: FileTransfers, path: string): Promise<UploadRecord | null> {
  try {
    const file = await orNull(files.open(path));
    if (file === null) return null;
    try {
      const { sizeBytes } = await file.info();
      if (sizeBytes > MAX_JOURNAL_BYTES) throw new Error(`it has ${sizeBytes} bytes`);
      const bytes = await readRange(file, path, undefined, undefined);
      if (bytes === null) throw new Error("it is not a file");
      const { magic: _magic, version: _version, ...record } = journalForm.parse(parseStrictJson(bytes, 4));
      return record;
    } finally {
      await file.close();
    }
  } catch (error) {
    warn(`${path} cannot be read as the journal of an upload and is ignored: ${reason(error)}`);
    return null;
  }
}

/** Never the content: a piece of the journal in a message could be the secret part. */
function reason(error: unknown): string {
  if (error instanceof z.ZodError) return `wrong ${error.issues[0]?.path.join(".") || "fields"}`;
  if (error instanceof SyntaxError) return "it is no JSON";
  return fileErrorCode(error) ?? (error as Error).message;
}

/**
 * Remembers an upload that was begun. The journal is private, whole or absent, and durable; where the folder takes
 * none, only this process can go on with the upload.
 */
export async function saveRecord(transfers: FileTransfers, target: UploadTarget, record: UploadRecord): Promise<void> {
  const { begun, files, temporaryNames, warn } = transfers;
  begun.set(target.journalPath, record);
  const text = JSON.stringify({ magic: "varve-upload", version: 1, ...record });
  const temporary = join(target.folder, temporaryNames.next());
  try {
    await writeWhole(files, temporary, target.journalPath, [Buffer.from(text)], undefined, { isPrivate: true });
    await files.rename(temporary, target.journalPath);
    await files.syncFolder(target.folder);
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === undefined) throw error;
    await ignoreFileError(files.unlink(temporary));
    warn(`${target.folder} takes no journal (${code}): after a restart the upload of ${target.fileName} begins anew`);
  }
}

/** Forgets an upload that is over. A journal that stays is found out: the store does not know its upload any more. */
export async function dropRecord(
  { begun, files }: FileTransfers,
  journalPath: string,
  { id }: Pick<UploadRecord, "id">,
): Promise<void> {
  const known = begun.get(journalPath);
  // The journal is that of a newer upload, begun while this one was being given up.
  if (known !== undefined && known.id !== id) return;
  begun.delete(journalPath);
  await ignoreFileError(files.unlink(journalPath));
}
