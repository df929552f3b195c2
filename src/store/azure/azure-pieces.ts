import type { ContainerClient } from "@azure/storage-blob";
import { randomId } from "../../base/ids.ts";
import type { IdleAgents } from "../idle-agent.ts";
import type { ObjectMetadata, OpenUpload, Piece, PieceUploads } from "../object-client.ts";
import type { PutOptions, RequestOptions } from "../store.ts";
import { blobOf } from "./azure-blob.ts";
import { md5Of } from "./azure-body.ts";
import { toBlobMetadata } from "./azure-metadata.ts";
import { type AzureRequest, type AzureRequests, abortedBy } from "./azure-requests.ts";

const MEBIBYTE = 1024 * 1024;
const USUAL_PIECE_BYTES = 8 * MEBIBYTE;
/** The most blocks that a blob is committed from. */
const MAX_BLOCKS = 50_000;

/**
 * A file as the blocks of a blob. An upload is nothing at the service but the names of its blocks, which begin with its
 * id: two uploads of one key do not mix, and beginning one sends nothing.
 *
 * The service has no request that drops blocks. They are gone with the next commit of the blob, or after a week without
 * one. The only other way, to commit an empty blob in their place and to delete that, would show an object that is not
 * there to readers and to create-if-absent, and take the blocks of every other upload of the key: `abort` leaves them.
 */
export class AzurePieces implements PieceUploads {
  readonly #container: ContainerClient;
  readonly #agents: IdleAgents;
  readonly #requests: AzureRequests;
  readonly #pageSize: number;
  readonly #usualPieceBytes: number;

  constructor(
    container: ContainerClient,
    agents: IdleAgents,
    requests: AzureRequests,
    {
      pageSize,
      pieceBytes = USUAL_PIECE_BYTES,
    }: { readonly pageSize: number; readonly pieceBytes?: number | undefined },
  ) {
    this.#container = container;
    this.#agents = agents;
    this.#requests = requests;
    this.#pageSize = pageSize;
    this.#usualPieceBytes = pieceBytes;
  }

  pieceBytes(totalBytes: number): number {
    const leastMebibytes = Math.ceil(totalBytes / MAX_BLOCKS / MEBIBYTE);
    return Math.max(this.#usualPieceBytes, leastMebibytes * MEBIBYTE);
  }

  async begin(): Promise<string> {
    return randomId();
  }

  /** Null also where nothing was sent yet: the service knows an upload by its blocks only. */
  async held(
    key: string,
    id: string,
    { totalBytes, signal }: RequestOptions & { readonly totalBytes: number },
  ): Promise<number | null> {
    const sizes = await this.#blockSizes({ operation: "list pieces", key, signal });
    const count = this.#pieceCount(totalBytes);
    let held = 0;
    while (held < count && sizes.get(blockName(id, held)) === this.#sizeOf(held, totalBytes)) held += 1;
    return held === 0 ? null : held;
  }

  async put(
    key: string,
    id: string,
    { index, bytes }: Piece,
    { signal, onSent }: Pick<PutOptions, "signal" | "onSent"> = {},
  ): Promise<void> {
    // The service takes no block of no bytes; a blob of no bytes has none.
    if (bytes.byteLength === 0) return;
    const request: AzureRequest = { operation: "put piece", key, signal };
    await this.#agents.sending(bytes.byteLength, onSent, () =>
      this.#requests.send(request, () =>
        blobOf(this.#container, key).stageBlock(blockName(id, index), bytes, bytes.byteLength, {
          ...abortedBy(signal),
          transactionalContentMD5: md5Of(bytes),
        }),
      ),
    );
  }

  /** May be sent again: blocks that are committed already are found too. */
  async complete(
    key: string,
    id: string,
    {
      totalBytes,
      metadata,
      signal,
    }: RequestOptions & { readonly totalBytes: number; readonly metadata: ObjectMetadata },
  ): Promise<void> {
    const names = Array.from({ length: this.#pieceCount(totalBytes) }, (_, index) => blockName(id, index));
    const request: AzureRequest = { operation: "complete", key, signal };
    await this.#requests.send(request, () =>
      blobOf(this.#container, key).commitBlockList(names, { ...abortedBy(signal), metadata: toBlobMetadata(metadata) }),
    );
  }

  /** Sends nothing: see above. */
  async abort(): Promise<void> {
    return Promise.resolve();
  }

  /** Those of blobs that were never committed; blocks that wait beside a blob's content are in no listing. */
  async *open(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<OpenUpload> {
    const pages = this.#container
      .listBlobsFlat({ ...abortedBy(signal), prefix, includeUncommitedBlobs: true })
      .byPage({ maxPageSize: this.#pageSize });
    for (;;) {
      const request: AzureRequest = { operation: "list uploads", key: prefix, signal };
      const { done, value } = await this.#requests.send(request, () => pages.next());
      if (done) return;
      for (const { name: key, properties } of value.segment.blobItems) {
        // What is not committed has no length; a listing says nothing else about it.
        if ((properties.contentLength ?? 0) > 0) continue;
        const names = [...(await this.#blockSizes({ operation: "list pieces", key, signal })).keys()];
        for (const id of new Set(names.map(uploadOf))) if (id !== null) yield { key, id, startedAtMs: null };
      }
    }
  }

  #pieceCount(totalBytes: number): number {
    return Math.ceil(totalBytes / this.pieceBytes(totalBytes));
  }

  #sizeOf(index: number, totalBytes: number): number {
    const pieceBytes = this.pieceBytes(totalBytes);
    return Math.min(pieceBytes, totalBytes - index * pieceBytes);
  }

  /** Of the blocks that are not committed, by name. */
  async #blockSizes(request: AzureRequest): Promise<ReadonlyMap<string, number>> {
    const answer = await this.#requests.sendUnless(["BlobNotFound"], request, () =>
      blobOf(this.#container, request.key).getBlockList("uncommitted", abortedBy(request.signal)),
    );
    return new Map(answer?.uncommittedBlocks?.map(({ name, size }) => [name, size]));
  }
}

/** Of one length whatever the index, as the service asks of all blocks of a blob: 32 digits, a dash, 5 digits. */
function blockName(id: string, index: number): string {
  return Buffer.from(`${id}-${String(index).padStart(5, "0")}`).toString("base64");
}

/** The id of the upload that a block belongs to; null for blocks of other programs. */
function uploadOf(name: string): string | null {
  const text = Buffer.from(name, "base64").toString("latin1");
  return /^([0-9a-f]{32})-\d{5}$/.exec(text)?.[1] ?? null;
}
