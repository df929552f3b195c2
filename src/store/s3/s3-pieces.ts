import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  type Part,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { StoreError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import type { ObjectMetadata, OpenUpload, Piece, PieceUploads } from "../object-client.ts";
import type { PutOptions, RequestOptions } from "../store.ts";
import { checksumOf, isSentAlgorithm, type SentAlgorithm } from "./s3-checksum.ts";
import { decodeName, isLastPage } from "./s3-listing.ts";
import { toUserMetadata } from "./s3-metadata.ts";
import type { S3Request, S3Requests } from "./s3-requests.ts";

const MEBIBYTE = 1024 * 1024;
/** At least 5 MiB, as S3 asks of all parts but the last. */
const USUAL_PIECE_BYTES = 8 * MEBIBYTE;
const MAX_PARTS = 10_000;

const NO_UPLOAD: readonly string[] = ["NoSuchUpload"];

export interface PiecesSettings {
  /** Of the uploads that are begun here. */
  readonly algorithm: SentAlgorithm;
  readonly pieceBytes?: number | undefined;
}

/** What the service tells of an upload. */
interface ListedParts {
  readonly parts: ReadonlyMap<number, Part>;
  /** Undefined where it does not tell. */
  readonly algorithm: string | undefined;
}

/** A file as the parts of a multipart upload. What is given up stays, and is paid for, until it is aborted. */
export class S3Pieces implements PieceUploads {
  readonly #bucket: string;
  readonly #agents: IdleAgents;
  readonly #requests: S3Requests;
  readonly #algorithm: SentAlgorithm;
  /**
   * By id, of uploads that were begun over another protocol, or by an older Varve. S3 takes no parts of two kinds. One
   * that is given up stays here: what is begun here never comes in, so there are at most as many as others have left.
   */
  readonly #otherAlgorithms = new Map<string, SentAlgorithm>();
  readonly #usualPieceBytes: number;

  constructor(
    bucket: string,
    agents: IdleAgents,
    requests: S3Requests,
    { algorithm, pieceBytes = USUAL_PIECE_BYTES }: PiecesSettings,
  ) {
    this.#bucket = bucket;
    this.#agents = agents;
    this.#requests = requests;
    this.#algorithm = algorithm;
    this.#usualPieceBytes = pieceBytes;
  }

  pieceBytes(totalBytes: number): number {
    return Math.max(this.#usualPieceBytes, Math.ceil(totalBytes / MAX_PARTS / MEBIBYTE) * MEBIBYTE);
  }

  async begin(
    key: string,
    { metadata, signal }: RequestOptions & { readonly totalBytes: number; readonly metadata: ObjectMetadata },
  ): Promise<string> {
    const command = new CreateMultipartUploadCommand({
      Bucket: this.#bucket,
      Key: key,
      ChecksumAlgorithm: this.#algorithm,
      Metadata: toUserMetadata(metadata),
    });
    const request: S3Request = { operation: "begin upload", key, signal };
    const { UploadId } = await this.#requests.send(request, (client, options) => client.send(command, options));
    if (UploadId === undefined) throw noAnswer(request);
    return UploadId;
  }

  /** Learns which checksum the upload was begun with, for `put`. */
  async held(
    key: string,
    id: string,
    { totalBytes, signal }: RequestOptions & { readonly totalBytes: number },
  ): Promise<number | null> {
    const listed = await this.#listParts({ operation: "list pieces", key, signal }, id);
    if (listed === null) return null;
    const { parts, algorithm } = listed;
    if (isSentAlgorithm(algorithm) && algorithm !== this.#algorithm) this.#otherAlgorithms.set(id, algorithm);
    return this.#wholeParts(parts, totalBytes).length;
  }

  async put(
    key: string,
    id: string,
    { index, bytes }: Piece,
    { signal, onSent }: Pick<PutOptions, "signal" | "onSent"> & { readonly totalBytes: number },
  ): Promise<void> {
    const command = new UploadPartCommand({
      ...this.#upload(key, id),
      ...checksumOf(bytes, this.#otherAlgorithms.get(id) ?? this.#algorithm),
      PartNumber: index + 1,
      Body: bytes,
      ContentLength: bytes.byteLength,
    });
    const request: S3Request = { operation: "put piece", key, signal };
    const { ETag } = await this.#agents.sending(bytes.byteLength, onSent, () =>
      this.#requests.send(request, (client, options) => client.send(command, options)),
    );
    if (ETag === undefined) throw noAnswer(request);
  }

  /** What the service asks for of every part, it tells itself: whoever completes need not have sent them. */
  async complete(
    key: string,
    id: string,
    { totalBytes, signal }: RequestOptions & { readonly totalBytes: number; readonly metadata: ObjectMetadata },
  ): Promise<void> {
    const request: S3Request = { operation: "complete upload", key, signal };
    const listed = await this.#listParts(request, id);
    if (listed === null) throw new StoreError("not-found", "complete upload", key, "S3 does not know the upload");
    const whole = this.#wholeParts(listed.parts, totalBytes);
    const count = this.#partCount(totalBytes);
    // S3 itself would join what is there.
    if (whole.length < count) {
      throw new StoreError("unsupported", "complete upload", key, `${whole.length} of ${count} pieces are there`);
    }
    const Parts = whole.map(({ PartNumber, ETag, ChecksumCRC32C, ChecksumSHA256 }) => ({
      PartNumber,
      ETag,
      ChecksumCRC32C,
      ChecksumSHA256,
    }));
    const command = new CompleteMultipartUploadCommand({ ...this.#upload(key, id), MultipartUpload: { Parts } });
    const { ETag } = await this.#requests.send(request, (client, options) => client.send(command, options));
    if (ETag === undefined) throw noAnswer(request);
    this.#otherAlgorithms.delete(id);
  }

  async abort(key: string, id: string, { signal }: RequestOptions = {}): Promise<void> {
    const command = new AbortMultipartUploadCommand(this.#upload(key, id));
    await this.#requests.sendUnless(NO_UPLOAD, { operation: "abort upload", key, signal }, (client, options) =>
      client.send(command, options),
    );
    this.#otherAlgorithms.delete(id);
  }

  async *open(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<OpenUpload> {
    const request: S3Request = { operation: "list uploads", key: prefix, signal };
    let keyMarker: string | undefined;
    let idMarker: string | undefined;
    for (;;) {
      const command = new ListMultipartUploadsCommand({
        Bucket: this.#bucket,
        Prefix: prefix,
        EncodingType: "url",
        KeyMarker: keyMarker,
        UploadIdMarker: idMarker,
      });
      const page: ListMultipartUploadsCommandOutput = await this.#requests.send(request, (client, options) =>
        client.send(command, options),
      );
      const isLast = isLastPage(page, page.NextKeyMarker, request);
      for (const { Key = "", UploadId = "", Initiated } of page.Uploads ?? []) {
        yield { key: decodeName(Key, page.EncodingType), id: UploadId, startedAtMs: Initiated?.getTime() ?? null };
      }
      if (isLast) return;
      keyMarker = decodeName(page.NextKeyMarker ?? "", page.EncodingType);
      idMarker = page.NextUploadIdMarker;
    }
  }

  #upload(key: string, id: string): { readonly Bucket: string; readonly Key: string; readonly UploadId: string } {
    return { Bucket: this.#bucket, Key: key, UploadId: id };
  }

  #partCount(totalBytes: number): number {
    return Math.max(1, Math.ceil(totalBytes / this.pieceBytes(totalBytes)));
  }

  /** Those of the right size, up to the first gap. */
  #wholeParts(parts: ReadonlyMap<number, Part>, totalBytes: number): readonly Part[] {
    const pieceBytes = this.pieceBytes(totalBytes);
    const whole: Part[] = [];
    for (let index = 0; index < this.#partCount(totalBytes); index++) {
      const part = parts.get(index + 1);
      if (part?.Size !== Math.min(pieceBytes, totalBytes - index * pieceBytes)) break;
      whole.push(part);
    }
    return whole;
  }

  /** Parts by number; null where the service does not know the upload. */
  async #listParts(request: S3Request, id: string): Promise<ListedParts | null> {
    const parts = new Map<number, Part>();
    let marker: string | undefined;
    for (;;) {
      const command = new ListPartsCommand({ ...this.#upload(request.key, id), PartNumberMarker: marker });
      const page: ListPartsCommandOutput | null = await this.#requests.sendUnless(
        NO_UPLOAD,
        request,
        (client, options) => client.send(command, options),
      );
      if (page === null) return null;
      const isLast = isLastPage(page, page.NextPartNumberMarker, request);
      for (const part of page.Parts ?? []) parts.set(part.PartNumber ?? 0, part);
      if (isLast) return { parts, algorithm: page.ChecksumAlgorithm };
      marker = page.NextPartNumberMarker;
    }
  }
}

function noAnswer({ operation, key }: S3Request): StoreError {
  return new StoreError("network", operation, key, "the answer is none of S3");
}
