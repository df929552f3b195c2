import { sha256Hex } from "../../base/hash.ts";
import { freeMemory } from "../../base/memory.ts";
import { CorruptError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import type { PackSink } from "./pack-assembler.ts";

/** Packs go after everything small. */
export const PACK_PRIORITY = 0;
export const MANIFEST_PRIORITY = 10;

/** Writes packs through the transfer queue, which bounds what is under way and tries again. */
export class PackWriter implements PackSink {
  readonly #store: Store;
  readonly #queue: TransferQueue;

  constructor(store: Store, queue: TransferQueue) {
    this.#store = store;
    this.#queue = queue;
  }

  async write(name: string, bytes: Uint8Array): Promise<{ readonly stored: Promise<void> }> {
    const transfer = await this.#queue.addWhenRoom({
      name,
      bytes: bytes.byteLength,
      priority: PACK_PRIORITY,
      run: async ({ signal }) => {
        if (!(await this.#store.put(name, bytes, { ifAbsent: true, signal }))) await this.#assertSame(name, signal);
      },
    });
    return { stored: transfer.finished.then(() => free(bytes, transfer.retries)) };
  }

  /** The answer to an earlier try was lost, or the object was there: its being there proves nothing (rule 6). */
  async #assertSame(name: string, signal: AbortSignal): Promise<void> {
    const found = await this.#store.get(name, { signal });
    if (found === null || !name.includes(sha256Hex(found))) {
      throw new CorruptError(name, "an object of this name holds other bytes than were to be written");
    }
  }
}

/** An earlier try that was given up may still be reading the bytes. */
function free(bytes: Uint8Array, retries: number): void {
  if (retries === 0) freeMemory(bytes.buffer);
}
