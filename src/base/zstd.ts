import { constants, type ZstdOptions, zstdCompressSync, zstdDecompress, zstdDecompressSync } from "node:zlib";
import type { EndGate } from "./end-gate.ts";
import { freeMemory } from "./memory.ts";

/** The most that is allocated at once on the word of a declared length; beyond it memory follows what was decoded. */
const MAX_FIRST_PIECE_BYTES = 8 * 1024 * 1024;

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;

/** Set where this thread may be ended by another at any time. */
let gated: (<T>(action: () => T) => T) | null = null;

/** From now on this thread uses zstd only through the gate, as its `thread`. */
export function useZstdThrough(gate: EndGate, thread: number): void {
  gated = (action) => gate.run(thread, action);
}

function through<T>(action: () => T): T {
  return gated === null ? action() : gated(action);
}

/** Whether the bytes begin like a zstd frame. */
export function isZstd(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

/**
 * Compresses into one zstd frame that states its content size.
 *
 * @param bytes - may be a view of shared memory that nobody writes to meanwhile
 * @returns memory of its own, none of it unused
 */
export function compressZstd(bytes: Uint8Array, level: number): Uint8Array<ArrayBuffer> {
  const options: ZstdOptions & { pledgedSrcSize: number } = {
    // The worst case of zstd, the length plus 1/256 of it: one piece, and no second copy to join several.
    chunkSize: bytes.length + (bytes.length >>> 8) + 512,
    pledgedSrcSize: bytes.length,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  };
  const result = through(() => zstdCompressSync(bytes, options));
  const compressed = owned(result);
  if (compressed.buffer !== result.buffer) freeMemory(result.buffer);
  return compressed;
}

/**
 * Decompresses, and stops as soon as the output exceeds `maxBytes`.
 *
 * @throws Error of node:zlib when the input is not zstd, ends early, or decodes to more than `maxBytes`
 */
export function decompressZstd(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  return owned(through(() => zstdDecompressSync(bytes, limits(maxBytes))));
}

/** As {@link decompressZstd}, on a thread of Node's pool. */
export function decompressZstdAsync(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    // Only the start of it: what runs in Node's pool is waited for by Node when a thread ends.
    through(() =>
      zstdDecompress(bytes, limits(maxBytes), (error, result) => {
        if (error === null) resolve(owned(result));
        else reject(error);
      }),
    );
  });
}

function limits(maxBytes: number): ZstdOptions {
  // One byte more than what is expected: a full piece would make zlib allocate another before it sees the end.
  const chunkSize = Math.min(Math.max(maxBytes + 1, 64), MAX_FIRST_PIECE_BYTES);
  // zlib refuses 0 here; of nothing at most one byte is decoded before the caller compares lengths.
  return { chunkSize, maxOutputLength: Math.max(maxBytes, 1) };
}

/** Memory that starts at 0 and is not the small visible part of something large, nor of Node's shared pool. */
function owned(result: Buffer): Uint8Array<ArrayBuffer> {
  const memory = result.buffer as ArrayBuffer;
  if (result.byteOffset === 0 && result.length >= memory.byteLength - 4096) {
    return new Uint8Array(memory, 0, result.length);
  }
  return new Uint8Array(result);
}
