import type { ByteRange, ObjectInfo, StoreLocation } from "../store/store.ts";
import type { TransferredError } from "./error-transfer.ts";

/** A request to a store in another thread. */
export type StoreRequest =
  | {
      readonly method: "put";
      readonly name: string;
      readonly bytes: Uint8Array;
      readonly ifAbsent: boolean;
      readonly sha256: string | undefined;
    }
  | { readonly method: "copy"; readonly name: string; readonly source: StoreLocation; readonly sizeBytes: number }
  | { readonly method: "get"; readonly name: string; readonly range: ByteRange | undefined }
  | { readonly method: "head" | "delete"; readonly name: string }
  | { readonly method: "list"; readonly prefix: string }
  | { readonly method: "close" };

export type ToStore = { readonly id: number; readonly request: StoreRequest } | { readonly abort: number };

/** The last one to a request has `value` or `error`; a listing comes in pages before. */
export type FromStore =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: TransferredError }
  | { readonly id: number; readonly page: readonly ObjectInfo[] }
  /** How much of the body of a put has gone out. */
  | { readonly id: number; readonly sent: number }
  /** A request that the store made besides the one asked for. */
  | { readonly id: number; readonly extra: "put" | "get" | "head" | "delete"; readonly bytes: number };

/** A copy in memory of its own where the bytes are a part of a larger one: all of that would be sent. */
export function withOwnMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength
    ? (bytes as Uint8Array<ArrayBuffer>)
    : new Uint8Array(bytes);
}
