import { conditionNotMet, failure, type GcsAnswer, type GcsRequest, noBucket, noObject } from "./gcs-answer.ts";
import { partialAnswer } from "./partial-answer.ts";
import type { Description, StoredObject, StoredObjects } from "./stored-objects.ts";
import type { UploadSessions } from "./upload-sessions.ts";

/** What a request is, as tests count them. */
export type RequestKind =
  | "insert"
  | "begin"
  | "piece"
  | "status"
  | "cancel"
  | "download"
  | "describe"
  | "list"
  | "delete"
  | "other";

export interface GcsBucket {
  readonly objects: StoredObjects;
  readonly uploads: UploadSessions;
}

const OBJECTS = /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/;

export function kindOf({ method, url, headers }: GcsRequest): RequestKind {
  const [, upload, , name] = OBJECTS.exec(url.pathname) ?? [];
  const { searchParams } = url;
  if (upload !== undefined) {
    if (method === "POST") return searchParams.get("uploadType") === "resumable" ? "begin" : "insert";
    if (method === "DELETE") return "cancel";
    return headers["content-range"]?.startsWith("bytes *") ? "status" : "piece";
  }
  if (method === "GET") {
    if (name === undefined) return "list";
    return searchParams.get("alt") === "media" ? "download" : "describe";
  }
  return method === "DELETE" ? "delete" : "other";
}

/** Answers as the JSON API of Google Cloud Storage does. */
export function answerTo(request: GcsRequest, bucket: GcsBucket): GcsAnswer {
  const [, , bucketName, encodedName] = OBJECTS.exec(request.url.pathname) ?? [];
  const { objects, uploads } = bucket;
  const { searchParams } = request.url;
  if (bucketName === undefined) return failure(404, "notFound", "Not Found");
  if (decodeURIComponent(bucketName) !== objects.bucket) return noBucket();
  const name = decodeURIComponent(encodedName ?? "");
  switch (kindOf(request)) {
    case "insert":
      return insert(request, objects);
    case "begin":
      return uploads.begin(request);
    case "piece":
    case "status":
      return uploads.put(searchParams.get("upload_id") ?? "", request);
    case "cancel":
      return uploads.cancel(searchParams.get("upload_id") ?? "");
    case "list":
      return partialAnswer(objects.list(searchParams), searchParams.get("fields"));
    case "other":
      return failure(405, "methodNotAllowed", "Method not allowed.");
    default:
      return onObject(request, objects, name);
  }
}

function onObject(request: GcsRequest, objects: StoredObjects, name: string): GcsAnswer {
  const stored = objects.byName.get(name);
  const isDownload = kindOf(request) === "download";
  if (stored === undefined) {
    // Downloads are refused in plain text.
    const text = { status: 404, headers: { "content-type": "text/html; charset=UTF-8" } };
    return isDownload ? { ...text, body: `No such object: ${objects.bucket}/${name}` } : noObject(objects.bucket, name);
  }
  if (!objects.isMet(name, request.url.searchParams.get("ifGenerationMatch"))) return conditionNotMet();
  if (isDownload) return download(stored, request.headers.range);
  if (request.method === "GET") return partialAnswer(objects.describe(name), request.url.searchParams.get("fields"));
  objects.byName.delete(name);
  return { status: 204 };
}

function insert({ url, headers, body }: GcsRequest, objects: StoredObjects): GcsAnswer {
  const { searchParams } = url;
  const condition = searchParams.get("ifGenerationMatch");
  const hashes = String(headers["x-goog-hash"] ?? "");
  const isMultipart = searchParams.get("uploadType") === "multipart";
  const { described, bytes } = isMultipart ? multipart(headers["content-type"] ?? "", body) : media(headers, body);
  const name = searchParams.get("name") ?? described.name;
  if (name === undefined || name === "") return failure(400, "required", "Required parameter: name");
  return objects.put({ ...described, name }, bytes, condition, hashes);
}

function media(headers: GcsRequest["headers"], body: Buffer): { described: Description; bytes: Buffer } {
  const contentType = headers["content-type"];
  return { described: contentType === undefined ? {} : { contentType }, bytes: body };
}

/** Two parts: JSON that describes the object, then its bytes. */
function multipart(contentType: string, body: Buffer): { described: Description; bytes: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1] ?? "";
  const delimiter = `\r\n--${boundary}`;
  const jsonStart = body.indexOf("\r\n\r\n") + 4;
  const jsonEnd = body.indexOf(delimiter, jsonStart);
  const bytesStart = body.indexOf("\r\n\r\n", jsonEnd) + 4;
  const bytesEnd = body.lastIndexOf(`${delimiter}--`);
  const described = JSON.parse(body.subarray(jsonStart, jsonEnd).toString()) as Description;
  return { described, bytes: Buffer.from(body.subarray(bytesStart, bytesEnd)) };
}

function download({ bytes, crc32c, md5, contentType, generation }: StoredObject, range: string | undefined): GcsAnswer {
  const headers = {
    "content-type": contentType,
    "x-goog-generation": generation,
    "x-goog-hash": `crc32c=${crc32c},md5=${md5}`,
    "x-goog-stored-content-length": String(bytes.length),
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (first === undefined) return { status: 200, headers, body: bytes };
  const start = Number(first);
  const end = last === "" ? bytes.length : Math.min(Number(last) + 1, bytes.length);
  if (start >= bytes.length) return failure(416, "requestedRangeNotSatisfiable", "Request range not satisfiable");
  const contentRange = `bytes ${start}-${end - 1}/${bytes.length}`;
  return { status: 206, headers: { ...headers, "content-range": contentRange }, body: bytes.subarray(start, end) };
}
