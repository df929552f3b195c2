import { StoreError } from "../../../../src/errors.ts";
import type { ObjectClient } from "../../../../src/store/object-client.ts";

/** One request, about to be sent. */
export interface ClientCall {
  readonly operation: "put" | "get" | "head" | "delete" | "begin" | "held" | "piece" | "complete" | "abort";
  readonly key: string;
  /** Of the piece. */
  readonly index?: number | undefined;
  /** Of the upload. */
  readonly id?: string | undefined;
}

// oxlint-disable-next-line no-explicit-any -- each request has its own answer
export type ClientInterceptor = (call: ClientCall, proceed: () => Promise<any>) => Promise<any>;

/** Wraps a client so that a test sees every request but listings, and decides what becomes of it. */
export function interceptClient(inner: ObjectClient, intercept: ClientInterceptor): ObjectClient {
  const { pieces } = inner;
  return {
    url: inner.url,
    traits: inner.traits,
    put: (key, bytes, options) => intercept({ operation: "put", key }, () => inner.put(key, bytes, options)),
    get: (key, options) => intercept({ operation: "get", key }, () => inner.get(key, options)),
    head: (key, options) => intercept({ operation: "head", key }, () => inner.head(key, options)),
    delete: (key, options) => intercept({ operation: "delete", key }, () => inner.delete(key, options)),
    list: (prefix, options) => inner.list(prefix, options),
    close: () => inner.close(),
    pieces: {
      pieceBytes: (totalBytes) => pieces.pieceBytes(totalBytes),
      begin: (key, options) => intercept({ operation: "begin", key }, () => pieces.begin(key, options)),
      held: (key, id, options) => intercept({ operation: "held", key, id }, () => pieces.held(key, id, options)),
      put: (key, id, piece, options) =>
        intercept({ operation: "piece", key, id, index: piece.index }, () => pieces.put(key, id, piece, options)),
      complete: (key, id, options) =>
        intercept({ operation: "complete", key, id }, () => pieces.complete(key, id, options)),
      abort: (key, id, options) => intercept({ operation: "abort", key, id }, () => pieces.abort(key, id, options)),
      open: (prefix, options) => pieces.open(prefix, options),
    },
  };
}

/** `put`, `piece 3`: a request as a line. */
export function describeCall({ operation, index }: ClientCall): string {
  return index === undefined ? operation : `${operation} ${index}`;
}

export function brokenConnection({ key }: ClientCall): StoreError {
  return new StoreError("network", "upload", key, "ECONNRESET");
}
