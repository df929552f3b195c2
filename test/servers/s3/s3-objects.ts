import type { IncomingHttpHeaders } from "node:http";
import { errorAnswer, type S3Answer } from "./s3-answer.ts";
import { etagOf, isRefusal, verifyChecksums } from "./s3-checksums.ts";
import type { S3Request } from "./s3-request.ts";
import type { S3State, StoredObject } from "./s3-state.ts";

export function putObject({ key, headers, body }: S3Request, state: S3State): S3Answer {
  const checksums = verifyChecksums(headers, body);
  if (isRefusal(checksums)) return checksums;
  const refusal = refuseByCondition(headers, key, state);
  if (refusal !== null) return refusal;
  const etag = etagOf(body);
  const metadata = metadataOf(headers);
  state.objects.set(key, { bytes: body, etag, modifiedAtMs: Date.now(), metadata, checksums });
  return { status: 200, headers: { etag, ...checksums } };
}

export function getObject({ key, headers, method }: S3Request, { objects }: S3State): S3Answer {
  const object = objects.get(key);
  if (object === undefined) return errorAnswer(404, "NoSuchKey", "The specified key does not exist.");
  const { bytes } = object;
  const range = method === "HEAD" ? null : readRange(headers.range, bytes.length);
  if (range === "none") return errorAnswer(416, "InvalidRange", "The requested range is not satisfiable");
  if (range === null) {
    const wanted = headers["x-amz-checksum-mode"] === "ENABLED" ? object.checksums : {};
    return { status: 200, headers: { ...headersOf(object), ...wanted, "content-length": bytes.length }, body: bytes };
  }
  const { start, end } = range;
  const contentRange = `bytes ${start}-${end - 1}/${bytes.length}`;
  const rangeHeaders = { ...headersOf(object), "content-range": contentRange, "content-length": end - start };
  return { status: 206, headers: rangeHeaders, body: bytes.subarray(start, end) };
}

export function deleteObject({ key }: S3Request, { objects }: S3State): S3Answer {
  objects.delete(key);
  return { status: 204 };
}

/** Null where the write may be made. */
export function refuseByCondition(
  headers: IncomingHttpHeaders,
  key: string,
  { objects, ignoresConditions }: S3State,
): S3Answer | null {
  if (ignoresConditions || headers["if-none-match"] === undefined) return null;
  if (headers["if-none-match"] !== "*") return errorAnswer(501, "NotImplemented", "only If-None-Match: *");
  if (!objects.has(key)) return null;
  return errorAnswer(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
}

export function metadataOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const prefix = "x-amz-meta-";
  const found = Object.entries(headers).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), String(value)]));
}

function headersOf({ etag, modifiedAtMs, metadata }: StoredObject): Readonly<Record<string, string>> {
  const named = Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
  return {
    etag,
    "last-modified": new Date(modifiedAtMs).toUTCString(),
    "accept-ranges": "bytes",
    "content-type": "application/octet-stream",
    ...Object.fromEntries(named),
  };
}

/** Null for the whole object, "none" for a range that holds nothing of it. */
function readRange(header: string | undefined, size: number): { start: number; end: number } | "none" | null {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return null;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : "none";
}
