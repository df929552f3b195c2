import { sha256Hex } from "../../base/hash.ts";
import { CorruptError } from "../../errors.ts";
import { commitManifest } from "../../manifest/commit.ts";
import { descendsFrom, newestOf } from "../../manifest/lineage.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { parsePackName } from "../../manifest/names.ts";
import { readHistory } from "../../manifest/read-history.ts";
import type { Store } from "../../store/store.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import { PACK_PRIORITY } from "./pack-writer.ts";
import type { Tiers } from "./tiers.ts";

/** Sends checkpoints from the local tier to the run's store, one after another, packs before the manifest. */
export class Replicator {
  readonly #first: Store;
  readonly #second: Store;
  readonly #tiers: Tiers;
  readonly #queue: TransferQueue;
  /** Packs that the store has acknowledged to this process, or that its checkpoints name. */
  #present: Set<string> | null = null;
  /** Names of checkpoints that are durable and not in the store. */
  readonly #unsent = new Set<string>();
  #lane: Promise<void> = Promise.resolve();

  constructor(tiers: Tiers, second: Store, queue: TransferQueue) {
    this.#tiers = tiers;
    this.#first = tiers.first;
    this.#second = second;
    this.#queue = queue;
  }

  /** Retention must not remove them from the local tier (rule 10). */
  get unsent(): ReadonlySet<string> {
    return this.#unsent;
  }

  /** Sends one checkpoint, after those asked for before. */
  send(name: string): Promise<void> {
    this.#unsent.add(name);
    return this.exclusively(() => this.#sendWithEarlier(name));
  }

  /** Runs something while nothing is being sent: a prune must not meet packs whose manifest is still to come. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(work);
    this.#lane = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** A prune deleted these packs: a later checkpoint that needs the same bytes must send them again (rule 6). */
  forget(packs: readonly string[]): void {
    for (const name of packs) this.#present?.delete(name);
  }

  /**
   * After a crash: which checkpoints of the local tier the store lacks, oldest first. Only those that descend from the
   * store's newest may be sent; the others stay local (rule 9).
   */
  async findMissing(): Promise<{ readonly missing: readonly string[]; readonly unrelated: readonly string[] }> {
    const [local, remote] = await Promise.all([readHistory(this.#first), readHistory(this.#second)]);
    const newest = newestOf(remote.whole);
    const present = new Set(remote.whole.map(({ name }) => name));
    const all = [...local.whole, ...remote.whole.filter(({ name }) => !local.whole.some((own) => own.name === name))];
    const lacking = local.whole.filter(
      ({ name }) => !present.has(name) && (newest === undefined || name > newest.name),
    );
    const related = lacking.filter(({ name }) => newest === undefined || descendsFrom(all, name, newest));
    return {
      missing: related.map(({ name }) => name),
      unrelated: lacking.filter((header) => !related.includes(header)).map(({ name }) => name),
    };
  }

  async idle(): Promise<void> {
    await this.#lane;
    await this.#queue.drain();
  }

  /** What could not be sent before goes first, so that the store's lineage has no gap. */
  async #sendWithEarlier(name: string): Promise<void> {
    const earlier = [...this.#unsent].filter((other) => other < name).sort();
    for (const other of earlier) await this.#sendNow(other);
    if (this.#unsent.has(name)) await this.#sendNow(name);
  }

  async #sendNow(name: string): Promise<void> {
    const stored = await this.#tiers.manifest(name);
    if (stored === null) throw new CorruptError(name, "it is gone from the local tier before it was sent");
    const present = (this.#present ??= await this.#listPresent());
    const missing = stored.manifest.packs.filter((pack) => !present.has(pack.name));
    const transfers = await Promise.all(missing.map((pack) => this.#sendPack(pack)));
    await Promise.all(transfers.map(({ finished }) => finished));
    for (const pack of missing) present.add(pack.name);
    await commitManifest(this.#second, stored.manifest);
    this.#unsent.delete(name);
  }

  #sendPack(pack: PackRef): Promise<{ readonly finished: Promise<void> }> {
    return this.#queue.addWhenRoom({
      name: pack.name,
      bytes: pack.bytes,
      priority: PACK_PRIORITY,
      run: async ({ signal }) => {
        const bytes = await this.#first.get(pack.name, { signal });
        if (bytes === null) throw new CorruptError(pack.name, "it is gone from the local tier before it was sent");
        if (parsePackName(pack.name)?.sha256 !== sha256Hex(bytes)) {
          throw new CorruptError(pack.name, "it was damaged in the local tier before it was sent");
        }
        await this.#second.put(pack.name, bytes, { signal });
      },
    });
  }

  /** Packs that checkpoints of the store name. That another pack is listed there proves nothing (rule 6). */
  async #listPresent(): Promise<Set<string>> {
    const { whole } = await readHistory(this.#second);
    return new Set(whole.flatMap(({ packs }) => packs.map((pack) => pack.name)));
  }
}
