import { randomId } from "../../../src/base/ids.ts";
import { conditionNotMet, failure, type GcsAnswer, type GcsRequest } from "./gcs-answer.ts";
import type { Description, StoredObjects } from "./stored-objects.ts";

/** Chunks but the last are stored in multiples of this. */
const UNIT_BYTES = 256 * 1024;

export interface UploadSession {
  readonly name: string;
  readonly described: Description;
  readonly condition: string | null;
  /** Null where the client did not say. */
  readonly announcedBytes: number | null;
  readonly chunks: Buffer[];
  heldBytes: number;
  state: "open" | "complete" | "cancelled";
}

/** Resumable uploads into one bucket. */
export class UploadSessions {
  readonly byId: Map<string, UploadSession> = new Map();
  readonly #objects: StoredObjects;

  constructor(objects: StoredObjects) {
    this.#objects = objects;
  }

  begin({ url, headers, body }: GcsRequest): GcsAnswer {
    const described = (body.length === 0 ? {} : JSON.parse(body.toString())) as Description;
    const name = url.searchParams.get("name") ?? described.name;
    if (name === undefined || name === "") return failure(400, "required", "Required parameter: name");
    const condition = url.searchParams.get("ifGenerationMatch");
    if (!this.#objects.isMet(name, condition)) return conditionNotMet();
    const announced = headers["x-upload-content-length"];
    const announcedBytes = announced === undefined ? null : Number(announced);
    const id = randomId();
    const session = { name, described, condition, announcedBytes, chunks: [], heldBytes: 0, state: "open" as const };
    this.byId.set(id, session);
    const query = new URLSearchParams({ uploadType: "resumable", upload_id: id });
    return { status: 200, headers: { location: `http://${headers.host}${url.pathname}?${query.toString()}` } };
  }

  /** A chunk, or the question how far the upload is. */
  put(id: string, { headers, body }: GcsRequest): GcsAnswer {
    const session = this.byId.get(id);
    if (session === undefined) return failure(404, "notFound", "Not Found");
    if (session.state === "cancelled") return { status: 499 };
    if (session.state === "complete") return this.#objects.describe(session.name);
    const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headers["content-range"] ?? "");
    if (range === null) return failure(400, "badRequest", "Failed to parse Content-Range header.");
    const [, first, last, total] = range;
    if (total !== "*" && session.announcedBytes !== null && Number(total) !== session.announcedBytes) {
      return failure(400, "badRequest", "The total differs from X-Upload-Content-Length.");
    }
    if (first !== undefined) {
      if (Number(last) - Number(first) + 1 !== body.length) {
        return failure(400, "badRequest", "Content-Range differs from the length of the body.");
      }
      const isLast = total !== "*" && Number(last) + 1 === Number(total);
      if (body.length < UNIT_BYTES && !isLast) return tooShort(body.length);
      const refusal = take(session, Number(first), body, total === "*" ? null : Number(total));
      if (refusal !== null) return refusal;
    }
    return session.heldBytes === Number(total) ? this.#finish(id, session, headers["x-goog-hash"]) : progress(session);
  }

  cancel(id: string): GcsAnswer {
    const session = this.byId.get(id);
    if (session === undefined || session.state === "complete") return failure(404, "notFound", "Not Found");
    session.state = "cancelled";
    session.chunks.length = 0;
    return { status: 499 };
  }

  #finish(id: string, session: UploadSession, hashes: string | string[] | undefined): GcsAnswer {
    const { name, described, condition } = session;
    const bytes = Buffer.concat(session.chunks);
    const answer = this.#objects.put({ ...described, name }, bytes, condition, String(hashes ?? ""));
    session.chunks.length = 0;
    if (answer.status === 200) session.state = "complete";
    else this.byId.delete(id);
    return answer;
  }
}

function tooShort(byteLength: number): GcsAnswer {
  const rule = `required to be equal or greater than ${UNIT_BYTES}, except for the final request`;
  return failure(400, "badRequest", `The number of bytes uploaded is ${rule}; the request contained ${byteLength}.`);
}

/** What is held already is passed over; what lies beyond it is refused. */
function take(session: UploadSession, first: number, body: Buffer, total: number | null): GcsAnswer | null {
  if (first > session.heldBytes) {
    const message = `Invalid request. According to the Content-Range header, the upload offset is ${first} byte(s), which exceeds already uploaded size of ${session.heldBytes} byte(s).`;
    return failure(503, "backendError", message);
  }
  const fresh = body.subarray(session.heldBytes - first);
  const isLast = session.heldBytes + fresh.length === total;
  const taken = fresh.subarray(0, isLast ? fresh.length : fresh.length - (fresh.length % UNIT_BYTES));
  session.chunks.push(Buffer.from(taken));
  session.heldBytes += taken.length;
  return null;
}

function progress({ heldBytes }: UploadSession): GcsAnswer {
  return { status: 308, headers: heldBytes === 0 ? {} : { range: `bytes=0-${heldBytes - 1}` } };
}
