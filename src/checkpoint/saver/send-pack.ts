import { sha256Hex } from "../../base/hash.ts";
import { freeMemory } from "../../base/memory.ts";
import { CorruptError } from "../../errors.ts";
import { parsePackName } from "../../manifest/names.ts";
import type { CopyOutcome, PutOptions, Store } from "../../store/store.ts";
import { storePack } from "./pack-writer.ts";

/**
 * Reads a pack of the local tier.
 *
 * @throws CorruptError where it is gone or damaged
 */
export async function readPack(first: Store, name: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const bytes = await first.get(name, { signal });
  if (bytes === null) throw new CorruptError(name, "it is gone from the local tier before it was sent");
  if (parsePackName(name)?.sha256 === sha256Hex(bytes)) return bytes;
  throw new CorruptError(name, "it was damaged in the local tier before it was sent");
}

/** Sends a pack, whose memory is given back. What was damaged in the store is put right: its name says what belongs there. */
export async function sendPack(
  second: Pick<Store, "put" | "get">,
  name: string,
  bytes: Uint8Array,
  { signal, onSent }: Pick<PutOptions, "signal" | "onSent">,
): Promise<Exclude<CopyOutcome, "unread">> {
  const outcome = await storePack(second, name, bytes, { signal, onSent });
  if (outcome === "differs") await second.put(name, bytes, { sha256: parsePackName(name)?.sha256, signal, onSent });
  if (outcome !== "there") freeMemory(bytes.buffer);
  return outcome === "differs" ? "replaced" : outcome;
}
