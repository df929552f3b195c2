import { sha256Hex } from "../../base/hash.ts";
import { freeMemory } from "../../base/memory.ts";
import { CorruptError } from "../../errors.ts";
import { parsePackName } from "../../manifest/names.ts";
import type { PutOptions, Store } from "../../store/store.ts";
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
    let outcome: PackOutcome = "there";
    const transfer = await this.#queue.addWhenRoom({
      name,
      bytes: bytes.byteLength,
      priority: STATE_LIFETIMES.has(lifetime) ? PACK_PRIORITY.state : PACK_PRIORITY.rows,
      run: async ({ signal, sent }) => {
        outcome = await storePack(this.#store, name, bytes, { signal, onSent: sent });
        if (outcome !== "differs") return;
        throw new CorruptError(name, "an object of this name holds other bytes than were to be written");
      },
    });
    const free = (): void => {
      // An earlier try that was given up may still be reading the bytes.
      if (outcome === "created" && transfer.retries === 0) freeMemory(bytes.buffer);
    };
    return { stored: transfer.finished.then(free) };
  }
}

/**
 * `created`: the store has read the bytes to their end. `there`: it had them already, and may have answered before that.
 * `differs`: an object of this name holds others.
 */
export type PackOutcome = "created" | "there" | "differs";

/** Puts a pack under a name that only its own bytes may have. */
export async function storePack(
  store: Pick<Store, "put" | "get">,
  name: string,
  bytes: Uint8Array,
  options: Pick<PutOptions, "signal" | "onSent">,
): Promise<PackOutcome> {
  const sha256 = parsePackName(name)?.sha256;
  if (await store.put(name, bytes, { ...options, ifAbsent: true, sha256 })) return "created";
  // The answer to an earlier try was lost, or the object was there: its being there proves nothing (rule 6).
  const found = await store.get(name, { signal: options.signal });
  // Pruned in between, by a newer writer: nobody holds other bytes, and the commit will tell who is in charge.
  if (found === null) return (await store.put(name, bytes, { ...options, sha256 })) ? "created" : "differs";
  return name.includes(sha256Hex(found)) ? "there" : "differs";
}
