import { randomId } from "../../../src/base/ids.ts";
import { element, errorAnswer, type S3Answer, textOf, xmlAnswer } from "./s3-answer.ts";
import { compositeChecksum, compositeEtag, etagOf, isRefusal, verifyChecksums } from "./s3-checksums.ts";
import { timeElement } from "./s3-listing.ts";
import { metadataOf, refuseByCondition } from "./s3-objects.ts";
import type { S3Request } from "./s3-request.ts";
import type { S3State, StoredPart, StoredUpload } from "./s3-state.ts";

const MAX_PARTS = 10_000;

export function createUpload({ key, headers }: S3Request, { bucket, uploads }: S3State): S3Answer {
  const id = randomId();
  const checksum = headers["x-amz-checksum-algorithm"];
  uploads.set(id, {
    id,
    key,
    startedAtMs: Date.now(),
    metadata: metadataOf(headers),
    checksum: typeof checksum === "string" ? checksum.toLowerCase() : null,
    parts: new Map(),
  });
  const content = element("Bucket", bucket) + element("Key", key) + element("UploadId", id);
  return xmlAnswer("InitiateMultipartUploadResult", content);
}

export function putPart(request: S3Request, state: S3State): S3Answer {
  const { query, headers, body } = request;
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const number = Number(query.get("partNumber"));
  if (!Number.isInteger(number) || number < 1 || number > MAX_PARTS) {
    return errorAnswer(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  const checksums = verifyChecksums(headers, body);
  if (isRefusal(checksums)) return checksums;
  const kind = Object.keys(checksums)[0]?.slice("x-amz-checksum-".length) ?? null;
  if (kind !== upload.checksum) {
    const kinds = `expected checksum Type: ${upload.checksum}, actual checksum Type: ${kind}`;
    return errorAnswer(400, "InvalidRequest", `Checksum Type mismatch occurred, ${kinds}`);
  }
  const etag = etagOf(body);
  upload.parts.set(number, { bytes: body, etag, modifiedAtMs: Date.now(), checksums });
  return { status: 200, headers: { etag, ...checksums } };
}

export function listParts(request: S3Request, state: S3State): S3Answer {
  const { query, key } = request;
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const after = Number(query.get("part-number-marker") ?? 0);
  const rest = [...upload.parts].filter(([number]) => number > after).sort(([one], [other]) => one - other);
  const page = rest.slice(0, Math.min(state.pageSize, Number(query.get("max-parts") ?? 1000)));
  const isTruncated = page.length < rest.length;
  const head = [
    element("Key", key),
    element("UploadId", upload.id),
    element("IsTruncated", isTruncated),
    ...(upload.checksum === null ? [] : [element("ChecksumAlgorithm", upload.checksum.toUpperCase())]),
    ...(isTruncated ? [element("NextPartNumberMarker", page.at(-1)?.[0] ?? 0)] : []),
  ];
  return xmlAnswer("ListPartsResult", head.join("") + page.map(([number, part]) => partElement(number, part)).join(""));
}

export function completeUpload(request: S3Request, state: S3State): S3Answer {
  const { key, headers, body } = request;
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const parts = chooseParts(body.toString("utf8"), upload, state.minPartBytes);
  if (!Array.isArray(parts)) return parts;
  const refusal = refuseByCondition(headers, key, state);
  if (refusal !== null) return refusal;
  const etag = compositeEtag(parts.map((part) => part.etag));
  state.uploads.delete(upload.id);
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  const checksums = checksumOfAll(upload, parts);
  state.objects.set(key, { bytes, etag, modifiedAtMs: Date.now(), metadata: upload.metadata, checksums });
  return xmlAnswer("CompleteMultipartUploadResult", element("Key", key) + element("ETag", etag));
}

export function abortUpload(request: S3Request, state: S3State): S3Answer {
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  state.uploads.delete(upload.id);
  return { status: 204 };
}

function findUpload({ query, key }: S3Request, { uploads }: S3State): StoredUpload | null {
  const upload = uploads.get(query.get("uploadId") ?? "");
  return upload?.key === key ? upload : null;
}

function noSuchUpload(): S3Answer {
  const message = "The specified upload does not exist. The upload ID may be invalid, or it may have been aborted.";
  return errorAnswer(404, "NoSuchUpload", message);
}

/** The parts that the client names, each with what it says of it; or why they make no object. */
function chooseParts(xml: string, upload: StoredUpload, minPartBytes: number): StoredPart[] | S3Answer {
  const chosen: StoredPart[] = [];
  let previous = 0;
  const entries = xml.match(/<Part>.*?<\/Part>/gs) ?? [];
  if (entries.length === 0) return errorAnswer(400, "MalformedXML", "The XML you provided was not well-formed");
  for (const [index, entry] of entries.entries()) {
    const number = Number(textOf(entry, "PartNumber"));
    if (number <= previous)
      return errorAnswer(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
    previous = number;
    const part = upload.parts.get(number);
    if (part === undefined || textOf(entry, "ETag")?.replaceAll('"', "") !== part.etag.replaceAll('"', "")) {
      return errorAnswer(400, "InvalidPart", "One or more of the specified parts could not be found.");
    }
    const { checksum } = upload;
    if (checksum !== null) {
      const told = textOf(entry, `Checksum${checksum.toUpperCase()}`);
      const message = `The complete request must include the checksum for each part. It was missing for part ${number}`;
      if (told === null) return errorAnswer(400, "InvalidRequest", message);
      if (told !== part.checksums[`x-amz-checksum-${checksum}`]) return errorAnswer(400, "InvalidPart");
    }
    if (index < entries.length - 1 && part.bytes.length < minPartBytes) {
      return errorAnswer(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
    }
    chosen.push(part);
  }
  return chosen;
}

function checksumOfAll({ checksum }: StoredUpload, parts: readonly StoredPart[]): Readonly<Record<string, string>> {
  if (checksum === null) return {};
  const name = `x-amz-checksum-${checksum}`;
  return {
    [name]: compositeChecksum(
      checksum,
      parts.map((part) => part.checksums[name] ?? ""),
    ),
  };
}

function partElement(number: number, { bytes, etag, modifiedAtMs, checksums }: StoredPart): string {
  const told = Object.entries(checksums).map(([name, value]) =>
    element(`Checksum${name.slice("x-amz-checksum-".length).toUpperCase()}`, value),
  );
  return `<Part>${element("PartNumber", number)}${timeElement("LastModified", modifiedAtMs)}${element("ETag", etag)}${element("Size", bytes.length)}${told.join("")}</Part>`;
}
