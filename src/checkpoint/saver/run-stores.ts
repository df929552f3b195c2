import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Sleep } from "../../base/timers.ts";
import type { Store } from "../../store/store.ts";
import { TokenBucket } from "../../transfer/bandwidth.ts";
import { etaMsOf } from "../../transfer/rate-meter.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "../../transfer/retry.ts";
import { withRetries } from "../../transfer/retrying-store.ts";
import { TransferQueue } from "../../transfer/transfer-queue.ts";
import type { SaverStart } from "../messages.ts";
import type { SharedStatus } from "../shared-status.ts";
import { withCounting } from "./counting-store.ts";
import { LineProgress } from "./line-progress.ts";
import { Tiers } from "./tiers.ts";
import { type RequestWatcher, watched } from "./watched-store.ts";

export interface RunStoresOptions {
  readonly store: Store;
  readonly local: Store | null;
  readonly start: Pick<SaverStart, "concurrency" | "maxUploadBytesPerSecond" | "retry">;
  readonly status: SharedStatus;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly random: Pick<Random, "uniform">;
  /** Of every request to the run's store. */
  readonly watcher: RequestWatcher;
  /** A request to either tier was answered. */
  readonly onAnswer: () => void;
}

/** Compressed bytes that may wait in memory for the disk, or for the network where there is no local tier. */
const MAX_WRITING_BYTES = 16 * 1024 * 1024;

/**
 * Of packs of the local tier that are being sent, each read when its turn comes: four of about 10 MB. With one at a time
 * (16 MiB) the line stands still while the next is read and hashed: 215 MB/s in place of 281 here.
 */
export const MAX_UPLOADING_BYTES: number = 40 * 1024 * 1024;

/** For whatever somebody waits for, or will be tried again anyway. */
const BRISK: RetryPolicy = { attempts: 8, baseDelayMs: 200, maxDelayMs: 10_000, budgetMs: 60_000 };

/**
 * For a save that nothing else keeps: without a local tier, giving up loses the checkpoint; with one, so it is until the
 * store has given the epoch, for the first save of a process (rule 8).
 */
const PATIENT: RetryPolicy = { attempts: 100, baseDelayMs: 200, maxDelayMs: 30_000, budgetMs: 300_000 };

/**
 * Adapters of clouds cut connections on which nothing moves; this net is for stores of a user's own. A put tells
 * nothing of its progress: 16 MiB in this time are 27 kB/s.
 */
const STALL_TIMEOUT_MS = 600_000;

/**
 * The stores of one run, as the rooms of the saver use them, and the queues of packs to them.
 *
 *     adapter ── counted ─┬─ jobs of a TransferQueue, which paces and tries again
 *                         └─ paced ── tried again ── every other request
 *
 * So there is one layer of retries on every way to the store, every try is counted, and one limit on bandwidth holds
 * for all that goes up.
 */
export class RunStores {
  /** For reading, pruning and sending. What fails on local disk fails at once. */
  readonly tiers: Tiers;
  /** For saving: the same stores, tried for longer where nothing else keeps the checkpoint meanwhile. */
  readonly saving: Tiers;
  /** Without retries: for jobs of the queues, and to ask once. */
  readonly bareFirst: Store;
  readonly bareSecond: Store | null;
  /** To where checkpoints become durable. */
  readonly writes: TransferQueue;
  /** To the run's store; the same as `writes` where that is the only one. */
  readonly uploads: TransferQueue;
  readonly #progress: LineProgress;

  constructor(options: RunStoresOptions) {
    const { store: given, local: givenLocal, start, status, clock, sleep, watcher, onAnswer } = options;
    const progress = new LineProgress(() => given.movedBytes?.() ?? 0);
    this.#progress = progress;
    const store = watched(given, clock, {
      answered: (operation) => {
        progress.answered();
        onAnswer();
        watcher.answered(operation);
      },
      failed: (error, begunAtMs) => {
        progress.failed();
        watcher.failed(error, begunAtMs);
      },
    });
    const local = givenLocal && watched(givenLocal, clock, { answered: onAnswer, failed: () => undefined });
    const own = withCounting(store, status, { own: true, first: local === null });
    const rate = start.maxUploadBytesPerSecond ?? Number.POSITIVE_INFINITY;
    const bandwidth = new TokenBucket(rate, clock, sleep);
    const paced = withBandwidth(own, bandwidth);
    const retried = (on: Store, policy: RetryPolicy): Store => retrying(on, policy, options);
    const brisk = isRemote(store) ? retried(paced, BRISK) : paced;
    if (local === null) {
      const patient = isRemote(store) ? PATIENT : DEFAULT_RETRY;
      this.bareFirst = own;
      this.bareSecond = null;
      this.tiers = new Tiers(brisk, null);
      this.saving = new Tiers(retried(paced, patient), null);
      this.uploads = createQueue(options, patient, isRemote(store), bandwidth);
      this.writes = this.uploads;
    } else {
      this.bareFirst = withCounting(local, status, { own: false, first: true });
      this.bareSecond = own;
      this.tiers = new Tiers(this.bareFirst, brisk);
      this.saving = new Tiers(
        retried(this.bareFirst, DEFAULT_RETRY),
        retried(paced, isRemote(store) ? PATIENT : DEFAULT_RETRY),
      );
      this.uploads = createQueue(options, BRISK, isRemote(store), bandwidth);
      this.writes = createQueue(options, DEFAULT_RETRY, false, null);
    }
  }

  /** How far the uploads are, to where the training thread reads it. */
  publish(status: SharedStatus): void {
    const { waiting, running, retries, bytesDone, bytesTotal, bytesPerSecond } = this.uploads.progress();
    // The queue knows what its window has let in; behind a local tier it is known how much the store lacks in all.
    const bytesLeft = Math.max(bytesTotal - bytesDone, status.amount("behindBytes"));
    const etaMs = etaMsOf(bytesLeft, bytesPerSecond);
    status.set("uploadsWaiting", waiting);
    status.set("uploadsRunning", running);
    status.set("uploadRetries", retries);
    status.setAmount("uploadDone", bytesDone);
    status.setAmount("uploadTotal", bytesDone + bytesLeft);
    status.setAmount("uploadRate", bytesPerSecond);
    status.setAmount("uploadEtaMs", etaMs ?? -1);
    status.uploads.write(this.uploads.jobs());
  }

  /** A number that grows while bytes move to or from the run's store, and no request to it has just failed. */
  movedBytes(): number {
    return this.#progress.bytes();
  }

  async close(): Promise<void> {
    for (const tier of this.tiers.all) await tier.close?.();
  }
}

/** Whether a store may be away for a while and come back: everything but local disk. */
export function isRemote(store: Store): boolean {
  return !store.url.startsWith("file:");
}

/** @param bandwidth - null for the local tier, which is not held back, and whose retries cost nothing */
function createQueue(
  { start, local, status, clock, sleep, random }: RunStoresOptions,
  policy: RetryPolicy,
  isRemote: boolean,
  bandwidth: TokenBucket | null,
): TransferQueue {
  return new TransferQueue({
    concurrency: start.concurrency,
    ...{ bandwidth: bandwidth ?? undefined, clock, sleep, random },
    maxQueuedBytes: local !== null && bandwidth !== null ? MAX_UPLOADING_BYTES : MAX_WRITING_BYTES,
    stallTimeoutMs: isRemote ? STALL_TIMEOUT_MS : undefined,
    retry: isRemote ? { ...policy, ...start.retry } : policy,
    onRetry: () => void (bandwidth !== null && status.add("retries")),
  });
}

/** The run's store where it is far away; local disk only for what saves, whose failure may pass. */
function retrying(store: Store, policy: RetryPolicy, { start, status, clock, sleep, random }: RunStoresOptions): Store {
  return withRetries(store, {
    ...{ clock, sleep, random },
    policy: isRemote(store) ? { ...policy, ...start.retry } : policy,
    onRetry: () => void (isRemote(store) && status.add("retries")),
  });
}

/** For what is not sent by a queue, which paces by itself. */
function withBandwidth(store: Store, bandwidth: TokenBucket): Store {
  return {
    ...{ url: store.url, traits: store.traits, location: store.location },
    put: async (name, bytes, options) => {
      await bandwidth.take(bytes.byteLength, options?.signal);
      return store.put(name, bytes, options);
    },
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
    close: async () => store.close?.(),
  };
}
