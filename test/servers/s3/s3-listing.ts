import { element, encodeName, errorAnswer, type S3Answer, xmlAnswer } from "./s3-answer.ts";
import type { S3Request } from "./s3-request.ts";
import type { S3State } from "./s3-state.ts";

/** ListObjectsV2. */
export function listObjects({ query }: S3Request, { bucket, objects, pageSize }: S3State): S3Answer {
  if (query.has("delimiter")) return errorAnswer(501, "NotImplemented", "no delimiters here");
  const prefix = query.get("prefix") ?? "";
  const after = decodeToken(query.get("continuation-token")) ?? query.get("start-after") ?? "";
  const isEncoded = query.get("encoding-type") === "url";
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(prefix) && compareNames(key, after) > 0)
    .sort(compareNames);
  const page = keys.slice(0, Math.min(pageSize, Number(query.get("max-keys") ?? 1000)));
  const isTruncated = page.length < keys.length;
  const entries = page.map((key) => {
    const { bytes, etag, modifiedAtMs } = objects.get(key) as NonNullable<ReturnType<typeof objects.get>>;
    const name = element("Key", encodeName(key, isEncoded));
    return `<Contents>${name}${timeElement("LastModified", modifiedAtMs)}${element("ETag", etag)}${element("Size", bytes.length)}</Contents>`;
  });
  const head = [
    element("Name", bucket),
    element("Prefix", encodeName(prefix, isEncoded)),
    ...(isEncoded ? [element("EncodingType", "url")] : []),
    element("KeyCount", page.length),
    element("IsTruncated", isTruncated),
    ...(isTruncated ? [element("NextContinuationToken", encodeToken(page.at(-1) ?? ""))] : []),
  ];
  return xmlAnswer("ListBucketResult", head.join("") + entries.join(""));
}

/** ListMultipartUploads: in order of key, of one key in order of beginning. */
export function listUploads({ query }: S3Request, { bucket, uploads, pageSize }: S3State): S3Answer {
  const prefix = query.get("prefix") ?? "";
  const keyMarker = query.get("key-marker");
  const idMarker = query.get("upload-id-marker");
  const isEncoded = query.get("encoding-type") === "url";
  const all = [...uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .sort((one, other) => compareNames(one.key, other.key) || one.startedAtMs - other.startedAtMs);
  const marked = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker);
  const rest = marked >= 0 ? all.slice(marked + 1) : all.filter(({ key }) => compareNames(key, keyMarker ?? "") > 0);
  const page = rest.slice(0, pageSize);
  const last = page.at(-1);
  const isTruncated = page.length < rest.length;
  const entries = page.map(({ key, id, startedAtMs }) => {
    const name = element("Key", encodeName(key, isEncoded));
    return `<Upload>${name}${element("UploadId", id)}${timeElement("Initiated", startedAtMs)}</Upload>`;
  });
  const head = [
    element("Bucket", bucket),
    element("IsTruncated", isTruncated),
    ...(isEncoded ? [element("EncodingType", "url")] : []),
    ...(isTruncated && last !== undefined
      ? [element("NextKeyMarker", encodeName(last.key, isEncoded)), element("NextUploadIdMarker", last.id)]
      : []),
  ];
  return xmlAnswer("ListMultipartUploadsResult", head.join("") + entries.join(""));
}

export function timeElement(name: string, timeMs: number): string {
  return element(name, new Date(timeMs).toISOString());
}

/** S3 lists by the bytes of UTF-8, which is not the order of JavaScript's strings. */
function compareNames(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

/** Tokens mean nothing to clients. */
function encodeToken(key: string): string {
  return Buffer.from(key).toString("base64");
}

function decodeToken(token: string | null): string | null {
  return token === null ? null : Buffer.from(token, "base64").toString();
}
