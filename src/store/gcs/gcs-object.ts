import { z } from "zod";
import { randomId } from "../../base/ids.ts";
import type { ObjectHead, ObjectMetadata } from "../object-client.ts";

const SHA256_NAME = "varve-sha256";

const STORED_OBJECT = z.object({
  name: z.string(),
  size: z.string().regex(/^\d+$/).transform(Number),
  updated: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});

const OBJECT_PAGE = z.object({
  // All else may be absent: this tells an empty page from what is none.
  kind: z.literal("storage#objects"),
  items: z.array(STORED_OBJECT).optional(),
  nextPageToken: z.string().optional(),
});

/** Of what the service tells about an object, the fields that are asked for. */
export const OBJECT_FIELDS = "name,size,updated,metadata";
export const PAGE_FIELDS = "kind,items(name,size,updated),nextPageToken";

/** An object as it is stored; null where the bytes are no description of one. */
export function readObject(body: Uint8Array): (ObjectHead & { readonly metadata: ObjectMetadata | null }) | null {
  const { data } = STORED_OBJECT.safeParse(parsed(body));
  return data === undefined ? null : { ...headOf(data), metadata: metadataOf(data) };
}

/** A page of a listing, and what asks for the next one; null where the bytes are no page. */
export function readPage(
  body: Uint8Array,
): { readonly heads: readonly ObjectHead[]; readonly nextPageToken: string | undefined } | null {
  const { data } = OBJECT_PAGE.safeParse(parsed(body));
  return data === undefined ? null : { heads: (data.items ?? []).map(headOf), nextPageToken: data.nextPageToken };
}

/** What is to be stored, as the service wants it described. It refuses bytes of another CRC-32C. */
export function describeObject(
  key: string,
  crc32c: number | undefined,
  metadata: ObjectMetadata | undefined,
): Uint8Array {
  const described = {
    name: key,
    contentType: "application/octet-stream",
    ...(crc32c !== undefined && { crc32c: encodeCrc32c(crc32c) }),
    ...(metadata && { metadata: { [SHA256_NAME]: metadata.sha256 } }),
  };
  return Buffer.from(JSON.stringify(described));
}

/** One request of description and bytes. The bytes are not copied. */
export function multipartBody(
  description: Uint8Array,
  bytes: Uint8Array,
): { readonly contentType: string; readonly parts: readonly Uint8Array[] } {
  const boundary = randomId();
  const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n`;
  const between = `\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
  const parts = [Buffer.from(head), description, Buffer.from(between), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)];
  return { contentType: `multipart/related; boundary=${boundary}`, parts };
}

/** Big-endian, in base64, as everywhere in the service. */
function encodeCrc32c(crc32c: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32c);
  return bytes.toString("base64");
}

/** The CRC-32C in a header `x-goog-hash: crc32c=…,md5=…`; null where it has none. */
export function crc32cOf(header: string | readonly string[] | undefined): number | null {
  const found = /(?:^|[\s,])crc32c=([A-Za-z0-9+/]{6}==)/.exec(String(header ?? ""))?.[1];
  return found === undefined ? null : Buffer.from(found, "base64").readUInt32BE();
}

function headOf({ name, size, updated }: z.infer<typeof STORED_OBJECT>): ObjectHead {
  const modifiedAtMs = Date.parse(updated ?? "");
  return { key: name, sizeBytes: size, modifiedAtMs: Number.isNaN(modifiedAtMs) ? null : modifiedAtMs };
}

/** Null for an object that somebody else wrote. */
function metadataOf({ metadata }: z.infer<typeof STORED_OBJECT>): ObjectMetadata | null {
  const sha256 = metadata?.[SHA256_NAME];
  return sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : null;
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
