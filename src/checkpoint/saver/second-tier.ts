import { FencedError } from "../../errors.ts";
import { TransferQueue } from "../../transfer/transfer-queue.ts";
import { toTransfer } from "../error-transfer.ts";
import type { FromSaver, SaverStart } from "../messages.ts";
import type { SaveResult } from "../options.ts";
import type { SharedStatus } from "../shared-status.ts";
import { Replicator } from "./replicator.ts";
import type { Tiers } from "./tiers.ts";

export interface SecondTierOptions {
  readonly tiers: Tiers;
  readonly status: SharedStatus;
  readonly start: Pick<SaverStart, "concurrency" | "maxUploadBytesPerSecond">;
  readonly tell: (message: FromSaver) => void;
  readonly warn: (message: string) => void;
  /** Retention of the store, after a commit there and before the next checkpoint is sent. */
  readonly afterCommit: () => Promise<void>;
  /** The store has a newer writer: this one must stop saving. */
  readonly onFenced: (error: FencedError) => void;
}

/** Bytes read from the local tier that may wait for the network. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/** What happens after a checkpoint is durable: it is committed in the run's store, at once where that is the only one. */
export class SecondTier {
  readonly #options: SecondTierOptions;
  readonly #replicator: Replicator | null;

  constructor(options: SecondTierOptions) {
    this.#options = options;
    const { tiers, start } = options;
    const queue = new TransferQueue({
      concurrency: start.concurrency,
      maxBytesPerSecond: start.maxUploadBytesPerSecond ?? undefined,
      maxQueuedBytes: MAX_QUEUED_BYTES,
    });
    this.#replicator = tiers.second === null ? null : new Replicator(tiers, tiers.second, queue);
  }

  get unsent(): ReadonlySet<string> {
    return this.#replicator?.unsent ?? new Set();
  }

  /** Sends a checkpoint of this process and tells what became of it. Never waits. */
  send(result: SaveResult): void {
    if (this.#replicator === null) {
      this.#tellCommitted(result);
      return;
    }
    const { sequence, manifest } = result;
    this.#send(manifest).then(
      () => {
        this.#tellCommitted(result);
        void this.exclusively(this.#options.afterCommit);
      },
      (error: unknown) => this.#options.tell({ type: "commitFailed", sequence, error: toTransfer(error) }),
    );
  }

  /** After a crash: sends what the store lacks; nothing else needs to be remembered. */
  async sendMissing(): Promise<void> {
    if (this.#replicator === null) return;
    const { missing, unrelated } = await this.#replicator.findMissing();
    for (const name of unrelated) {
      this.#options.warn(`${name} stays local: it does not descend from the store's newest checkpoint`);
    }
    for (const name of missing) {
      this.#send(name).catch((error: Error) => this.#options.warn(`${name} was not sent: ${error.message}`));
    }
  }

  /** Runs something while nothing is being sent to the store. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#replicator === null ? work() : this.#replicator.exclusively(work);
  }

  /** These packs are no longer in the store. */
  forget(packs: readonly string[]): void {
    this.#replicator?.forget(packs);
  }

  async idle(): Promise<void> {
    await this.#replicator?.idle();
  }

  async #send(name: string): Promise<void> {
    const { status } = this.#options;
    status.add("sending");
    const sent = this.#replicator?.send(name);
    status.set("behind", this.unsent.size);
    try {
      await sent;
    } catch (error) {
      if (error instanceof FencedError) this.#options.onFenced(error);
      throw error;
    } finally {
      status.add("sending", -1);
      status.set("behind", this.unsent.size);
    }
  }

  #tellCommitted(result: SaveResult): void {
    const { step, sequence, manifest } = result;
    const store = this.#options.tiers.authority.url;
    this.#options.tell({ type: "event", event: { kind: "committed", step, sequence, manifest, store } });
    this.#options.tell({ type: "committed", sequence, result });
  }
}
