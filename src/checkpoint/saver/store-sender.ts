import type { Clock } from "../../base/clock.ts";
import type { IdSource } from "../../base/ids.ts";
import { Lane } from "../../base/lane.ts";
import type { Random } from "../../base/random.ts";
import type { Sleep } from "../../base/timers.ts";
import { FencedError, isVarveError, StoreError } from "../../errors.ts";
import { writerName } from "../../manifest/names.ts";
import { ensureRunFile, readRunFile } from "../../manifest/run-file.ts";
import type { Store } from "../../store/store.ts";
import { withStallTimeout } from "../../transfer/stall-timeout.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import { toTransfer } from "../error-transfer.ts";
import type { CommittedEvent } from "../events.ts";
import type { FromSaver } from "../messages.ts";
import type { SaveResult } from "../options.ts";
import type { SharedStatus } from "../shared-status.ts";
import type { Backlog, BacklogEntry } from "./backlog.ts";
import { Prober } from "./prober.ts";
import { Replicator } from "./replicator.ts";
import { MAX_UPLOADING_BYTES } from "./run-stores.ts";
import { StoreHealth } from "./store-health.ts";

export interface StoreSenderOptions {
  readonly first: Store;
  /** The run's store; its requests are tried again by themselves. */
  readonly second: Store;
  /** The same without retries. */
  readonly bareSecond: Store;
  readonly queue: TransferQueue;
  /** A number that grows while bytes move to the store. */
  readonly moved: () => number;
  readonly maxBytesPerSecond: number | null;
  readonly backlog: Backlog;
  readonly status: SharedStatus;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly random: Pick<Random, "uniform">;
  readonly newId: IdSource;
  readonly tell: (message: FromSaver) => void;
  readonly warn: (message: string) => void;
  /** The epoch of this process; null before its first save or prune. */
  readonly ownEpoch: () => number | null;
  /** Ends when a claim of this process that is under way has an end. */
  readonly claimUnderWay: () => Promise<void>;
  /** The newest epoch when the tiers were compared; null before that. */
  readonly epochSeen: () => number | null;
  /** What was restored since then may name what the comparison did not see. */
  readonly isOutdated: () => boolean;
  readonly compare: (signal: AbortSignal) => Promise<unknown>;
  /** Retention of the store, after a commit there and before the next checkpoint is sent. */
  readonly afterCommit: (sequence: number) => Promise<void>;
  /** The store has a newer writer: this one must stop saving. */
  readonly onFenced: (error: FencedError) => void;
}

/**
 * Empties the backlog: commits in the run's store what is durable in the local tier, one checkpoint after another,
 * oldest first.
 *
 * ```
 *               start                          all sent
 *   idle ───────────────────────> draining ──────────> idle
 *     ^                              │   the store fails for good
 *     │ sent one                     v
 *   draining <──── probe ─────── degraded      saves stay local, `committed` rejects at once;
 *                  (Prober)          │         probes after 1 s … 60 s
 *                     └── failed ────┘
 * ```
 *
 * A newer writer ends it for good; a checkpoint that is damaged locally is left out, and the others go on.
 */
export class StoreSender {
  readonly health: StoreHealth;
  /** Since this process began. */
  readonly sent: { packs: number; bytes: number } = { packs: 0, bytes: 0 };
  /** Told of every acknowledged request. */
  readonly watchers: Set<() => void> = new Set();
  readonly #options: StoreSenderOptions;
  readonly #replicator: Replicator;
  readonly #prober: Prober;
  /** Aborted when the run is closed and the store stands still. */
  readonly #ending = new AbortController();
  readonly #lane = new Lane();
  #draining: Promise<void> | null = null;
  #hasRunFile = false;
  #isClosing = false;
  #isHurried = false;
  /** Another writer's claim, and the own epoch then: this process goes on only if it claims a newer one. */
  #fenced: { readonly error: FencedError; readonly ownEpoch: number | null } | null = null;

  constructor(options: StoreSenderOptions) {
    this.#options = options;
    const { backlog, status, clock, tell, second, sleep, random } = options;
    this.health = new StoreHealth({ url: second.url, status, clock, tell, behind: () => backlog.size });
    this.#prober = new Prober(sleep, random, () => this.start());
    this.#replicator = new Replicator({ ...options, onProgress: (bytes) => this.#noteSent(bytes) });
  }

  /** Why nothing is sent for the moment, or any more; null while all is well. */
  get refusal(): Error | null {
    return this.#isStopped() ? (this.#fenced?.error ?? null) : this.health.error;
  }

  /** Takes up a checkpoint that was just added to the backlog. */
  offer(entry: BacklogEntry): void {
    const { refusal } = this;
    // A try that is under way decides about this one too.
    if (refusal !== null && this.#draining === null) this.#reject(entry, refusal);
    else this.start();
    this.publish();
  }

  /** The tiers were compared anew: what a stranger did before is known. */
  forgetStrangers(): void {
    if (this.#options.ownEpoch() === null) this.#fenced = null;
  }

  /** Runs something while nothing is being sent: a prune must not meet packs whose manifest is still to come. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#lane.run(work);
  }

  /**
   * Tries once more to send what is left, as long as anything moves, and tells what stays behind.
   *
   * @param timeoutMs - how long the store may stand still
   * @param timeIsUp - ends it whether anything moves or not
   */
  async close(timeoutMs: number, timeIsUp: AbortSignal): Promise<void> {
    const { backlog, sleep, second, first, warn, moved } = this.#options;
    this.#isClosing = true;
    this.#prober.stop();
    const patienceMs = timeoutMs + this.#pacingMs();
    const stall = { timeoutMs: Number.isFinite(patienceMs) ? patienceMs : undefined, name: second.url, sleep, moved };
    try {
      await withStallTimeout(
        { ...stall, signal: AbortSignal.any([this.#ending.signal, timeIsUp]) },
        async (_, alive) => {
          this.watchers.add(alive);
          await this.tryAll();
          await this.#lane.done();
        },
      );
    } catch (error) {
      this.#ending.abort(error);
      for (const entry of backlog.sendable()) this.#reject(entry, error as Error);
    }
    // What cannot be sent at all was told when that was found out.
    const left = backlog.sendable().length;
    if (left === 0) return;
    const why = this.#fenced?.error ?? this.health.error ?? (this.#ending.signal.reason as Error | undefined);
    const count = left === 1 ? "1 checkpoint is" : `${left} checkpoints are`;
    warn(
      `${count} durable in ${first.url} and not in ${second.url}${why === undefined ? "" : `: ${why.message}`}. ` +
        `Opening the run again with both sends what is missing, and so does: varve sync ${first.url} ${second.url}`,
    );
  }

  /** There may be little time left: from now on the newest goes first. */
  hurry(): void {
    this.#isHurried = true;
  }

  /** An attempt under way has its say; whatever it leaves is tried once more. */
  async tryAll(): Promise<void> {
    await this.#draining;
    if (this.#options.backlog.sendable().length > 0) this.start();
    await this.#draining;
  }

  start(): void {
    if (this.#draining !== null || this.#isStopped() || this.#ending.signal.aborted) return;
    this.#draining = this.#sendAll().finally(() => {
      this.#draining = null;
      this.publish();
      // The training thread keeps the process alive until it hears that nothing is being sent any more.
      this.#options.tell({ type: "idle" });
      // One may have come while the last one was settled.
      if (this.health.error === null && this.#options.backlog.sendable().length > 0) this.start();
    });
    this.publish();
  }

  async #sendAll(): Promise<void> {
    try {
      await this.#prepare();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      const { name } = entry;
      try {
        await this.#compareIfNeeded();
        if (this.#options.backlog.get(name) === undefined) continue;
        await this.exclusively(() => this.#sendOne(name));
        void this.exclusively(() => this.#options.afterCommit(entry.result?.sequence ?? 0));
      } catch (error) {
        if (await this.#wasOwnClaim(error)) continue;
        if (!this.#goesOnAfter(entry, error as Error)) return;
      }
    }
    if (this.#isStopped() || this.#ending.signal.aborted) return;
    // Nothing is left that could tell: what was given up is damaged, or turned out to be there.
    this.#prober.stop();
    this.health.recover();
  }

  /** The newer writer may be this process, which claimed its epoch while it was sending. */
  async #wasOwnClaim(error: unknown): Promise<boolean> {
    if (!(error instanceof FencedError)) return false;
    await this.#options.claimUnderWay();
    return error.newestEpoch <= (this.#options.ownEpoch() ?? 0);
  }

  /** What must be known before anything is sent. While the store is away, one request asks whether it is back. */
  async #prepare(): Promise<void> {
    const { first, second, bareSecond, clock, newId } = this.#options;
    // The last try, when the run is closed, is not lost to one request that fails by chance.
    const asked = this.#isClosing ? second : bareSecond;
    const { signal } = this.#ending;
    if (this.health.error !== null) await asked.head(writerName(this.#epoch() + 1), { signal });
    await this.#compareIfNeeded();
    if (this.#hasRunFile || this.#next() === undefined) return;
    const run = (await readRunFile(first, { signal }))?.run;
    await ensureRunFile(second, { clock, newId, run, signal });
    this.#hasRunFile = true;
  }

  /** Once more where another writer came between the comparison and the own claim: it may have pruned what was seen. */
  async #compareIfNeeded(): Promise<void> {
    const [seen, own] = [this.#options.epochSeen(), this.#options.ownEpoch()];
    if (seen !== null && !this.#options.isOutdated() && (own === null || own <= seen + 1)) return;
    await this.exclusively(() => this.#options.compare(this.#ending.signal));
  }

  /** How long the limit on bandwidth alone may keep everything waiting: that is not the store's fault. */
  #pacingMs(): number {
    const { maxBytesPerSecond } = this.#options;
    if (maxBytesPerSecond === null) return 0;
    return (Math.min(this.#options.backlog.bytes, MAX_UPLOADING_BYTES) / maxBytesPerSecond) * 1000;
  }

  #next(): BacklogEntry | undefined {
    if (this.#isStopped() || this.#ending.signal.aborted) return undefined;
    const sendable = this.#options.backlog.sendable();
    return this.#isShortOfTime() ? sendable.at(-1) : sendable[0];
  }

  /** Then the newest goes first: what is left over is a gap, which the next opening fills. */
  #isShortOfTime(): boolean {
    if (this.#isHurried) return true;
    if (!this.#isClosing) return false;
    const rate = Math.min(SLOW_BYTES_PER_SECOND, this.#options.maxBytesPerSecond ?? Number.POSITIVE_INFINITY);
    return (this.#options.backlog.bytes / rate) * 1000 > LONG_MS;
  }

  async #sendOne(name: string): Promise<void> {
    const { backlog, tell, second, clock } = this.#options;
    const { signal } = this.#ending;
    const entry = backlog.get(name);
    if (entry?.isRepair) {
      await this.#replicator.repair(entry, signal);
      this.#settle(name, 0);
      return;
    }
    const sendingAtMs = clock.now();
    const { manifest, sizeBytes } = await this.#replicator.send(name, this.#epoch(), signal);
    this.#settle(name, sizeBytes);
    const times = { atMs: clock.now(), sendingAtMs };
    tellCommitted(tell, second.url, { ...manifest, manifest: name, ...times }, entry?.result ?? null);
  }

  /** The store has it: then it is well, too. */
  #settle(name: string, manifestBytes: number): void {
    this.#options.backlog.remove(name);
    this.#prober.stop();
    this.health.recover();
    this.sent.bytes += manifestBytes;
    this.#noteSent(0);
    this.publish();
  }

  #epoch(): number {
    // Once there is an own one, a newer one in the store is another writer's, also where a comparison has seen it.
    return this.#options.ownEpoch() ?? this.#options.epochSeen() ?? 0;
  }

  #isStopped(): boolean {
    return this.#fenced !== null && this.#fenced.ownEpoch === this.#options.ownEpoch();
  }

  /** Decides whether the next checkpoint is tried after one has failed. */
  #goesOnAfter(entry: BacklogEntry, error: Error): boolean {
    if (this.#ending.signal.aborted) return false;
    if (error instanceof FencedError) {
      const ownEpoch = this.#options.ownEpoch();
      this.#fenced = { error, ownEpoch };
      if (ownEpoch !== null) this.#options.onFenced(error);
      else this.#options.warn(`what the store lacks waits for this process's first save: ${error.message}`);
      for (const each of this.#options.backlog.entries()) this.#reject(each, error);
      return false;
    }
    if (isAboutCheckpoint(error)) {
      entry.problem = error;
      const what = entry.isRepair ? "cannot be mended in the store" : "was not sent";
      if (!entry.isAwaited) this.#options.warn(`${entry.name} ${what}: ${error.message}`);
      this.#reject(entry, error);
      return true;
    }
    this.#fail(error);
    return false;
  }

  #fail(error: Error): void {
    if (this.#ending.signal.aborted) return;
    this.health.fail(error);
    for (const entry of this.#options.backlog.entries()) this.#reject(entry, error);
    if (!this.#isClosing) this.#prober.schedule();
  }

  #reject(entry: BacklogEntry, error: Error): void {
    if (!entry.isAwaited || entry.result === null) return;
    entry.isAwaited = false;
    const { sequence } = entry.result;
    const willRetry = entry.problem === null && !this.#isStopped();
    this.#options.tell({ type: "commitFailed", sequence, error: toTransfer(error), willRetry });
  }

  #noteSent(packBytes: number): void {
    if (packBytes > 0) this.sent.packs++;
    this.sent.bytes += packBytes;
    this.publish();
    for (const watcher of this.watchers) watcher();
  }

  /** To where the training thread reads it. */
  publish(): void {
    const { status, backlog } = this.#options;
    status.setAmount("behindBytes", backlog.bytes);
    status.setAmount("behindSinceMs", backlog.sinceMs ?? 0);
    // Last: whoever sees that nothing is behind any more must not see bytes of it.
    status.set("behind", backlog.size);
    status.set("sending", this.#draining === null ? 0 : backlog.sendable().length);
  }
}

/** The usual time that a process has after SIGTERM, and what a slow line moves: with more to send, the order matters. */
const LONG_MS = 25_000;
const SLOW_BYTES_PER_SECOND = 1_000_000;

/** Damaged, of another run, of a newer format: neither waiting nor another try helps. */
function isAboutCheckpoint(error: Error): boolean {
  return isVarveError(error) && !(error instanceof StoreError);
}

/** @param result - null for a checkpoint of an earlier process: nobody awaits it */
export function tellCommitted(
  tell: (message: FromSaver) => void,
  store: string,
  { step, sequence, manifest, atMs, sendingAtMs }: Omit<CommittedEvent, "kind" | "store">,
  result: SaveResult | null,
): void {
  tell({ type: "event", event: { kind: "committed", step, sequence, manifest, store, atMs, sendingAtMs } });
  if (result !== null) tell({ type: "committed", sequence, result });
}
