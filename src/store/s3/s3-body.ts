import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { StoreError } from "../../errors.ts";
import type { ByteRange } from "../store.ts";
import { differingChecksum } from "./s3-checksum.ts";

/** Memory taken on the word of an answer; more comes as bytes do. */
const MOST_AT_ONCE_BYTES = 64 * 1024 * 1024;

/**
 * Reads an answer to its end.
 *
 * @param range - what was asked for; null for the whole object
 * @throws StoreError of kind `network` where it is longer or shorter than announced, `io` where it is not what its
 *   checksum says, `unsupported` where it is another range than was asked for. Anything of the connection is thrown as
 *   it is
 */
export async function readBody(
  output: GetObjectCommandOutput,
  key: string,
  range: ByteRange | null,
): Promise<Uint8Array> {
  if (output.ETag === undefined) throw new StoreError("network", "get", key, "the answer is none of S3: no ETag");
  const announced = range === null ? output.ContentLength : announcedBytes(output, key, range);
  if (announced === undefined) throw new StoreError("network", "get", key, "the answer does not tell its length");
  const bytes = await collect(output.Body as AsyncIterable<Uint8Array> | undefined, announced, key);
  const differing = range === null ? differingChecksum(output, bytes) : null;
  if (differing === null) return bytes;
  throw new StoreError("io", "get", key, `what arrived is not what its ${differing} says`);
}

/** A server may answer with less than the range, or with the whole object: that must not pass for what was asked for. */
function announcedBytes(
  { ContentRange, ContentLength }: GetObjectCommandOutput,
  key: string,
  { offset, length }: ByteRange,
): number | undefined {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange ?? "") ?? [];
  const end = Math.min(offset + length, Number(total));
  const isAsked = Number(first) === offset && Number(last) + 1 === end;
  if (isAsked && (ContentLength ?? end - offset) === end - offset) return end - offset;
  const isWhole = ContentRange === undefined && offset === 0 && (ContentLength ?? 0) <= length;
  if (isWhole) return ContentLength;
  const got = ContentRange === undefined ? "no range" : ContentRange.slice(0, 80);
  throw new StoreError("unsupported", "get", key, `expected ${length} bytes from ${offset}, got ${got}`);
}

async function collect(
  body: AsyncIterable<Uint8Array> | undefined,
  announced: number,
  key: string,
): Promise<Uint8Array> {
  let memory = new Uint8Array(Math.min(announced, MOST_AT_ONCE_BYTES));
  let size = 0;
  for await (const chunk of body ?? []) {
    const end = size + chunk.byteLength;
    if (end > announced) throw new StoreError("network", "get", key, "more bytes arrived than were announced");
    if (end > memory.byteLength) {
      memory = new Uint8Array(memory.buffer.transfer(Math.min(announced, 2 * end)));
    }
    memory.set(chunk, size);
    size = end;
  }
  if (size !== announced) throw new StoreError("network", "get", key, `${size} of ${announced} bytes arrived`);
  return memory;
}
