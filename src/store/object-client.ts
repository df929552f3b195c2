import type { ByteRange, PutOptions, RequestOptions, StoreTraits } from "./store.ts";

/** What a bucket tells of one of its objects. */
export interface ObjectHead {
  /** The whole name inside the bucket. */
  readonly key: string;
  readonly sizeBytes: number;
  /** By the store's own clock, milliseconds since 1970; null where it does not tell. */
  readonly modifiedAtMs: number | null;
}

/** What CloudSync notes beside a file, to know later whether it has changed. */
export interface ObjectMetadata {
  /** SHA-256 of the content, in hexadecimal. */
  readonly sha256: string;
}

/**
 * A bucket, a container or a folder: objects by their whole key, any text that the provider takes. The cloud adapters
 * implement this and nothing above it; `Store` (one run below a prefix) and CloudSync (a person's own files) stand on it.
 *
 * The guarantees are those of `Store`. Besides:
 *
 * - Every method is one request, or one for each page of a listing. Nothing is tried again here: SDK retries are off,
 *   and whoever calls has the one layer of retries.
 * - What is uploaded carries a checksum that the server verifies before it acknowledges.
 * - A request on which nothing moves for `idleTimeoutMs` rejects with StoreError of kind `timeout`.
 * - Every rejection is a StoreError whose kind says what happened and whose `retryAfterMs` is the server's wish. No
 *   text of it holds a credential or a signed URL.
 * - When the signal of a request is aborted it rejects at once with kind `aborted`; the server may still do it.
 */
export interface ObjectClient {
  /** For messages, without prefix and credentials: `gs://bucket`. */
  readonly url: string;
  readonly traits: StoreTraits;
  readonly pieces: PieceUploads;
  put(
    key: string,
    bytes: Uint8Array,
    options?: PutOptions & { readonly metadata?: ObjectMetadata | undefined },
  ): Promise<boolean>;
  get(key: string, options?: RequestOptions & { readonly range?: ByteRange | undefined }): Promise<Uint8Array | null>;
  head(
    key: string,
    options?: RequestOptions,
  ): Promise<(ObjectHead & { readonly metadata: ObjectMetadata | null }) | null>;
  /** In the order of the provider: by UTF-8 bytes everywhere we know. */
  list(prefix: string, options?: RequestOptions): AsyncIterable<ObjectHead>;
  delete(key: string, options?: RequestOptions): Promise<void>;
  /** Puts `bytes` with the checksum of others, which the server has to refuse. For `varve doctor`, where it can be done. */
  putWithWrongChecksum?(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<void>;
  /** Bytes that went over its connections so far, either way: a request may take long, and be well. Absent: unknown. */
  movedBytes?(): number;
  close(): Promise<void>;
}

/** One piece of a file. All but the last are of the size that `pieceBytes` tells. */
export interface Piece {
  /** 0 for the first. */
  readonly index: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** An upload that was begun and neither completed nor aborted. */
export interface OpenUpload {
  readonly key: string;
  readonly id: string;
  /** Null where the provider does not tell. */
  readonly startedAtMs: number | null;
}

/**
 * Uploads of one object in pieces, in order, that can be gone on with after a broken connection and by another process:
 * S3's multipart, GCS's resumable upload, Azure's blocks. Nothing of it is visible before `complete`.
 *
 *     begin ──> put 0, put 1, … put last ──> complete
 *                 └── broken off: `held` says where the store stopped, and it goes on from there
 */
export interface PieceUploads {
  /** Size of every piece but the last, as the provider's limits ask for it. */
  pieceBytes(totalBytes: number): number;
  /**
   * @param options.crc32c - of the whole file, where the caller knows it: a store that shows the object with its last
   *   piece (GCS) then refuses to show any other bytes
   * @returns what identifies the upload at the provider. It is kept on local disk only and never shown: of GCS it is a
   *   URL that lets anyone write
   */
  begin(
    key: string,
    options: RequestOptions & {
      readonly totalBytes: number;
      readonly metadata: ObjectMetadata;
      readonly crc32c?: number | undefined;
    },
  ): Promise<string>;
  /**
   * How many pieces the store holds, without a gap from the first; null where it does not know the upload any more. Who
   * goes on with an upload of another client asks this first, of the one that will send: it may learn more by that.
   */
  held(key: string, id: string, options: RequestOptions & { readonly totalBytes: number }): Promise<number | null>;
  /** Every piece carries a checksum that the server verifies. A piece may be put again. */
  put(
    key: string,
    id: string,
    piece: Piece,
    options: Pick<PutOptions, "signal" | "onSent"> & { readonly totalBytes: number },
  ): Promise<void>;
  /** Makes the object visible, whole. Afterwards it has the metadata given to `begin`. */
  complete(
    key: string,
    id: string,
    options: RequestOptions & { readonly totalBytes: number; readonly metadata: ObjectMetadata },
  ): Promise<void>;
  /** Resolves also if the upload is not there any more. */
  abort(key: string, id: string, options?: RequestOptions): Promise<void>;
  /** Uploads under way or given up below a prefix. Yields nothing where the provider cannot list them (GCS). */
  open(prefix: string, options?: RequestOptions): AsyncIterable<OpenUpload>;
}
