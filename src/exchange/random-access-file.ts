import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { ConfigError } from "../index.ts";

/** A file that is written at given places, in any order. */
export class RandomAccessFile {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** @param isNew - empties what is there; else it must be there */
  static async open(path: string, isNew: boolean): Promise<RandomAccessFile> {
    return new RandomAccessFile(await open(path, isNew ? "w+" : "r+"));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A write may take fewer bytes than it was given, and says so only by the count.
    for (let done = 0; done < bytes.byteLength; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.byteLength - done, position + done);
      if (bytesWritten <= 0) throw new ConfigError(`The disk took no byte at ${position + done}`);
      done += bytesWritten;
    }
  }

  async truncate(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes);
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Bytes [offset, offset + length) of a file, fewer where it ends. */
export async function readPart(path: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead <= 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

const CRC_PART_BYTES = 1024 * 1024;

/** CRC-32 of bytes [from, to) of a file, added to that of what comes before; null where the file is shorter, or none. */
export async function crcOfPart(
  path: string,
  { from, to, before = 0 }: { readonly from: number; readonly to: number; readonly before?: number | undefined },
  signal?: AbortSignal,
): Promise<number | null> {
  const handle = await open(path, "r");
  try {
    const part = new Uint8Array(CRC_PART_BYTES);
    let crc = before;
    for (let at = from; at < to; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(part, 0, Math.min(part.length, to - at), at);
      if (bytesRead <= 0) return null;
      crc = crc32(part.subarray(0, bytesRead), crc);
      at += bytesRead;
    }
    return crc;
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function syncFolderOf(path: string): Promise<void> {
  await syncFolder(dirname(path));
}
