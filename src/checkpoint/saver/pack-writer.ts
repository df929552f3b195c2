import { sha256Hex } from "../../base/hash.ts";
import { freeMemory } from "../../base/memory.ts";
import { CorruptError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import type { PackSink } from "./pack-assembler.ts";

/** State and priorities are small, and without them rows are no checkpoint. Manifests wait in no queue. */
export const PACK_PRIORITY = { rows: 0, state: 5 } as const;

const STATE_LIFETIMES: ReadonlySet<string> = new Set(["state", "priorities"]);

/** Writes packs through the transfer queue, which bounds what is under way and tries again. */
export class PackWriter implements PackSink {
  readonly #store: Store;
  readonly #queue: TransferQueue;

  /** @param store - without retries of its own */
  constructor(store: Store, queue: TransferQueue) {
    this.#store = store;
    this.#queue = queue;
  }

  async write(name: string, bytes: Uint8Array, lifetime: string): Promise<{ readonly stored: Promise<void> }> {
    const transfer = await this.#queue.addWhenRoom({
      name,
      bytes: bytes.byteLength,
      priority: STATE_LIFETIMES.has(lifetime) ? PACK_PRIORITY.state : PACK_PRIORITY.rows,
      run: async ({ signal }) => {
        if (await storePack(this.#store, name, bytes, signal)) return;
        throw new CorruptError(name, "an object of this name holds other bytes than were to be written");
      },
    });
    return { stored: transfer.finished.then(() => free(bytes, transfer.retries)) };
  }
}

/** Puts a pack under a name that only its own bytes may have. Resolves to false if an object there holds others. */
export async function storePack(
  store: Store,
  name: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (await store.put(name, bytes, { ifAbsent: true, signal })) return true;
  // The answer to an earlier try was lost, or the object was there: its being there proves nothing (rule 6).
  const found = await store.get(name, { signal });
  return found !== null && name.includes(sha256Hex(found));
}

/** An earlier try that was given up may still be reading the bytes. */
function free(bytes: Uint8Array, retries: number): void {
  if (retries === 0) freeMemory(bytes.buffer);
}
