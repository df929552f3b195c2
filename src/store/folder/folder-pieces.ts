import { createHash } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import type { IdSource } from "../../base/ids.ts";
import { StoreError } from "../../errors.ts";
import type { LocalStore } from "../local.ts";
import type { ObjectMetadata, OpenUpload, Piece, PieceUploads } from "../object-client.ts";
import type { RequestOptions } from "../store.ts";
import { KEY_NAMES } from "./object-key.ts";

const uploadRecord = z.strictObject({
  key: z.string(),
  totalBytes: z.int().nonnegative(),
  pieceBytes: z.int().positive(),
  sha256: z.string(),
  startedAtMs: z.number(),
});
type UploadRecord = z.infer<typeof uploadRecord>;

export interface FolderPiecesOptions {
  readonly objects: LocalStore;
  /** Where the pieces of uploads under way lie. */
  readonly uploads: LocalStore;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly pieceBytes: number;
}

const ID = /^[0-9a-f]{32}$/;
const RECORD = /^([0-9a-f]{32})\.json$/;

/**
 * Uploads in pieces into a folder: every piece is a file of its own, whole and durable, until `complete` joins them.
 *
 *     .varve-uploads/<id>.json             what it will be
 *     .varve-uploads/<id>.000000.piece     one for each piece
 *
 * Joining copies: for a moment the disk holds the file twice.
 */
export class FolderPieces implements PieceUploads {
  readonly #options: FolderPiecesOptions;

  constructor(options: FolderPiecesOptions) {
    this.#options = options;
  }

  pieceBytes(): number {
    return this.#options.pieceBytes;
  }

  async begin(
    key: string,
    { totalBytes, metadata, signal }: RequestOptions & { totalBytes: number; metadata: ObjectMetadata },
  ): Promise<string> {
    KEY_NAMES.assertName(key);
    const { objects, uploads, clock, newId, pieceBytes } = this.#options;
    // Makes the folder itself first, or refuses one that is a link.
    await objects.openForWriting();
    const id = newId();
    const record: UploadRecord = { key, totalBytes, pieceBytes, sha256: metadata.sha256, startedAtMs: clock.now() };
    await uploads.put(`${id}.json`, Buffer.from(JSON.stringify(record)), { ifAbsent: true, signal });
    return id;
  }

  async held(
    key: string,
    id: string,
    { totalBytes, signal }: RequestOptions & { totalBytes: number },
  ): Promise<number | null> {
    const record = await this.#find(key, id, signal);
    return record?.totalBytes === totalBytes ? this.#count(id, record, signal) : null;
  }

  async put(key: string, id: string, piece: Piece, { signal }: RequestOptions): Promise<void> {
    const { index, offset, bytes, isLast } = piece;
    const record = await this.#get("upload piece", key, id, signal);
    const isRight = offset === index * record.pieceBytes && bytes.length === sizeOfPiece(record, index);
    if (!isRight || isLast !== (offset + bytes.length === record.totalBytes)) {
      const detail = `piece ${index} with ${bytes.length} bytes at ${offset} has no place in ${record.totalBytes} bytes`;
      throw new StoreError("unsupported", "upload piece", key, detail);
    }
    await this.#options.uploads.put(pieceName(id, index), bytes, { signal });
  }

  async complete(
    key: string,
    id: string,
    { metadata, signal }: RequestOptions & { totalBytes: number; metadata: ObjectMetadata },
  ): Promise<void> {
    const record = await this.#get("complete upload", key, id, signal);
    const pieces = Math.ceil(record.totalBytes / record.pieceBytes);
    const held = await this.#count(id, record, signal);
    if (held < pieces) {
      throw new StoreError("unsupported", "complete upload", key, `${held} of ${pieces} pieces are there`);
    }
    const parts = this.#join(id, record, metadata, signal);
    await this.#options.objects.putParts(key, parts, record.totalBytes, { signal });
    await this.#remove(id, signal);
  }

  async abort(key: string, id: string, { signal }: RequestOptions = {}): Promise<void> {
    if ((await this.#find(key, id, signal)) !== null) await this.#remove(id, signal);
  }

  async *open(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<OpenUpload> {
    for await (const { name } of this.#options.uploads.list("", { signal })) {
      const id = RECORD.exec(name)?.[1];
      const record = id === undefined ? null : await this.#read(id, signal);
      if (id === undefined || record === null || !record.key.startsWith(prefix)) continue;
      yield { key: record.key, id, startedAtMs: record.startedAtMs };
    }
  }

  async *#join(
    id: string,
    { key, sha256, totalBytes, pieceBytes }: UploadRecord,
    metadata: ObjectMetadata,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    for (let index = 0; index * pieceBytes < totalBytes; index++) {
      const bytes = await this.#options.uploads.get(pieceName(id, index), { signal });
      if (bytes === null) throw new StoreError("busy", "complete upload", key, `piece ${index} went away`);
      hash.update(bytes);
      yield bytes;
    }
    const found = hash.digest("hex");
    if (found === sha256 && found === metadata.sha256) return;
    throw new StoreError("io", "complete upload", key, "its content has another SHA-256 than its metadata says");
  }

  /** How many pieces are whole, without a gap from the first. */
  async #count(id: string, record: UploadRecord, signal: AbortSignal | undefined): Promise<number> {
    let count = 0;
    // Names of pieces sort as their numbers do.
    for await (const { name, sizeBytes } of this.#options.uploads.list(`${id}.`, { signal })) {
      if (name === pieceName(id, count) && sizeBytes === sizeOfPiece(record, count)) count++;
    }
    return count;
  }

  async #get(operation: string, key: string, id: string, signal: AbortSignal | undefined): Promise<UploadRecord> {
    const record = await this.#find(key, id, signal);
    if (record !== null) return record;
    throw new StoreError("not-found", operation, key, "the upload was completed, aborted or never begun");
  }

  /** Null for an upload that is not there, or is one to another key. */
  async #find(key: string, id: string, signal: AbortSignal | undefined): Promise<UploadRecord | null> {
    KEY_NAMES.assertName(key);
    const record = ID.test(id) ? await this.#read(id, signal) : null;
    return record?.key === key ? record : null;
  }

  async #read(id: string, signal: AbortSignal | undefined): Promise<UploadRecord | null> {
    const bytes = await this.#options.uploads.get(`${id}.json`, { signal });
    if (bytes === null) return null;
    try {
      return uploadRecord.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    } catch (error) {
      // Damaged: the upload cannot be gone on with, as if it had been aborted.
      if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
      throw error;
    }
  }

  /** The record goes last: as long as it is there, what is left can be found and aborted. */
  async #remove(id: string, signal: AbortSignal | undefined): Promise<void> {
    const { uploads } = this.#options;
    for await (const { name } of uploads.list(`${id}.`, { signal })) {
      if (name !== `${id}.json`) await uploads.delete(name, { signal });
    }
    await uploads.delete(`${id}.json`, { signal });
  }
}

function pieceName(id: string, index: number): string {
  return `${id}.${String(index).padStart(6, "0")}.piece`;
}

function sizeOfPiece({ totalBytes, pieceBytes }: UploadRecord, index: number): number {
  return Math.max(0, Math.min(pieceBytes, totalBytes - index * pieceBytes));
}
