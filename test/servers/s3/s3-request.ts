import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { RequestKind } from "./s3-state.ts";

/** One request, read to its end. */
export interface S3Request {
  readonly kind: RequestKind;
  readonly method: string;
  readonly bucket: string;
  /** Empty in requests about the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** Trailers of a chunked body among them. */
  readonly headers: IncomingHttpHeaders;
  /** As it came over the wire. */
  readonly rawBody: Buffer;
  readonly body: Buffer;
}

export async function readRequest(message: IncomingMessage): Promise<S3Request> {
  const { method = "", url = "/" } = message;
  const { pathname, searchParams: query } = new URL(url, "http://localhost");
  const [, bucket = "", path = ""] = /^\/([^/]*)\/?(.*)$/s.exec(pathname) ?? [];
  const key = decodeURIComponent(path);
  const rawBody = await readBody(message);
  const { body, trailers } = isChunked(message.headers) ? decodeChunks(rawBody) : { body: rawBody, trailers: {} };
  const headers = { ...message.headers, ...trailers };
  return { kind: kindOf(method, key, query), method, bucket, key, query, headers, rawBody, body };
}

function kindOf(method: string, key: string, query: URLSearchParams): RequestKind {
  if (key === "") {
    if (method === "HEAD") return "headBucket";
    if (method !== "GET") return "other";
    if (query.has("uploads")) return "listUploads";
    return query.get("list-type") === "2" ? "list" : "other";
  }
  const ofUpload: Readonly<Record<string, RequestKind>> = {
    PUT: "putPart",
    GET: "listParts",
    POST: "completeUpload",
    DELETE: "abortUpload",
  };
  if (query.has("uploadId")) return ofUpload[method] ?? "other";
  if (query.has("uploads")) return method === "POST" ? "createUpload" : "other";
  const ofObject: Readonly<Record<string, RequestKind>> = { PUT: "put", GET: "get", HEAD: "head", DELETE: "delete" };
  return ofObject[method] ?? "other";
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function isChunked(headers: IncomingHttpHeaders): boolean {
  return (headers["content-encoding"] ?? "").includes("aws-chunked");
}

/** The AWS form of chunks: `size;chunk-signature=…`, then the bytes; after the last one, of size 0, trailers. */
function decodeChunks(raw: Buffer): { readonly body: Buffer; readonly trailers: IncomingHttpHeaders } {
  const chunks: Buffer[] = [];
  let place = 0;
  for (;;) {
    const end = raw.indexOf("\r\n", place);
    const size = Number.parseInt(raw.toString("latin1", place, end), 16);
    if (end < 0 || !Number.isSafeInteger(size)) throw new Error("a chunk without its size");
    place = end + 2;
    if (size === 0) break;
    chunks.push(raw.subarray(place, place + size));
    place += size + 2;
  }
  const lines = raw.toString("latin1", place).split("\r\n");
  const pairs = lines.filter((line) => line.includes(":")).map((line) => line.split(/:\s*/, 2) as [string, string]);
  return { body: Buffer.concat(chunks), trailers: Object.fromEntries(pairs.map(([n, v]) => [n.toLowerCase(), v])) };
}
