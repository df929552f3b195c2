import type { BlobItem, ContainerClient } from "@azure/storage-blob";
import { createIdleAgents, type IdleAgents } from "../idle-agent.ts";
import type { ObjectClient, ObjectHead, ObjectMetadata } from "../object-client.ts";
import { DEFAULT_IDLE_TIMEOUT_MS, type ObjectPlace } from "../object-url.ts";
import { clipRange } from "../request.ts";
import type { ByteRange, PutOptions, RequestOptions, StoreTraits } from "../store.ts";
import { blobOf } from "./azure-blob.ts";
import { md5Of, readBody } from "./azure-body.ts";
import { openContainer } from "./azure-container.ts";
import { codeOf } from "./azure-errors.ts";
import { fromBlobMetadata, toBlobMetadata } from "./azure-metadata.ts";
import { AzurePieces } from "./azure-pieces.ts";
import { type AzureRequest, AzureRequests, abortedBy } from "./azure-requests.ts";

/** Objects in one page of a listing: the most that the service gives. */
const PAGE_SIZE = 5000;

/** The service computes the MD5 of a range up to this size. */
const MAX_RANGE_WITH_MD5_BYTES = 4 * 1024 * 1024;

/** Answers that mean "no such blob"; 404 for any other reason, above all no such container, is a failure. */
const NO_BLOB: readonly string[] = ["BlobNotFound"];
/** The second is what some versions of the service say where the first is meant. */
const BLOB_EXISTS: readonly string[] = ["BlobAlreadyExists", "ConditionNotMet"];
const RANGE_BEYOND_END = "InvalidRange";

/**
 * The client of a container of Azure Blob Storage.
 *
 * @param pageSize - objects in a page of a listing
 * @param pieceBytes - of uploads in pieces; 8 MiB by default
 */
export async function connectAzure(
  place: ObjectPlace,
  { pageSize = PAGE_SIZE, pieceBytes }: { readonly pageSize?: number; readonly pieceBytes?: number } = {},
): Promise<ObjectClient> {
  const agents = createIdleAgents(place.options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS);
  const container = await openContainer(place, agents);
  return new AzureClient(`az://${place.account}/${place.bucket}`, container, agents, pageSize, pieceBytes);
}

class AzureClient implements ObjectClient {
  readonly url: string;
  readonly traits: StoreTraits = { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true };
  readonly pieces: AzurePieces;
  readonly #container: ContainerClient;
  readonly #agents: IdleAgents;
  readonly #requests: AzureRequests;
  readonly #pageSize: number;

  constructor(url: string, container: ContainerClient, agents: IdleAgents, pageSize: number, pieceBytes?: number) {
    this.url = url;
    this.#container = container;
    this.#agents = agents;
    this.#requests = new AzureRequests(agents);
    this.#pageSize = pageSize;
    this.pieces = new AzurePieces(container, agents, this.#requests, { pageSize, pieceBytes });
  }

  async put(
    key: string,
    bytes: Uint8Array,
    {
      ifAbsent = false,
      metadata,
      signal,
      onSent,
    }: PutOptions & { readonly metadata?: ObjectMetadata | undefined } = {},
  ): Promise<boolean> {
    const request: AzureRequest = { operation: "put", key, signal };
    const answer = await this.#agents.sending(bytes.byteLength, onSent, () =>
      this.#requests.sendUnless(ifAbsent ? BLOB_EXISTS : [], request, () =>
        blobOf(this.#container, key).upload(bytes, bytes.byteLength, {
          ...abortedBy(signal),
          ...(ifAbsent && { conditions: { ifNoneMatch: "*" } }),
          ...(metadata && { metadata: toBlobMetadata(metadata) }),
          transactionalContentMD5: md5Of(bytes),
        }),
      ),
    );
    return answer !== null;
  }

  async get(
    key: string,
    { range, signal }: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    const { offset, length } = clipRange(range, Number.MAX_SAFE_INTEGER);
    const request: AzureRequest = { operation: "get", key, signal };
    // The protocol has no range of no bytes; whether the object exists has still to be told.
    if (length === 0) return (await this.head(key, { signal })) === null ? null : new Uint8Array(0);
    return this.#requests.sendUnless(NO_BLOB, request, () =>
      this.#download(key, { offset, length }, range !== undefined, signal),
    );
  }

  async head(
    key: string,
    { signal }: RequestOptions = {},
  ): Promise<(ObjectHead & { readonly metadata: ObjectMetadata | null }) | null> {
    const request: AzureRequest = { operation: "head", key, signal };
    const found = await this.#requests.sendUnless(NO_BLOB, request, () =>
      blobOf(this.#container, key).getProperties(abortedBy(signal)),
    );
    if (found === null) return null;
    return {
      key,
      sizeBytes: found.contentLength ?? 0,
      modifiedAtMs: found.lastModified?.getTime() ?? null,
      metadata: fromBlobMetadata(found.metadata),
    };
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectHead> {
    const pages = this.#container
      .listBlobsFlat({ ...abortedBy(signal), prefix })
      .byPage({ maxPageSize: this.#pageSize });
    for (;;) {
      const request: AzureRequest = { operation: "list", key: prefix, signal };
      const { done, value } = await this.#requests.send(request, () => pages.next());
      if (done) return;
      yield* value.segment.blobItems.map(headOf);
    }
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<void> {
    const request: AzureRequest = { operation: "delete", key, signal };
    await this.#requests.sendUnless(NO_BLOB, request, () => blobOf(this.#container, key).delete(abortedBy(signal)));
  }

  async putWithWrongChecksum(key: string, bytes: Uint8Array, { signal }: RequestOptions = {}): Promise<void> {
    const request: AzureRequest = { operation: "put", key, signal };
    const otherMd5 = md5Of(md5Of(bytes));
    await this.#requests.send(request, () =>
      blobOf(this.#container, key).upload(bytes, bytes.byteLength, {
        ...abortedBy(signal),
        transactionalContentMD5: otherMd5,
      }),
    );
  }

  movedBytes(): number {
    return this.#agents.movedBytes();
  }

  async close(): Promise<void> {
    this.#agents.close();
  }

  async #download(
    key: string,
    { offset, length }: ByteRange,
    isRange: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    try {
      const response = await blobOf(this.#container, key).download(offset, isRange ? length : undefined, {
        ...abortedBy(signal),
        maxRetryRequests: 0,
        ...(isRange && length <= MAX_RANGE_WITH_MD5_BYTES && { rangeGetContentMD5: true }),
      });
      return await readBody(response, key, length);
    } catch (error) {
      if (codeOf(error) === RANGE_BEYOND_END) return new Uint8Array(0);
      throw error;
    }
  }
}

function headOf({ name, properties }: BlobItem): ObjectHead {
  return { key: name, sizeBytes: properties.contentLength ?? 0, modifiedAtMs: properties.lastModified.getTime() };
}
