import { crc32c } from "../../base/hash.ts";
import { createIdleAgents, type IdleAgents } from "../idle-agent.ts";
import type { ObjectClient, ObjectHead, ObjectMetadata } from "../object-client.ts";
import { DEFAULT_IDLE_TIMEOUT_MS, type ObjectPlace } from "../object-url.ts";
import { clipRange } from "../request.ts";
import type { ByteRange, PutOptions, RequestOptions, StoreTraits } from "../store.ts";
import { openAccess } from "./gcs-access.ts";
import { checkedBody, rangeHeader } from "./gcs-download.ts";
import { saysNoSuchObject, unreadableError } from "./gcs-errors.ts";
import type { HttpAnswer } from "./gcs-http.ts";
import { describeObject, multipartBody, OBJECT_FIELDS, PAGE_FIELDS, readObject, readPage } from "./gcs-object.ts";
import { assertKey, type BucketPaths, bucketPaths } from "./gcs-path.ts";
import { GcsPieces } from "./gcs-pieces.ts";
import { type GcsRequest, GcsRequests } from "./gcs-requests.ts";

/** Objects in one page of a listing: the most that the service gives. */
const PAGE_SIZE = 1000;

const NOT_FOUND = 404;
const CONDITION_NOT_MET = 412;
const RANGE_BEYOND_END = 416;

/**
 * The client of a bucket of Google Cloud Storage, over its JSON API.
 *
 * @param pageSize - objects in a page of a listing
 */
export async function connectGcs(
  place: ObjectPlace,
  { pageSize = PAGE_SIZE, pieceBytes }: { readonly pageSize?: number; readonly pieceBytes?: number } = {},
): Promise<ObjectClient> {
  const agents = createIdleAgents(place.options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS);
  const requests = new GcsRequests(openAccess(place, agents), agents);
  return new GcsClient(place.bucket, requests, agents, pageSize, pieceBytes);
}

class GcsClient implements ObjectClient {
  readonly url: string;
  readonly traits: StoreTraits = { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true };
  readonly pieces: GcsPieces;
  readonly #paths: BucketPaths;
  readonly #requests: GcsRequests;
  readonly #agents: IdleAgents;
  readonly #pageSize: number;

  constructor(bucket: string, requests: GcsRequests, agents: IdleAgents, pageSize: number, pieceBytes?: number) {
    this.url = `gs://${bucket}`;
    this.#paths = bucketPaths(bucket);
    this.#requests = requests;
    this.#agents = agents;
    this.#pageSize = pageSize;
    this.pieces = new GcsPieces(this.#paths, agents, requests, {
      head: (key, options) => this.head(key, options),
      pieceBytes,
    });
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
    const request = this.#upload(key, bytes, describeObject(key, crc32c(bytes), metadata), { ifAbsent, signal });
    const answer = await this.#agents.sending(bytes.byteLength, onSent, () =>
      this.#requests.send(request, ifAbsent ? [CONDITION_NOT_MET] : []),
    );
    if (answer.status === CONDITION_NOT_MET) return false;
    const stored = readObject(answer.body);
    // No checksum covers the name: it may have come as another.
    if (stored?.key === key && stored.sizeBytes === bytes.byteLength) return true;
    throw unreadableError(request, answer, "the answer does not describe what was put");
  }

  async get(
    key: string,
    { range, signal }: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    const asked = range === undefined ? null : clipRange(range, Number.MAX_SAFE_INTEGER);
    // The protocol has no range of no bytes; whether the object exists has still to be told.
    if (asked?.length === 0) return (await this.head(key, { signal })) === null ? null : new Uint8Array(0);
    const answer = await this.#sendUnlessMissing(
      {
        ...{ operation: "get", key, signal },
        method: "GET",
        path: this.#paths.object(key, { alt: "media" }),
        // Without the first, the service would unpack what was stored packed: other bytes than its checksum is of.
        headers: { "accept-encoding": "gzip", ...(asked && { range: rangeHeader(asked) }) },
        mostBytes: asked?.length ?? Number.MAX_SAFE_INTEGER,
      },
      [RANGE_BEYOND_END],
    );
    if (answer === null) return null;
    return answer.status === RANGE_BEYOND_END ? new Uint8Array(0) : checkedBody(answer, key, asked);
  }

  async head(
    key: string,
    { signal }: RequestOptions = {},
  ): Promise<(ObjectHead & { readonly metadata: ObjectMetadata | null }) | null> {
    const path = this.#paths.object(key, { fields: OBJECT_FIELDS });
    const request: GcsRequest = { operation: "head", key, signal, method: "GET", path };
    const answer = await this.#sendUnlessMissing(request);
    if (answer === null) return null;
    const found = readObject(answer.body);
    if (found === null) throw unreadableError(request, answer, "the answer is no description of an object");
    return { ...found, key };
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectHead> {
    const query = { prefix, maxResults: String(this.#pageSize), fields: PAGE_FIELDS };
    for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
      const path = this.#paths.list(pageToken === "" ? query : { ...query, pageToken });
      const request: GcsRequest = { operation: "list", key: prefix, signal, method: "GET", path };
      const answer = await this.#requests.send(request);
      const page = readPage(answer.body);
      if (page === null) throw unreadableError(request, answer, "the answer is no page of a listing");
      yield* page.heads;
      pageToken = page.nextPageToken;
    }
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<void> {
    const path = this.#paths.object(key, {});
    await this.#sendUnlessMissing({ operation: "delete", key, signal, method: "DELETE", path });
  }

  async putWithWrongChecksum(key: string, bytes: Uint8Array, { signal }: RequestOptions = {}): Promise<void> {
    const description = describeObject(key, (crc32c(bytes) ^ 1) >>> 0, undefined);
    await this.#requests.send(this.#upload(key, bytes, description, { ifAbsent: false, signal }));
  }

  movedBytes(): number {
    return this.#agents.movedBytes();
  }

  async close(): Promise<void> {
    this.#agents.close();
  }

  #upload(
    key: string,
    bytes: Uint8Array,
    description: Uint8Array,
    { ifAbsent, signal }: RequestOptions & { readonly ifAbsent: boolean },
  ): GcsRequest {
    const { contentType, parts } = multipartBody(description, bytes);
    return {
      ...{ operation: "put", key: assertKey(key), signal },
      method: "POST",
      // The name goes before the one in the description, which no checksum covers.
      path: this.#paths.upload({ uploadType: "multipart", name: key, ...(ifAbsent && { ifGenerationMatch: "0" }) }),
      headers: { "content-type": contentType },
      body: parts,
    };
  }

  /** Null only where the object is missing: the service answers 404 for a missing bucket as well. */
  async #sendUnlessMissing(request: GcsRequest, accepted: readonly number[] = []): Promise<HttpAnswer | null> {
    const answer = await this.#requests.send(request, [...accepted, NOT_FOUND]);
    if (answer.status !== NOT_FOUND) return answer;
    if (!saysNoSuchObject(answer)) await this.#assertBucket(request);
    return null;
  }

  /** Who may not list never comes here: such a one is told 403 and not that an object is missing. */
  async #assertBucket({ operation, key, signal }: GcsRequest): Promise<void> {
    const path = this.#paths.list({ maxResults: "1", fields: "kind" });
    await this.#requests.send({ operation, key, signal, method: "GET", path });
  }
}
