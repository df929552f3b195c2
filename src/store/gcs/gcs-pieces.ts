import { StoreError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import type { ObjectHead, ObjectMetadata, OpenUpload, Piece, PieceUploads } from "../object-client.ts";
import type { PutOptions, RequestOptions } from "../store.ts";
import { type FailedRequest, unreadableError } from "./gcs-errors.ts";
import type { HttpAnswer } from "./gcs-http.ts";
import { describeObject, readObject } from "./gcs-object.ts";
import { assertKey, type BucketPaths } from "./gcs-path.ts";
import type { GcsRequests, SessionRequest } from "./gcs-requests.ts";

/** A multiple of 256 KiB, as all chunks but the last have to be. */
const USUAL_PIECE_BYTES = 8 * 1024 * 1024;

/** The session goes on: the header `range` tells how far it is. */
const INCOMPLETE = 308;
/** Never heard of, over for ever, cancelled. */
const UNKNOWN_SESSION: readonly number[] = [404, 410, 499];

type Whole = RequestOptions & { readonly totalBytes: number };
type Described = Whole & { readonly metadata: ObjectMetadata };
type HeadOf = (
  key: string,
  options: RequestOptions,
) => Promise<(ObjectHead & { readonly metadata: ObjectMetadata | null }) | null>;

/**
 * A file as a resumable upload: one session, to which the bytes go strictly in order. The service takes what it likes
 * of a chunk, in multiples of 256 KiB, and says how far it is; with the last byte the object is there.
 *
 * An upload is known by the URL of its session, which lets anybody write: it is in no text, and what the service says
 * of a session goes nowhere unless cleaned of it. Sessions live a week and are in no listing.
 */
export class GcsPieces implements PieceUploads {
  readonly #paths: BucketPaths;
  readonly #usualPieceBytes: number;
  readonly #agents: IdleAgents;
  readonly #requests: GcsRequests;
  readonly #head: HeadOf;
  /** Where the service stopped within a piece, of uploads that `held` was asked about. */
  readonly #stoppedAt: Map<string, number> = new Map();

  constructor(
    paths: BucketPaths,
    agents: IdleAgents,
    requests: GcsRequests,
    { head, pieceBytes = USUAL_PIECE_BYTES }: { readonly head: HeadOf; readonly pieceBytes?: number | undefined },
  ) {
    this.#usualPieceBytes = pieceBytes;
    this.#paths = paths;
    this.#agents = agents;
    this.#requests = requests;
    this.#head = head;
  }

  pieceBytes(): number {
    return this.#usualPieceBytes;
  }

  async begin(
    key: string,
    { totalBytes, metadata, crc32c, signal }: Described & { readonly crc32c?: number | undefined },
  ): Promise<string> {
    const request = { operation: "begin upload", key, signal };
    const answer = await this.#requests.send({
      ...request,
      method: "POST",
      // The name goes before the one in the description, which no checksum covers.
      path: this.#paths.upload({ uploadType: "resumable", name: key }),
      headers: { "content-type": "application/json", "x-upload-content-length": String(totalBytes) },
      body: [describeObject(assertKey(key), crc32c, metadata)],
    });
    const session = URL.parse(answer.headers.location ?? "");
    if (session === null) throw new StoreError("network", "begin upload", key, "the answer has no URL of a session");
    // Of any host that the answer names nothing is taken: a session is of the service, and the endpoint is one way there.
    return session.pathname + session.search;
  }

  async held(key: string, id: string, { totalBytes, signal }: Whole): Promise<number | null> {
    const answer = await this.#status(key, id, totalBytes, "list pieces", signal);
    if (answer.status === INCOMPLETE) {
      this.#stoppedAt.set(id, heldBytes(answer));
      return Math.floor(heldBytes(answer) / this.#usualPieceBytes);
    }
    if (UNKNOWN_SESSION.includes(answer.status)) return null;
    const made = madeBy(answer, { operation: "list pieces", key, signal });
    // A session that made anything else is of no use any more.
    return made.key === key && made.sizeBytes === totalBytes ? Math.ceil(totalBytes / this.#usualPieceBytes) : null;
  }

  /** One request, unless the service takes only a part of the piece. What it has of a piece is not sent again. */
  async put(
    key: string,
    id: string,
    { offset, bytes }: Piece,
    { totalBytes, signal, onSent }: Whole & Pick<PutOptions, "onSent">,
  ): Promise<void> {
    const end = offset + bytes.byteLength;
    const stoppedAt = this.#stoppedAt.get(id) ?? 0;
    // Once only: if this piece fails, the service may have less than it said.
    this.#stoppedAt.delete(id);
    for (let from = stoppedAt <= end ? Math.max(offset, stoppedAt) : offset; from < end; ) {
      const before = from - offset;
      const tell = onSent && ((sent: number) => onSent(before + sent));
      const answer = await this.#agents.sending(end - from, tell, () =>
        this.#putBytes(key, id, bytes.subarray(before), { from, totalBytes, signal }),
      );
      if (UNKNOWN_SESSION.includes(answer.status)) throw unknownUpload("put piece", key);
      if (answer.status !== INCOMPLETE) {
        madeBy(answer, { operation: "put piece", key, signal });
        return;
      }
      const held = heldBytes(answer);
      if (held <= from) {
        const detail = `the store has ${held} bytes of the upload and took none at ${from}`;
        throw new StoreError("network", "put piece", key, detail);
      }
      from = held;
    }
  }

  async complete(key: string, id: string, { totalBytes, metadata, signal }: Described): Promise<void> {
    const answer = await this.#status(key, id, totalBytes, "complete", signal);
    if (answer.status === INCOMPLETE) {
      const detail = `the store has ${heldBytes(answer)} of ${totalBytes} bytes of it`;
      throw new StoreError("network", "complete", key, detail);
    }
    const isWhole = (object: Awaited<ReturnType<HeadOf>>): boolean =>
      object?.key === key && object.sizeBytes === totalBytes && object.metadata?.sha256 === metadata.sha256;
    // Of a session that is over for long the service knows nothing; the object tells.
    if (isWhole(readObject(answer.body)) || isWhole(await this.#head(key, { signal }))) return;
    throw unknownUpload("complete", key);
  }

  async abort(key: string, id: string, { signal }: RequestOptions = {}): Promise<void> {
    const session = this.#sessionOf(id);
    if (session === null) return;
    // What is complete cannot be cancelled, and is no failure either.
    await this.#requests.send({ operation: "abort", key, signal, method: "DELETE", session }, [
      ...UNKNOWN_SESSION,
      400,
    ]);
  }

  async *open(): AsyncGenerator<OpenUpload> {}

  async #putBytes(
    key: string,
    id: string,
    bytes: Uint8Array,
    { from, totalBytes, signal }: Whole & { readonly from: number },
  ): Promise<HttpAnswer> {
    const range = `bytes ${from}-${from + bytes.byteLength - 1}/${totalBytes}`;
    return this.#putRange({ operation: "put piece", key, signal }, id, range, [bytes]);
  }

  /** Sends no bytes; what has all its bytes becomes an object by it. */
  async #status(
    key: string,
    id: string,
    totalBytes: number,
    operation: string,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    return this.#putRange({ operation, key, signal }, id, `bytes */${totalBytes}`, []);
  }

  async #putRange(
    request: Pick<SessionRequest, "operation" | "key" | "signal">,
    id: string,
    range: string,
    body: readonly Uint8Array[],
  ): Promise<HttpAnswer> {
    const session = this.#sessionOf(id);
    if (session === null) throw unknownUpload(request.operation, request.key);
    const headers = { "content-range": range };
    return this.#requests.send({ ...request, method: "PUT", session, headers, body }, [INCOMPLETE, ...UNKNOWN_SESSION]);
  }

  /** Null for what was never made here: an id that leads to another host gets nothing. */
  #sessionOf(id: string): URL | null {
    const session = URL.parse(id, this.#requests.endpoint);
    return session?.origin === new URL(this.#requests.endpoint).origin ? session : null;
  }
}

/** A session that is over answers with the object that it made. */
function madeBy(answer: HttpAnswer, request: FailedRequest): ObjectHead {
  const made = readObject(answer.body);
  if (made === null) throw unreadableError(request, answer, "the answer is no description of an object");
  return made;
}

/** Without the header it has none. */
function heldBytes({ headers }: HttpAnswer): number {
  const last = /^bytes=0-(\d+)$/.exec(headers.range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function unknownUpload(operation: string, key: string): StoreError {
  return new StoreError("not-found", operation, key, "the store does not know the upload any more", {
    hint: "Begin it anew.",
  });
}
