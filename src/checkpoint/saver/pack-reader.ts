import type { SectionEntry } from "../../codec/contract.ts";
import { verifyPack } from "../../codec/pack.ts";
import { type PackIndex, readPackIndex, readPackIndexFrom } from "../../codec/pack-index.ts";
import { sectionBytes } from "../../codec/section-size.ts";
import { CorruptError } from "../../errors.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import type { Store } from "../../store/store.ts";

export interface LoadedPack {
  readonly name: string;
  readonly index: PackIndex;
  stored(entry: SectionEntry): Uint8Array | Promise<Uint8Array>;
}

/** A pack that was read whole, in memory of its own. */
export interface PackInMemory extends LoadedPack {
  readonly bytes: Uint8Array;
}

export function isInMemory(pack: LoadedPack | PackInMemory): pack is PackInMemory {
  return "bytes" in pack;
}

const NAME = /^packs\/\d{8,}-([0-9a-f]{64})\.pack$/;

/**
 * Reads a whole pack and checks it against its name before anything in it is used (rule 11).
 *
 * @throws CorruptError when it is missing, of another length, or of another content
 */
export async function loadPack(store: Store, ref: PackRef, signal?: AbortSignal): Promise<PackInMemory> {
  const { name } = ref;
  const bytes = await store.get(name, { signal });
  if (bytes === null) throw new CorruptError(name, "it is missing");
  if (bytes.byteLength !== ref.bytes) {
    throw new CorruptError(name, `it has ${bytes.byteLength} bytes, the manifest says ${ref.bytes}`);
  }
  const sha256 = NAME.exec(name)?.[1];
  if (sha256 === undefined) throw new CorruptError(name, "its name holds no hash");
  verifyPack(bytes, sha256, name);
  const index = readPackIndex(bytes, name);
  return { name, index, bytes, stored: (entry) => sectionBytes(bytes, entry) };
}

/**
 * Reads the index of a pack from its end. What is in the pack is not checked against its name.
 *
 * @throws CorruptError when the pack is missing, of another length, or its index is damaged
 * Cost: one request, two where the index is large.
 */
export async function loadPackIndex(store: Store, { name, bytes }: PackRef, signal?: AbortSignal): Promise<PackIndex> {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const range = await store.get(name, { signal, range: { offset, length } });
    if (range === null) throw new CorruptError(name, "it is missing");
    return range;
  };
  return readPackIndexFrom(read, bytes, name);
}
