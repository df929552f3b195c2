import { InvalidArgumentError, StoreError } from "../errors.ts";
import type { ByteRange } from "./store.ts";

/** Rejects a request whose signal is aborted, as every adapter must. */
export function throwIfAborted(signal: AbortSignal | undefined, operation: string, name: string): void {
  if (signal?.aborted) {
    throw new StoreError("aborted", operation, name, "the request was cancelled", { cause: signal.reason });
  }
}

/**
 * Cuts a range to what the object holds, so that nothing is allocated on the word of the caller.
 *
 * @throws InvalidArgumentError unless offset and length are non-negative integers
 */
export function clipRange(range: ByteRange | undefined, sizeBytes: number): ByteRange {
  if (range === undefined) return { offset: 0, length: sizeBytes };
  assertCount("range.offset", range.offset);
  assertCount("range.length", range.length);
  const offset = Math.min(range.offset, sizeBytes);
  return { offset, length: Math.min(range.length, sizeBytes - offset) };
}

function assertCount(argument: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(argument, "a non-negative integer", value);
  }
}
