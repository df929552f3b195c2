import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { StoreError } from "../../errors.ts";
import { createIdleAgents, type IdleAgents } from "../idle-agent.ts";
import type { ObjectClient, ObjectHead, ObjectMetadata } from "../object-client.ts";
import { DEFAULT_IDLE_TIMEOUT_MS, type ObjectPlace } from "../object-url.ts";
import { clipRange } from "../request.ts";
import type { ByteRange, PutOptions, RequestOptions, StoreTraits } from "../store.ts";
import { readBody } from "./s3-body.ts";
import { checksumOf, type SentAlgorithm, usualAlgorithm } from "./s3-checksum.ts";
import { openConnections, tellPayloadHash } from "./s3-connection.ts";
import { codeOf, statusOf } from "./s3-errors.ts";
import { decodeName, isLastPage } from "./s3-listing.ts";
import { fromUserMetadata, toUserMetadata } from "./s3-metadata.ts";
import { type PiecesSettings, S3Pieces } from "./s3-pieces.ts";
import { type S3Request, S3Requests, type SendOptions } from "./s3-requests.ts";

/** Answers that mean "no such object"; 404 for any other reason, above all no such bucket, is a failure. */
const NO_OBJECT: readonly string[] = ["NoSuchKey"];
const OBJECT_EXISTS: readonly string[] = ["PreconditionFailed"];
const RANGE_BEYOND_END = "InvalidRange";

/** Statuses of which a HEAD, whose answer has no body, does not tell the reason: another region, credentials, absence. */
const UNEXPLAINED: readonly (number | null)[] = [301, 400, 404];
const DENIED = 403;
/** With which S3 says why it lets nobody in: AccessDenied, ExpiredToken, SignatureDoesNotMatch, RequestTimeTooSkewed. */
const REFUSALS: readonly (number | null)[] = [400, 401, DENIED];

/**
 * The client of a bucket of Amazon S3, or of a server that speaks its protocol.
 *
 * Every upload carries a checksum: its CRC-32C, or where the endpoint is given as one without TLS its SHA-256, which the
 * signature takes too, so that a server verifies it that does not know checksums.
 *
 * @param pieceBytes - of uploads in pieces; 8 MiB by default, S3 takes none under 5 MiB
 */
export async function connectS3(
  place: ObjectPlace,
  { pieceBytes }: { readonly pieceBytes?: number } = {},
): Promise<ObjectClient> {
  const agents = createIdleAgents(place.options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS);
  const createClient = await openConnections(place, agents);
  const algorithm = usualAlgorithm(place.options.endpoint);
  return new S3ObjectClient(place.bucket, agents, new S3Requests(createClient, agents), { algorithm, pieceBytes });
}

class S3ObjectClient implements ObjectClient {
  readonly url: string;
  readonly traits: StoreTraits = { conditionalCreate: true, stronglyConsistent: true };
  readonly pieces: S3Pieces;
  readonly #bucket: string;
  readonly #agents: IdleAgents;
  readonly #requests: S3Requests;
  readonly #algorithm: SentAlgorithm;

  constructor(bucket: string, agents: IdleAgents, requests: S3Requests, settings: PiecesSettings) {
    this.url = `s3://${bucket}`;
    this.#bucket = bucket;
    this.#agents = agents;
    this.#requests = requests;
    this.#algorithm = settings.algorithm;
    this.pieces = new S3Pieces(bucket, agents, requests, settings);
  }

  async put(
    key: string,
    bytes: Uint8Array,
    {
      ifAbsent = false,
      sha256,
      metadata,
      signal,
      onSent,
    }: PutOptions & { readonly metadata?: ObjectMetadata | undefined } = {},
  ): Promise<boolean> {
    const request: S3Request = { operation: "put", key, signal };
    const command = new PutObjectCommand({
      ...this.#place(key),
      ...checksumOf(bytes, this.#algorithm, sha256),
      Body: bytes,
      ContentLength: bytes.byteLength,
      IfNoneMatch: ifAbsent ? "*" : undefined,
      Metadata: metadata && toUserMetadata(metadata),
    });
    if (sha256 !== undefined) tellPayloadHash(command, sha256);
    const answer = await this.#agents.sending(bytes.byteLength, onSent, () =>
      this.#requests.sendUnless(ifAbsent ? OBJECT_EXISTS : [], request, (client, options) =>
        client.send(command, options),
      ),
    );
    if (answer !== null && answer.ETag === undefined) throw noAnswer("put", key);
    return answer !== null;
  }

  async get(
    key: string,
    { range, signal, onExtraRequest }: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    const clipped = clipRange(range, Number.MAX_SAFE_INTEGER);
    // The protocol has no range of no bytes; whether the object exists has still to be told.
    if (clipped.length === 0) {
      return (await this.head(key, { signal, onExtraRequest })) === null ? null : new Uint8Array(0);
    }
    const asked = range === undefined ? null : clipped;
    return this.#requests.sendUnless(NO_OBJECT, { operation: "get", key, signal }, async (client, options) => {
      const answer = await this.#sendGet(client, key, asked, options);
      return answer === null ? new Uint8Array(0) : readBody(answer, key, asked);
    });
  }

  async head(
    key: string,
    { signal, onExtraRequest }: RequestOptions = {},
  ): Promise<(ObjectHead & { readonly metadata: ObjectMetadata | null }) | null> {
    const request: S3Request = { operation: "head", key, signal };
    return this.#requests.sendUnless(NO_OBJECT, request, async (client, options) => {
      try {
        return headOf(key, await client.send(new HeadObjectCommand(this.#place(key)), options));
      } catch (error) {
        if (codeOf(error) !== "") throw error;
        const isDenied = statusOf(error) === DENIED;
        if (!isDenied && !UNEXPLAINED.includes(statusOf(error))) throw error;
        onExtraRequest?.("get", 0);
        if (isDenied) throw await this.#explainDenial(client, key, options, error);
        return this.#explainHead(client, key, options);
      }
    });
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectHead> {
    const request: S3Request = { operation: "list", key: prefix, signal };
    let token: string | undefined;
    for (;;) {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        ContinuationToken: token,
        EncodingType: "url",
      });
      const page: ListObjectsV2CommandOutput = await this.#requests.send(request, (client, options) =>
        client.send(command, options),
      );
      const isLast = isLastPage(page, page.NextContinuationToken, request);
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
        const key = decodeName(Key, page.EncodingType);
        yield { key, sizeBytes: Size, modifiedAtMs: LastModified?.getTime() ?? null };
      }
      if (isLast) return;
      token = page.NextContinuationToken;
    }
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#requests.sendUnless(NO_OBJECT, { operation: "delete", key, signal }, (client, options) =>
      client.send(new DeleteObjectCommand(this.#place(key)), options),
    );
  }

  async putWithWrongChecksum(key: string, bytes: Uint8Array, { signal }: RequestOptions = {}): Promise<void> {
    const others = Uint8Array.of(...bytes, 0);
    await this.#requests.send({ operation: "put", key, signal }, (client, options) =>
      client.send(
        new PutObjectCommand({
          ...this.#place(key),
          ...checksumOf(others, this.#algorithm),
          Body: bytes,
          ContentLength: bytes.byteLength,
        }),
        options,
      ),
    );
  }

  movedBytes(): number {
    return this.#agents.movedBytes();
  }

  async close(): Promise<void> {
    this.#agents.close();
  }

  #place(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }

  /** Null where the range begins beyond the end. */
  async #sendGet(
    client: S3Client,
    key: string,
    range: ByteRange | null,
    options: SendOptions,
  ): Promise<GetObjectCommandOutput | null> {
    const Range = range === null ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const command = new GetObjectCommand({ ...this.#place(key), Range });
    // Not by the command's own option: then the SDK would verify too, in JavaScript.
    if (range === null) askForChecksum(command);
    try {
      return await client.send(command, options);
    } catch (error) {
      if (codeOf(error) === RANGE_BEYOND_END) return null;
      throw error;
    }
  }

  /** Asks for one byte in place of none: the answer to that says why. */
  async #explainHead(client: S3Client, key: string, options: SendOptions): Promise<never> {
    await this.#getFirstByte(client, key, options);
    throw new StoreError("busy", "head", key, "it came to be while it was asked for");
  }

  /**
   * The same question asked so that its answer has words; it needs the same permission. The denial stands, whatever
   * comes of that: only another refusal says more about it.
   */
  async #explainDenial(client: S3Client, key: string, options: SendOptions, denial: unknown): Promise<unknown> {
    try {
      await this.#getFirstByte(client, key, options);
    } catch (error) {
      if (codeOf(error) !== "" && REFUSALS.includes(statusOf(error))) return error;
    }
    return denial;
  }

  async #getFirstByte(client: S3Client, key: string, options: SendOptions): Promise<void> {
    const range = { offset: 0, length: 1 };
    const answer = await this.#sendGet(client, key, range, options);
    if (answer !== null) await readBody(answer, key, range);
  }
}

function askForChecksum(command: GetObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-checksum-mode"] = "ENABLED";
      return next(args);
    },
    { step: "build", name: "askForChecksum" },
  );
}

function headOf(
  key: string,
  { ETag, ContentLength, LastModified, Metadata }: HeadObjectCommandOutput,
): ObjectHead & { readonly metadata: ObjectMetadata | null } {
  if (ETag === undefined || ContentLength === undefined) throw noAnswer("head", key);
  const modifiedAtMs = LastModified?.getTime() ?? null;
  return { key, sizeBytes: ContentLength, modifiedAtMs, metadata: fromUserMetadata(Metadata) };
}

/** Any web server may say 200, and a proxy that asks for a name and a password does. */
function noAnswer(operation: string, key: string): StoreError {
  return new StoreError("network", operation, key, "the answer is none of S3: no ETag");
}
