import { createHash } from "node:crypto";
import { StoreError } from "../errors.ts";
import { ignoreFileError } from "./file-errors.ts";
import type { FileSystem, OpenFile } from "./file-system.ts";
import { clipRange, throwIfAborted } from "./request.ts";
import type { ByteRange } from "./store.ts";

/** Bytes per read or write: an abort is heard, and another file gets its turn, after at most that much. */
const CHUNK_BYTES: number = 4 * 1024 * 1024;

/**
 * Writes a new file, of parts one after another, and makes its content durable. If that fails the file is closed, and
 * is the caller's to remove.
 */
export async function writeWhole(
  files: FileSystem,
  path: string,
  name: string,
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  options: { readonly isPrivate?: boolean | undefined } = {},
): Promise<void> {
  const file = await files.create(path, options);
  try {
    let position = 0;
    for await (const bytes of parts) {
      // A write may take fewer bytes than it was given, and says so only by the count.
      for (let done = 0; done < bytes.length; ) {
        throwIfAborted(signal, "put", name);
        const written = await file.write(bytes.subarray(done, done + CHUNK_BYTES), position);
        if (written <= 0) throw new StoreError("io", "put", name, `no byte was taken at ${position}`);
        done += written;
        position += written;
      }
    }
    await file.sync();
  } catch (error) {
    // The first failure is the one to tell.
    await ignoreFileError(file.close());
    throw error;
  }
  await file.close();
}

/** Reads a range of an open file, or all of it; null if it is no ordinary file. */
export async function readRange(
  file: OpenFile,
  name: string,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | null> {
  const info = await file.info();
  if (info.kind !== "file") return null;
  const { offset, length } = clipRange(range, info.sizeBytes);
  // Not zeroed first (16 MiB: 2 ms), and not from Node's pool: callers may hand the memory to another thread.
  const memory = Buffer.allocUnsafeSlow(length);
  const bytes = new Uint8Array(memory.buffer, memory.byteOffset, length);
  for (let done = 0; done < length; ) {
    throwIfAborted(signal, "get", name);
    const read = await file.read(bytes.subarray(done, done + CHUNK_BYTES), offset + done);
    if (read <= 0) throw new StoreError("io", "get", name, `it ends at ${offset + done} of ${info.sizeBytes} bytes`);
    done += read;
  }
  return bytes;
}

/**
 * SHA-256 of the first bytes of an open file, or of all if there are fewer, in hexadecimal; about 1 GB/s.
 *
 * @param limitBytes - a file that is appended to faster than it is read would have no end
 * @param onRead - called after each read, with bytes that are valid until it returns
 */
export async function hashFile(
  file: OpenFile,
  name: string,
  limitBytes: number,
  signal: AbortSignal | undefined,
  onRead: (bytes: Uint8Array) => void = () => {},
): Promise<string> {
  const hash = createHash("sha256");
  const memory = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, limitBytes));
  for (let done = 0; done < limitBytes; ) {
    throwIfAborted(signal, "read", name);
    const read = await file.read(memory.subarray(0, limitBytes - done), done);
    if (read <= 0) break;
    const bytes = memory.subarray(0, read);
    hash.update(bytes);
    done += read;
    onRead(bytes);
  }
  return hash.digest("hex");
}
