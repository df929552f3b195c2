import { CorruptError, isVarveError } from "../../errors.ts";
import { commitManifest } from "../../manifest/commit.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { listPins, pinCheckpoint } from "../../manifest/pins.ts";
import { readManifest, type StoredManifest } from "../../manifest/read-history.ts";
import { assertNewestEpoch } from "../../manifest/writers.ts";
import type { CopyOptions, Store } from "../../store/store.ts";
import type { Transfer } from "../../transfer/transfer.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import type { Backlog, BacklogEntry, PackToSend } from "./backlog.ts";
import { PACK_PRIORITY } from "./pack-writer.ts";
import { readPack, sendPack } from "./send-pack.ts";

export interface ReplicatorOptions {
  readonly first: Store;
  /** The run's store; its requests are tried again by themselves. */
  readonly second: Store;
  /** The same without retries: for packs, which the queue tries again. */
  readonly bareSecond: Store;
  readonly queue: TransferQueue;
  readonly backlog: Backlog;
  /** Called when anything was acknowledged, with the bytes of a pack. */
  readonly onProgress: (packBytes: number) => void;
}

/** Sends one checkpoint from the local tier to the run's store: packs first, then the manifest. */
export class Replicator {
  readonly #options: ReplicatorOptions;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
  }

  /**
   * @param epoch - the newest one that there may be in the store
   * @throws FencedError when there is a newer one, also when it came while the checkpoint was sent
   * @throws CorruptError when the local tier has it no longer whole
   */
  async send(name: string, epoch: number, signal: AbortSignal): Promise<StoredManifest> {
    const { first, second, onProgress } = this.#options;
    const stored = await readManifest(first, name, { signal });
    if (stored === null) throw new CorruptError(name, "it is gone from the local tier before it was sent");
    try {
      await this.#sendPacks(stored.manifest.packs, signal, () => true);
    } catch (error) {
      // What only the store had, a newer writer may have pruned: then that is what there is to say.
      if (isVarveError(error, "VARVE_CORRUPT")) await assertNewestEpoch(second, epoch, { signal });
      throw error;
    }
    // Not by the epoch in its name: this process may send what an earlier one left, and has claimed the next since.
    await assertNewestEpoch(second, epoch, { signal });
    await commitManifest(second, stored.manifest, { fencedBy: null, signal });
    await assertNewestEpoch(second, epoch, { signal });
    onProgress(0);
    if ((await listPins(first, { signal })).has(name)) await pinCheckpoint(second, name, { signal });
    return stored;
  }

  /**
   * Sends again what the store has lost of a checkpoint that is there. It asks for no epoch: no name comes into being
   * that a successor would have to know of, and the bytes are those that belong under it, whoever sends them.
   *
   * @throws CorruptError when the local tier has some damaged too; the others are sent all the same
   */
  async repair({ name, packs }: BacklogEntry, signal: AbortSignal): Promise<void> {
    // Retention may have removed it since the tiers were compared.
    if ((await this.#options.second.head(name, { signal })) === null) return;
    await this.#sendPacks(packs, signal, (error) => !isVarveError(error, "VARVE_CORRUPT"));
  }

  /**
   * Small state before bulk.
   *
   * @param isTheEnd - whether after this failure no further pack is begun; those under way go on to their end
   */
  async #sendPacks(
    packs: readonly (PackToSend & Partial<PackRef>)[],
    signal: AbortSignal,
    isTheEnd: (error: unknown) => boolean,
  ): Promise<void> {
    const { backlog } = this.#options;
    const missing = packs
      .filter(({ name }) => !backlog.isPresent(name))
      .sort((a, b) => priorityOf(b) - priorityOf(a) || a.bytes - b.bytes);
    const begun: Transfer<void>[] = [];
    const failures: unknown[] = [];
    let hasEnded = false;
    const fail = (error: unknown): void => {
      failures.push(error);
      hasEnded ||= isTheEnd(error);
      if (hasEnded) for (const transfer of begun) if (transfer.phase === "waiting") transfer.cancel();
    };
    for (const pack of missing) {
      try {
        const transfer = await this.#enter(pack, signal);
        begun.push(transfer);
        transfer.finished.catch(fail);
      } catch (error) {
        fail(error);
      }
      if (hasEnded) break;
    }
    await Promise.allSettled(begun.map(({ finished }) => finished));
    // The first is the cause; the others may only have been cancelled for it.
    if (failures.length > 0) throw failures.find(isTheEnd) ?? failures[0];
  }

  #enter(pack: PackToSend & Partial<PackRef>, signal: AbortSignal): Promise<Transfer<void>> {
    const { first, bareSecond, queue, backlog, onProgress } = this.#options;
    const { name, bytes: sizeBytes } = pack;
    return queue.addWhenRoom({
      ...{ name, bytes: sizeBytes, signal },
      priority: priorityOf(pack),
      run: async ({ signal: ofTry, sent: onSent }) => {
        if (!(await this.#isCopied(pack, { signal: ofTry, onSent }))) {
          await sendPack(bareSecond, name, await readPack(first, name, ofTry), { signal: ofTry, onSent });
        }
        backlog.markPresent([name]);
        onProgress(sizeBytes);
      },
    });
  }

  /** The store's own thread reads and checks it, at low priority, where it can: nothing of it comes to this one. */
  async #isCopied({ name, bytes }: PackToSend, options: Omit<CopyOptions, "sizeBytes">): Promise<boolean> {
    const { first, bareSecond } = this.#options;
    if (first.location === undefined || bareSecond.copyFrom === undefined) return false;
    return (await bareSecond.copyFrom(first.location, name, { ...options, sizeBytes: bytes })) !== "unread";
  }
}

/** A pack that covers no rows holds state or priorities. */
function priorityOf({ covers }: Partial<PackRef>): number {
  return covers?.length === 0 ? PACK_PRIORITY.state : PACK_PRIORITY.rows;
}
