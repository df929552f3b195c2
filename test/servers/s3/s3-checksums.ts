import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { crc32 as zlibCrc32 } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { errorAnswer, type S3Answer } from "./s3-answer.ts";

const ALGORITHMS: Readonly<Record<string, (bytes: Buffer) => string>> = {
  crc32: (bytes) => wordInBase64(zlibCrc32(bytes)),
  crc32c: (bytes) => wordInBase64(crc32c(bytes)),
  sha1: (bytes) => createHash("sha1").update(bytes).digest("base64"),
  sha256: (bytes) => sha256Of(bytes).toString("base64"),
};
const NO_CHECKSUMS: readonly string[] = ["x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type"];

/** Of bodies: signature and checksum of one may both tell it, and in benchmarks this server shares the machine. */
const sha256s = new WeakMap<Buffer, Buffer>();

const TWO_CHECKSUMS = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";

export type Checksums = Readonly<Record<string, string>>;

/** Compares every checksum of a request with its bytes, and gives those that S3 keeps; or the refusal. */
export function verifyChecksums(headers: IncomingHttpHeaders, bytes: Buffer): Checksums | S3Answer {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("x-amz-checksum-") || NO_CHECKSUMS.includes(name)) continue;
    const compute = ALGORITHMS[name.slice("x-amz-checksum-".length)];
    if (compute === undefined) return errorAnswer(501, "NotImplemented", `${name} is not verified here`);
    if (Object.keys(kept).length > 0) return errorAnswer(400, "InvalidRequest", TWO_CHECKSUMS);
    if (compute(bytes) !== value) return badDigest(name);
    kept[name] = value;
  }
  const md5 = headers["content-md5"];
  if (md5 !== undefined && md5 !== createHash("md5").update(bytes).digest("base64")) return badDigest("Content-MD5");
  return kept;
}

/** The checksum that is part of the signature, of the body as it came. */
export function verifyPayload(headers: IncomingHttpHeaders, body: Buffer): S3Answer | null {
  const expected = headers["x-amz-content-sha256"];
  if (typeof expected !== "string" || !/^[0-9a-f]{64}$/.test(expected)) return null;
  if (sha256Of(body).toString("hex") === expected) return null;
  const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  return errorAnswer(400, "XAmzContentSHA256Mismatch", message);
}

/** Of an object made of parts: the checksum of their checksums, and how many there were. */
export function compositeChecksum(algorithm: string, ofParts: readonly string[]): string {
  const joined = Buffer.concat(ofParts.map((checksum) => Buffer.from(checksum, "base64")));
  return `${ALGORITHMS[algorithm]?.(joined)}-${ofParts.length}`;
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

export function compositeEtag(etags: readonly string[]): string {
  const joined = Buffer.concat(etags.map((etag) => Buffer.from(etag.replaceAll('"', ""), "hex")));
  return `"${createHash("md5").update(joined).digest("hex")}-${etags.length}"`;
}

export function isRefusal(result: Checksums | S3Answer): result is S3Answer {
  return typeof result["status"] === "number";
}

function badDigest(header: string): S3Answer {
  return errorAnswer(400, "BadDigest", `The ${header} you specified did not match what we received.`);
}

function sha256Of(body: Buffer): Buffer {
  const sha256 = sha256s.get(body) ?? createHash("sha256").update(body).digest();
  sha256s.set(body, sha256);
  return sha256;
}

function wordInBase64(word: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word >>> 0);
  return bytes.toString("base64");
}
