import { inspect } from "node:util";
import { expect, onTestFinished } from "vitest";
import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import type { ObjectClient, Piece } from "../../../src/store/object-client.ts";
import { type CloudOptions, parseObjectUrl } from "../../../src/store/object-url.ts";

export const bytes: Uint8Array = new TextEncoder().encode("content");
export const metadata = { sha256: "5d".repeat(32) };
export const whole = { totalBytes: bytes.length, metadata };
export const piece: Piece = { index: 0, offset: 0, bytes, isLast: true };
export const SESSION_SECRET = "session-canary-0123456789";

/** A client that the test closes at its end. */
export async function connectForTest(url: string, options: CloudOptions): Promise<ObjectClient> {
  const client = await connectGcs(parseObjectUrl(url, options), { pageSize: 3 });
  onTestFinished(() => client.close());
  return client;
}

/**
 * One of every kind that an adapter sends.
 *
 * @param id - of the upload; one that no server knows by default
 */
export function everyRequest(
  client: ObjectClient,
  id = `/upload/storage/v1/b/bucket/o?uploadType=resumable&upload_id=${SESSION_SECRET}`,
): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    put: () => client.put("key", bytes),
    create: () => client.put("key", bytes, { ifAbsent: true }),
    get: () => client.get("key"),
    range: () => client.get("key", { range: { offset: 0, length: 3 } }),
    "empty range": () => client.get("key", { range: { offset: 0, length: 0 } }),
    head: () => client.head("key"),
    list: () => client.list("")[Symbol.asyncIterator]().next(),
    delete: () => client.delete("key"),
    begin: () => client.pieces.begin("key", whole),
    piece: () => client.pieces.put("key", id, piece, whole),
    held: () => client.pieces.held("key", id, whole),
    complete: () => client.pieces.complete("key", id, whole),
    abort: () => client.pieces.abort("key", id),
  };
}

export async function rejectionOf(promise: Promise<unknown> | undefined): Promise<Error> {
  if (promise === undefined) return expect.fail("there is no such request");
  return promise.then(
    (value) => expect.fail(`resolved to ${inspect(value)}`),
    (error: Error) => error,
  );
}

/** Everything of a value that any way of printing it could show. */
export function shownOf(value: unknown): string {
  const stack = value instanceof Error ? String(value.stack) : "";
  return inspect(value, { depth: 12, showHidden: true, getters: true }) + JSON.stringify(value) + stack;
}
