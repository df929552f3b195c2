import { createHash } from "node:crypto";
import type { BlobDownloadResponseParsed } from "@azure/storage-blob";
import { StoreError } from "../../errors.ts";

/** What the service compares with what arrives, before it acknowledges; about 0.6 GB/s. */
export function md5Of(bytes: Uint8Array): Uint8Array {
  return createHash("md5").update(bytes).digest();
}

/**
 * Reads an answer to its end.
 *
 * @param mostBytes - what was asked for: more is an error
 * @throws StoreError of kind `network` where it is longer or shorter than announced, `io` where it is not what its
 *   checksum says. Anything of the connection is thrown as it is
 */
export async function readBody(
  response: BlobDownloadResponseParsed,
  key: string,
  mostBytes: number,
): Promise<Uint8Array> {
  const { contentLength = 0, readableStreamBody, contentMD5 } = response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of readableStreamBody ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.byteLength;
    if (size > mostBytes) throw new StoreError("network", "get", key, "more bytes arrived than were asked for");
    chunks.push(bytes);
  }
  if (size !== contentLength) {
    throw new StoreError("network", "get", key, `${size} of ${contentLength} bytes arrived`);
  }
  const whole = joined(chunks, size);
  if (contentMD5 !== undefined && Buffer.compare(contentMD5, md5Of(whole)) !== 0) {
    throw new StoreError("io", "get", key, "what arrived is not what its MD5 says");
  }
  return whole;
}

/** In memory of its own: a Buffer may share its with others. */
function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
