import { crc32c } from "../../base/hash.ts";
import { StoreError } from "../../errors.ts";
import type { ByteRange } from "../store.ts";
import type { HttpAnswer } from "./gcs-http.ts";
import { crc32cOf } from "./gcs-object.ts";

/** The header for a range of at least one byte. */
export function rangeHeader({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${Math.min(offset + length, Number.MAX_SAFE_INTEGER) - 1}`;
}

/**
 * The bytes that were asked for, checked as far as the service lets one: of a range only the length, of a whole object
 * the CRC-32C too.
 *
 * @throws StoreError of kind `network` for other bytes than were asked for, `io` for some that are not what was stored
 */
export function checkedBody({ status, headers, body }: HttpAnswer, key: string, range: ByteRange | null): Uint8Array {
  const checksum = crc32cOf(headers["x-goog-hash"]);
  if (checksum === null) throw new StoreError("network", "get", key, "the answer is none of the service's own");
  const { offset, length, total } = status === 206 ? partOf(headers["content-range"], key) : wholeOf(body);
  const isAsked = range === null ? length === total : offset === range.offset && length <= range.length;
  const isWhole = length === total;
  const isShort = range !== null && length < range.length && offset + length < total;
  if (!isAsked || isShort || body.byteLength !== length) {
    const got = `${body.byteLength} of bytes ${offset}..${offset + length} of ${total}`;
    throw new StoreError("network", "get", key, `other bytes arrived than were asked for: ${got}`);
  }
  if (isWhole && crc32c(body) !== checksum) {
    throw new StoreError("io", "get", key, "what arrived is not what its CRC-32C says");
  }
  return body;
}

interface ObjectPart extends ByteRange {
  readonly total: number;
}

function wholeOf({ byteLength }: Uint8Array): ObjectPart {
  return { offset: 0, length: byteLength, total: byteLength };
}

function partOf(header: string | undefined, key: string): ObjectPart {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || total === undefined) {
    throw new StoreError("network", "get", key, "the answer does not say which bytes it has");
  }
  return { offset: Number(first), length: Number(last) - Number(first) + 1, total: Number(total) };
}
