import { join } from "node:path";
import { type Clock, systemClock } from "../../base/clock.ts";
import { sha256Hex } from "../../base/hash.ts";
import { type IdSource, randomId } from "../../base/ids.ts";
import { StoreError } from "../../errors.ts";
import { hashFile } from "../file-content.ts";
import type { FileSystem } from "../file-system.ts";
import { createLocalStore, type LocalStore } from "../local.ts";
import type { ObjectClient, ObjectHead, ObjectMetadata } from "../object-client.ts";
import type { ByteRange, RequestOptions, StoreTraits } from "../store.ts";
import { FolderPieces } from "./folder-pieces.ts";
import { KEY_NAMES, UPLOADS_FOLDER } from "./object-key.ts";

export interface FolderClientOptions {
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly newId?: IdSource | undefined;
  /** Of uploads in pieces; 8 MiB by default. */
  readonly pieceBytes?: number | undefined;
}

const DEFAULT_PIECE_BYTES: number = 8 * 1024 * 1024;

/**
 * A folder on local disk that stands for a bucket, so that all of CloudSync can be tried without a cloud.
 *
 * Objects are plain files, whole or absent and durable, as `LocalStore` writes them. Nothing is kept beside them but
 * the uploads under way: the SHA-256 in an object's metadata is that of the file as it is now, also if somebody else
 * put it there, and `head` reads the file for it (about 1 GB/s).
 */
class FolderClient implements ObjectClient {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly pieces: FolderPieces;
  readonly #objects: LocalStore;

  constructor(path: string, options: FolderClientOptions) {
    const { fileSystem, clock = systemClock, newId = randomId, pieceBytes = DEFAULT_PIECE_BYTES } = options;
    this.#objects = createLocalStore(path, { fileSystem, clock, names: KEY_NAMES });
    const uploads = createLocalStore(join(this.#objects.path, UPLOADS_FOLDER), { fileSystem, clock });
    this.url = this.#objects.url;
    this.traits = this.#objects.traits;
    this.pieces = new FolderPieces({ objects: this.#objects, uploads, clock, newId, pieceBytes });
  }

  async put(
    key: string,
    bytes: Uint8Array,
    options: RequestOptions & {
      readonly ifAbsent?: boolean | undefined;
      readonly metadata?: ObjectMetadata | undefined;
    } = {},
  ): Promise<boolean> {
    if (options.metadata !== undefined && options.metadata.sha256 !== sha256Hex(bytes)) {
      throw new StoreError("io", "put", key, "its content has another SHA-256 than its metadata says");
    }
    return this.#objects.put(key, bytes, options);
  }

  get(key: string, options?: RequestOptions & { readonly range?: ByteRange | undefined }): Promise<Uint8Array | null> {
    return this.#objects.get(key, options);
  }

  async head(
    key: string,
    { signal }: RequestOptions = {},
  ): Promise<(ObjectHead & { readonly metadata: ObjectMetadata }) | null> {
    return this.#objects.read(
      key,
      async (file) => {
        const { sizeBytes, modifiedAtMs } = await file.info();
        return { key, sizeBytes, modifiedAtMs, metadata: { sha256: await hashFile(file, key, sizeBytes, signal) } };
      },
      { signal },
    );
  }

  async *list(prefix: string, options?: RequestOptions): AsyncGenerator<ObjectHead> {
    for await (const { name, sizeBytes, modifiedAtMs } of this.#objects.list(prefix, options)) {
      yield { key: name, sizeBytes, modifiedAtMs };
    }
  }

  delete(key: string, options?: RequestOptions): Promise<void> {
    return this.#objects.delete(key, options);
  }

  async close(): Promise<void> {}
}

/** A client of a folder, which need not exist yet: nothing is touched before the first request. */
export function connectFolder(path: string, options: FolderClientOptions = {}): ObjectClient {
  return new FolderClient(path, options);
}
