import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Random } from "../../../src/base/random.ts";
import { abortOrphanedUploads } from "../../../src/checkpoint/cloud/files/abandoned-uploads.ts";
import type { FileTransfers } from "../../../src/checkpoint/cloud/files/contract.ts";
import { createFileTransfers } from "../../../src/checkpoint/cloud/files/file-transfers.ts";
import { uploadFile } from "../../../src/checkpoint/cloud/files/upload-file.ts";
import {
  findRecord,
  readJournal,
  type UploadRecord,
  type UploadTarget,
  uploadTarget,
} from "../../../src/checkpoint/cloud/files/upload-journal.ts";
import type { FileInfo } from "../../../src/store/file-system.ts";
import { connectFolder } from "../../../src/store/folder/folder-client.ts";
import { nodeFileSystem } from "../../../src/store/node-file-system.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { CrashFileSystem } from "../../../src/testing/crash-file-system.ts";
import { interceptFileSystem } from "../../../src/testing/intercept-file-system.ts";
import { type ClientCall, interceptClient } from "../../checkpoint/cloud/files/intercept-client.ts";
import { assertRefusal, type FuzzTarget, isPartOf, type Verdict } from "../fuzz.ts";
import { chance, hostileFile, hostileString, pick } from "../mutations.ts";
import { scratchFolder } from "../scratch-folder.ts";

const KEY = "project/model.bin";
const PIECE_BYTES = 1000;
const HELD = 3;
const CONTENT = Buffer.from(Array.from({ length: 4500 }, (_, index) => (index * 7) % 251));
const metadata = { sha256: createHash("sha256").update(CONTENT).digest("hex") };
/** Another upload of the same folder, whose file is gone. */
const ORPHAN_KEY = "project/gone.bin";

const SEEN = { modifiedAtMs: 1_700_000_000_000.25, inode: 123_456 };

interface Upload {
  readonly folder: string;
  readonly localPath: string;
  readonly bucket: ObjectClient;
  readonly transfers: FileTransfers;
  readonly target: UploadTarget;
  readonly sound: UploadRecord;
  readonly calls: ClientCall[];
  readonly warnings: string[];
}

/** A process that was just started, beside an upload that an earlier one broke off. Whatever leaves the folder is caught. */
async function brokenOff(): Promise<Upload> {
  const folder = mkdtempSync(join(scratchFolder(), "journal-"));
  const localPath = join(folder, "model.bin");
  writeFileSync(localPath, CONTENT);
  let ids = 0;
  const newId = (): string => (++ids).toString(16).padStart(32, "ab54a98c");
  const bucket = connectFolder("/bucket", { fileSystem: new CrashFileSystem(), newId, pieceBytes: PIECE_BYTES });
  const totalBytes = CONTENT.length;
  const id = await bucket.pieces.begin(KEY, { totalBytes, metadata });
  for (let index = 0; index < HELD; index++) {
    const offset = index * PIECE_BYTES;
    const bytes = CONTENT.subarray(offset, offset + PIECE_BYTES);
    await bucket.pieces.put(KEY, id, { index, offset, bytes, isLast: false }, { totalBytes });
  }
  const [calls, warnings]: [ClientCall[], string[]] = [[], []];
  const client = interceptClient(bucket, (call, proceed) => {
    calls.push(call);
    return proceed();
  });
  const files = interceptFileSystem(nodeFileSystem, async ({ operation, path, to = path }, proceed) => {
    const isFolder = path === folder && /^(readFolder|syncFolder|freeSpace)$/.test(operation);
    const isInside = [path, to].every((each) => dirname(each) === folder);
    if (!isFolder && !isInside) throw new Error(`${operation} of ${path}, outside ${folder}`);
    // An input follows from its number alone: of this disk and this moment it must not tell.
    return operation === "info" ? { ...((await proceed()) as FileInfo), ...SEEN } : proceed();
  });
  const transfers = createFileTransfers(client, { files, warn: (message) => warnings.push(message) });
  const identity = { sizeBytes: totalBytes, ...SEEN };
  const target = uploadTarget(transfers, localPath, KEY);
  const place = { bucket: bucket.url, key: KEY, fileName: basename(localPath) };
  const sound = { ...place, identity, sha256: metadata.sha256, pieceBytes: PIECE_BYTES, id };
  return { folder, localPath, bucket, transfers, target, sound, calls, warnings };
}

const TEXTS = ["bucket", "key", "fileName", "sha256", "id"] as const;

/** Of the right form, and wrong. */
const LIES: readonly Partial<UploadRecord>[] = [
  ...[0, 1, 3000, 4499, 4501, 2 ** 53 - 1].map((sizeBytes) => ({ identity: { sizeBytes, ...SEEN } })),
  ...[1, 999, 1001, 4500, 2 ** 53 - 1].map((pieceBytes) => ({ pieceBytes })),
  ...[{ identity: { sizeBytes: 4500, ...SEEN, inode: 7 } }, { sha256: "0".repeat(64) }, { id: "f".repeat(32) }],
  ...[{ bucket: "gs://elsewhere" }, { key: "elsewhere" }, { key: ".varve-uploads/x" }, { fileName: "other.bin" }],
];

function hostileJournal(record: UploadRecord, random: Random): Uint8Array {
  const sound = { magic: "varve-upload", version: 1, ...record };
  const kind = random.int(10);
  if (kind < 6) return hostileFile(sound, random);
  const lie = kind < 8 ? pick(random, LIES) : { [pick(random, TEXTS)]: hostileString(random) };
  return Buffer.from(JSON.stringify({ ...sound, ...lie }));
}

/** What was read is what the file says, and leads nowhere; what was not is told once, without any of it. */
async function judgeReading(upload: Upload, bytes: Uint8Array): Promise<UploadRecord | null> {
  const { transfers, target, sound, warnings } = upload;
  const record = await readJournal(transfers, target.journalPath);
  const found = await findRecord({ ...transfers, begun: new Map() }, target);
  if (record === null && warnings.length !== 2) throw new Error("it is ignored without a word");
  for (const warning of warnings.splice(0)) {
    if (!warning.includes(target.journalPath)) throw new Error(`the warning does not name the journal: ${warning}`);
    if (warning.includes(sound.id)) throw new Error(`the warning tells the id: ${warning}`);
  }
  if (record === null) return null;
  if (!isPartOf(record, JSON.parse(Buffer.from(bytes).toString("utf8")))) throw new Error("not what the file says");
  if (new URL(record.id, "http://endpoint.test").host !== "endpoint.test") throw new Error("it leads to another host");
  const isOwn = record.bucket === target.bucket && record.key === target.key && record.fileName === target.fileName;
  if (isOwn !== (found !== null)) throw new Error(`${isOwn ? "the own" : "another"} upload`);
  return record;
}

/** Nothing but what the journal says is aborted, and what it says keeps no other upload from its end. */
async function judgeOrphans(upload: Upload, record: UploadRecord | null): Promise<void> {
  const { transfers, bucket, sound, folder, calls } = upload;
  const id = await bucket.pieces.begin(ORPHAN_KEY, { totalBytes: 4500, metadata });
  const orphan = { magic: "varve-upload", version: 1, ...sound, key: ORPHAN_KEY, fileName: "gone.bin", id };
  writeFileSync(join(folder, ".gone.bin.0123456789ab.varve-upload.json"), JSON.stringify(orphan));
  await abortOrphanedUploads(transfers, folder);
  for (const call of calls) {
    const isJournals = record?.bucket === bucket.url && call.key === record.key && call.id === record.id;
    if (call.operation !== "abort" || !(call.id === id || isJournals)) throw new Error(`${call.operation} ${call.key}`);
  }
  const left = await Array.fromAsync(bucket.pieces.open(""));
  if (left.some((open) => open.id === id)) throw new Error("another upload whose file is gone was not aborted");
}

/** The object is the file's content, whatever the journal says, at the latest with the next try. */
async function judgeUpload(
  { transfers, bucket, localPath, calls }: Upload,
  record: UploadRecord | null,
): Promise<void> {
  const send = () => uploadFile(transfers, { localPath, key: KEY });
  try {
    await send();
  } catch (error) {
    // It is told to be of another content: then something was read that the store has not.
    assertRefusal(error, { codes: ["VARVE_FILE_CHANGED"] });
    if (record === null || record.sha256 === metadata.sha256) throw error;
    await send();
  }
  const stored = await bucket.get(KEY);
  if (stored === null || Buffer.compare(stored, CONTENT) !== 0) throw new Error("another content was stored");
  if (calls.some(({ key }) => key !== KEY)) throw new Error("a request to another key");
}

export const journalTarget: FuzzTarget = {
  name: "journal of an upload",
  mostAllocatedBytes: 64 * 1024,
  async attempt(random, input): Promise<Verdict> {
    const upload = await brokenOff();
    try {
      const bytes = hostileJournal(upload.sound, random);
      input(Buffer.from(bytes));
      writeFileSync(upload.target.journalPath, bytes);
      const record = await judgeReading(upload, bytes);
      if (chance(random, 0.5)) rmSync(upload.localPath);
      else await judgeUpload(upload, record);
      writeFileSync(upload.target.journalPath, bytes);
      upload.calls.length = 0;
      await judgeOrphans(upload, record);
      return record === null ? "refused" : "accepted";
    } finally {
      rmSync(upload.folder, { recursive: true });
    }
  },
};
