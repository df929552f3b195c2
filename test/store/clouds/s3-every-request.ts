import { inspect } from "node:util";
import { expect, onTestFinished } from "vitest";
import type { ObjectClient, Piece } from "../../../src/store/object-client.ts";
import { type CloudOptions, parseObjectUrl } from "../../../src/store/object-url.ts";
import { connectS3 } from "../../../src/store/s3/s3-client.ts";

export const bytes: Uint8Array = new TextEncoder().encode("content");
export const metadata = { sha256: "5d".repeat(32) };
export const whole = { totalBytes: bytes.length, metadata };
export const piece: Piece = { index: 0, offset: 0, bytes, isLast: true };

/** A client that the test closes at its end. */
export async function connectForTest(url: string, options: CloudOptions): Promise<ObjectClient> {
  const client = await connectS3(parseObjectUrl(url, options));
  onTestFinished(() => client.close());
  return client;
}

/** One of every kind that an adapter sends. */
export function everyRequest(client: ObjectClient): Readonly<Record<string, () => Promise<unknown>>> {
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
    piece: () => client.pieces.put("key", "id", piece, whole),
    held: () => client.pieces.held("key", "id", whole),
    complete: () => client.pieces.complete("key", "id", whole),
    abort: () => client.pieces.abort("key", "id"),
    open: () => client.pieces.open("")[Symbol.asyncIterator]().next(),
  };
}

export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
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
