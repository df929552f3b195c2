import { raceAbort } from "../../base/abort.ts";
import { type CorruptError, isVarveError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { RetentionOptions } from "../messages.ts";
import type { SaveResult, SyncProgress, SyncReport } from "../options.ts";
import { Backlog, type BacklogEntry, type PackToSend } from "./backlog.ts";
import { compareTiers, type TierComparison } from "./missing-checkpoints.ts";
import type { StoreHealth } from "./store-health.ts";
import { StoreSender, type StoreSenderOptions, tellCommitted } from "./store-sender.ts";

export interface SecondTierOptions
  extends Omit<StoreSenderOptions, "backlog" | "epochSeen" | "isOutdated" | "compare"> {
  readonly retention: RetentionOptions;
  /** To which checkpoints must belong; undefined where nothing says it. */
  readonly run: () => string | undefined;
}

/** The run's store behind a local tier: what it lacks, and how that gets there. */
export class SecondTier {
  readonly backlog: Backlog = new Backlog();
  readonly #options: SecondTierOptions;
  readonly #sender: StoreSender;
  readonly #warned = new Set<string>();
  #epochSeen: number | null = null;
  /** The run goes on from a checkpoint that came into being after the comparison. */
  #isOutdated = false;

  constructor(options: SecondTierOptions) {
    this.#options = options;
    this.#sender = new StoreSender({
      ...options,
      backlog: this.backlog,
      warn: (message) => this.#warnOnce(message),
      epochSeen: () => this.#epochSeen,
      isOutdated: () => this.#isOutdated,
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

  /**
   * After a crash: finds what the store lacks. Writes nothing.
   *
   * @throws RunMismatchError when a tier has checkpoints, and none of the run
   */
  async compare(signal?: AbortSignal): Promise<void> {
    await this.exclusively(() => this.#compare(signal));
  }

  /**
   * Begins to send it. A saver that goes on in another's place has not compared: a store that is away must not hold local
   * saves up.
   */
  start(): void {
    this.#sender.start();
  }

  /**
   * The run goes on from this checkpoint. Of one that another writer made since the tiers were compared, nothing says that
   * the store has its packs, and the local tier lacks them: compared again, or no save that names them could be sent.
   */
  noteRestored(name: string, packs: readonly PackToSend[]): void {
    const isKnown = this.backlog.get(name) !== undefined || packs.every((pack) => this.backlog.isPresent(pack.name));
    if (!isKnown) this.#isOutdated = true;
  }

  /** Takes up a checkpoint of this process. */
  add(result: SaveResult, packs: readonly PackToSend[]): void {
    const { manifest: name, totalStoredBytes } = result;
    const manifestBytes = packs.reduce((rest, { bytes }) => rest - bytes, totalStoredBytes);
    const sinceMs = this.#options.clock.now();
    this.backlog.add({ name, packs, manifestBytes, sinceMs, result, isRepair: false, isAwaited: true, problem: null });
    this.#sender.publish();
  }

  /** Sends it, or says why not. Never waits. */
  send(name: string): void {
    const entry = this.backlog.get(name);
    if (entry !== undefined) this.#sender.offer(entry);
  }

  /** Compares the tiers and sends what the store lacks; what was given up before is tried once more. */
  async sync(onProgress: (progress: SyncProgress) => void, signal: AbortSignal): Promise<SyncReport> {
    for (const entry of this.backlog.entries()) entry.problem = null;
    const compared = await this.exclusively(() => this.#compare(signal));
    const plan = this.backlog.sendable();
    const before = { ...this.#sender.sent };
    const bytesTotal = this.backlog.bytes;
    const left = (): BacklogEntry[] => plan.flatMap(({ name }) => this.backlog.get(name) ?? []);
    const progress = (): void => {
      const bytesDone = Math.min(bytesTotal, this.#sender.sent.bytes - before.bytes);
      const checkpointsDone = plan.length - left().length;
      onProgress({ checkpointsDone, checkpointsTotal: plan.length, bytesDone, bytesTotal });
    };
    this.#sender.watchers.add(progress);
    try {
      await raceAbort(this.#sender.tryAll(), signal);
    } finally {
      this.#sender.watchers.delete(progress);
    }
    const stuck = left().find(({ problem }) => !isVarveError(problem, "VARVE_CORRUPT"));
    if (stuck !== undefined) throw stuck.problem ?? this.#sender.refusal ?? new Error(`${stuck.name} was not sent`);
    return {
      ...outcomeOf(plan, left(), compared),
      packs: this.#sender.sent.packs - before.packs,
      bytes: this.#sender.sent.bytes - before.bytes,
    };
  }

  /** There may be little time left: the newest goes first. */
  hurry(): void {
    this.#sender.hurry();
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
   * @param timeIsUp - ends it whether anything moves or not
   */
  close(timeoutMs: number, timeIsUp: AbortSignal): Promise<void> {
    return this.#sender.close(timeoutMs, timeIsUp);
  }

  async #compare(signal: AbortSignal | undefined): Promise<TierComparison> {
    const { first, second, retention, run } = this.#options;
    const wasOutdated = this.#isOutdated;
    // Before anything is read: a restore that ends meanwhile may name what is not seen here.
    this.#isOutdated = false;
    const compared = await compareTiers(first, second, retention, { run: run(), signal }).catch((error: unknown) => {
      this.#isOutdated ||= wasOutdated;
      throw error;
    });
    this.#epochSeen = compared.newestEpoch;
    this.#sender.forgetStrangers();
    this.backlog.keepPresent(compared.isThere);
    this.backlog.markPresent(compared.present);
    this.backlog.removeRepairs();
    for (const header of compared.missing) this.backlog.add(entryOf(header));
    this.#takeOut(compared.alreadyThere);
    this.#noteDamage(compared);
    // A save of this process is sent after the checkpoint that it goes on from, wherever that was.
    const unrelated = compared.unrelated.filter((name) => this.backlog.get(name) === undefined);
    for (const name of unrelated) {
      this.#warnOnce(`${name} stays local: it does not descend from the store's newest checkpoint`);
    }
    for (const { name, error } of compared.unreadable) {
      this.#warnOnce(`${name} stays local: it cannot be read (${error.message})`);
    }
    this.#sender.publish();
    return { ...compared, unrelated };
  }

  #noteDamage({ repairs, broken, blocked }: TierComparison): void {
    const { first, second, clock } = this.#options;
    const sinceMs = clock.now();
    for (const { header, packs } of repairs) {
      const lost = packs.length === 1 ? "a pack" : `${packs.length} packs`;
      this.#warnOnce(
        `${header.name} is damaged in ${second.url}: ${lost} of it missing or cut short; sent again from ${first.url}`,
      );
      this.backlog.add({ ...entryOf(header), packs, sinceMs, manifestBytes: 0, isRepair: true });
    }
    // Retention must not take what may be the only whole one from the local tier.
    for (const { header, error } of blocked) {
      this.backlog.add({ ...entryOf(header), packs: [], sinceMs, manifestBytes: 0 });
      const entry = this.backlog.get(header.name);
      // One that is awaited is tried, so that its promise is settled.
      if (entry?.isAwaited === false) entry.problem = error;
    }
    for (const { checkpoint, object, why } of broken) {
      const what = object === checkpoint ? "" : ` "${object}":`;
      this.#warnOnce(`${checkpoint} is damaged in ${second.url} and stays so:${what} ${why}`);
    }
  }

  /** Sent, as it turns out: the answer was lost, or another process did it. */
  #takeOut(names: readonly string[]): void {
    const there = new Set(names);
    for (const { name, result } of this.backlog.entries().filter((entry) => there.has(entry.name))) {
      this.backlog.remove(name);
      if (result === null) continue;
      const { tell, second, clock } = this.#options;
      tellCommitted(tell, second.url, { ...result, atMs: clock.now(), sendingAtMs: null }, result);
    }
  }

  #warnOnce(message: string): void {
    if (!this.#warned.has(message)) this.#options.warn(message);
    this.#warned.add(message);
  }
}

function entryOf({ name, packs, sizeBytes, createdAt }: CheckpointHeader): BacklogEntry {
  const sinceMs = Date.parse(createdAt);
  const none = { result: null, isRepair: false, isAwaited: false, problem: null };
  return { name, packs, manifestBytes: sizeBytes, sinceMs, ...none };
}

/** @param left - of the plan, what turned out to be damaged in the local tier when it was to be sent */
function outcomeOf(
  plan: readonly BacklogEntry[],
  left: readonly BacklogEntry[],
  { alreadyThere, unrelated, unreadable, broken }: TierComparison,
): Omit<SyncReport, "packs" | "bytes"> {
  const namesOf = (entries: readonly { readonly name: string }[]): string[] => entries.map(({ name }) => name);
  const leftNames = new Set(namesOf(left));
  const arrived = plan.filter(({ name }) => !leftNames.has(name));
  const unsent = left.filter(({ isRepair }) => !isRepair);
  const notMended = left.filter(({ isRepair }) => isRepair);
  const beyondRepair = new Set(broken.map(({ checkpoint }) => checkpoint));
  const isMended = ({ name, isRepair }: BacklogEntry): boolean => isRepair && !beyondRepair.has(name);
  return {
    sent: namesOf(arrived.filter(({ isRepair }) => !isRepair)),
    repaired: namesOf(arrived.filter(isMended)),
    broken: [
      ...broken,
      ...notMended.map(({ name, problem }) => ({
        checkpoint: name,
        object: (problem as CorruptError).objectName,
        why: problem?.message ?? "",
      })),
    ],
    ...{ alreadyThere, unrelated },
    unreadable: namesOf([...unreadable, ...unsent]),
  };
}
