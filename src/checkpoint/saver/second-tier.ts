import { raceAbort } from "../../base/abort.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { RetentionOptions } from "../messages.ts";
import type { SaveResult, SyncProgress, SyncReport } from "../options.ts";
import { Backlog, type BacklogEntry, type PackToSend } from "./backlog.ts";
import { compareTiers, type TierComparison } from "./missing-checkpoints.ts";
import type { StoreHealth } from "./store-health.ts";
import { StoreSender, type StoreSenderOptions, tellCommitted } from "./store-sender.ts";

export interface SecondTierOptions extends Omit<StoreSenderOptions, "backlog" | "epochSeen" | "compare"> {
  readonly retention: RetentionOptions;
}

/** The run's store behind a local tier: what it lacks, and how that gets there. */
export class SecondTier {
  readonly backlog: Backlog = new Backlog();
  readonly #options: SecondTierOptions;
  readonly #sender: StoreSender;
  readonly #warned = new Set<string>();
  #epochSeen: number | null = null;

  constructor(options: SecondTierOptions) {
    this.#options = options;
    this.#sender = new StoreSender({
      ...options,
      backlog: this.backlog,
      warn: (message) => this.#warnOnce(message),
      epochSeen: () => this.#epochSeen,
      compare: (signal) => this.#compare(signal),
    });
  }

  /** Whether it is known what the store lacks. */
  get hasCompared(): boolean {
    return this.#epochSeen !== null;
  }

  get health(): StoreHealth {
    return this.#sender.health;
  }

  /** After a crash: finds what the store lacks, and begins to send it unless told not to. */
  async open(sendNow: boolean, signal?: AbortSignal): Promise<void> {
    await this.exclusively(() => this.#compare(signal));
    if (sendNow) this.#sender.start();
  }

  /** As `open`, for a saver that goes on in another's place: a store that is away must not hold local saves up. */
  resume(): void {
    this.#sender.start();
  }

  /** Takes up a checkpoint of this process. */
  add(result: SaveResult, packs: readonly PackToSend[]): void {
    const { manifest: name, totalStoredBytes } = result;
    const manifestBytes = packs.reduce((rest, { bytes }) => rest - bytes, totalStoredBytes);
    const sinceMs = this.#options.clock.now();
    this.backlog.add({ name, packs, manifestBytes, sinceMs, result, isAwaited: true, problem: null });
    this.#sender.publish();
  }

  /** Sends it, or says why not. Never waits. */
  send(name: string): void {
    const entry = this.backlog.get(name);
    if (entry !== undefined) this.#sender.offer(entry);
  }

  /** Compares the tiers and sends what the store lacks; what was given up before is tried once more. */
  async sync(onProgress: (progress: SyncProgress) => void, signal: AbortSignal): Promise<SyncReport> {
    const compared = await this.exclusively(() => this.#compare(signal));
    for (const entry of this.backlog.entries()) entry.problem = null;
    const plan = [...this.backlog.names].sort();
    const before = { ...this.#sender.sent };
    const bytesTotal = this.backlog.bytes;
    const lacking = (): string[] => plan.filter((name) => this.backlog.names.has(name));
    const progress = (): void => {
      const bytesDone = Math.min(bytesTotal, this.#sender.sent.bytes - before.bytes);
      onProgress({
        checkpointsDone: plan.length - lacking().length,
        checkpointsTotal: plan.length,
        bytesDone,
        bytesTotal,
      });
    };
    this.#sender.watchers.add(progress);
    try {
      await raceAbort(this.#sender.tryAll(), signal);
    } finally {
      this.#sender.watchers.delete(progress);
    }
    const [left] = this.backlog.entries().filter(({ name }) => plan.includes(name));
    if (left !== undefined) throw left.problem ?? this.#sender.refusal ?? new Error(`${left.name} was not sent`);
    const { alreadyThere, unrelated, unreadable } = compared;
    return {
      sent: plan,
      ...{ alreadyThere, unrelated, unreadable: unreadable.map(({ name }) => name) },
      packs: this.#sender.sent.packs - before.packs,
      bytes: this.#sender.sent.bytes - before.bytes,
    };
  }

  /** Runs something while nothing is being sent: a prune must not meet packs whose manifest is still to come. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#sender.exclusively(work);
  }

  /** A prune deleted these packs from the store. */
  forget(packs: readonly string[]): void {
    this.backlog.forget(packs);
    this.#sender.publish();
  }

  /**
   * Tries once more to send what is left, as long as anything moves, and tells what stays behind.
   *
   * @param timeoutMs - how long the store may stand still
   */
  close(timeoutMs: number): Promise<void> {
    return this.#sender.close(timeoutMs);
  }

  async #compare(signal: AbortSignal | undefined): Promise<TierComparison> {
    const { first, second, retention } = this.#options;
    const compared = await compareTiers(first, second, retention, { signal });
    this.#epochSeen = compared.newestEpoch;
    this.#sender.forgetStrangers();
    this.backlog.markPresent(compared.present);
    for (const header of compared.missing) this.backlog.add(entryOf(header));
    this.#takeOut(compared.alreadyThere);
    for (const name of compared.unrelated) {
      this.#warnOnce(`${name} stays local: it does not descend from the store's newest checkpoint`);
    }
    for (const { name, error } of compared.unreadable) {
      this.#warnOnce(`${name} stays local: it cannot be read (${error.message})`);
    }
    this.#sender.publish();
    return compared;
  }

  /** Sent, as it turns out: the answer was lost, or another process did it. */
  #takeOut(names: readonly string[]): void {
    const there = new Set(names);
    for (const { name, result } of this.backlog.entries().filter((entry) => there.has(entry.name))) {
      this.backlog.remove(name);
      if (result !== null) tellCommitted(this.#options.tell, this.#options.second.url, result, result);
    }
  }

  #warnOnce(message: string): void {
    if (!this.#warned.has(message)) this.#options.warn(message);
    this.#warned.add(message);
  }
}

function entryOf({ name, packs, sizeBytes, createdAt }: CheckpointHeader): BacklogEntry {
  const sinceMs = Date.parse(createdAt);
  return { name, packs, manifestBytes: sizeBytes, sinceMs, result: null, isAwaited: false, problem: null };
}
