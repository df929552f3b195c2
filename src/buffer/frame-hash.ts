import xxhash from "xxhash-wasm";

// Awaited here, once per process, so that constructors and add() stay synchronous.
const hasher = await xxhash();

/** The low 32 bits of xxh64, never 0: the table of frames uses 0 for "empty". About 10 GB/s. */
export function hashFrame(bytes: Uint8Array): number {
  return Number(hasher.h64Raw(bytes) & 0xffffffffn) || 1;
}
