import type { Clock } from "../base/clock.ts";
import type { Sleep } from "../base/timers.ts";
import { errorFacts } from "../record/checkpointer-record.ts";
import { readRecords, recordFileStat } from "../record/read-records.ts";
import type { ErrorFacts, RunRecord } from "../record/run-record.ts";
import { CheckpointLister } from "./checkpoint-lister.ts";
import type { RunSource } from "./messages.ts";
import { RunFeed } from "./run-feed.ts";

/** How often a folder is looked at, and a store elsewhere, where each look is a request or two. */
const LOOK_MS = 2_000;
const REMOTE_LOOK_MS = 30_000;

/** How often packs are looked for again where no checkpoint came or went. */
const CHECK_MS = 60_000;
const REMOTE_CHECK_MS = 600_000;

/** Looking takes a tenth of the time at most, however many checkpoints there are. */
const PAUSE_FACTOR = 9;

export interface WatchTime {
  readonly clock: Clock;
  readonly sleep: Sleep;
}

/** One run of the dashboard: reads what there was, and then whatever comes. */
export class WatchedRun {
  readonly source: RunSource;
  readonly feed: RunFeed = new RunFeed();
  readonly #time: WatchTime;
  readonly #lister: CheckpointLister | null;
  #recordError: ErrorFacts | null = null;
  #storeError: ErrorFacts | null = null;
  /** Live records that came while the file was still being read. */
  #waiting: RunRecord[] | null = [];
  /** Whether a save may have changed what the store holds. */
  #isListDue = true;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #readTo = 0;
  #fileId: number | null = null;
  #passedOver = 0;

  constructor(source: RunSource, time: WatchTime) {
    this.source = source;
    this.#time = time;
    const { store, local, isCache } = source;
    this.#lister = store === null ? null : new CheckpointLister(store, local, isCache);
  }

  get isLive(): boolean {
    return this.source.liveFrom !== null;
  }

  /** What cannot be read at the moment. */
  get error(): ErrorFacts | null {
    return this.#recordError ?? this.#storeError;
  }

  /** A record of a run that trains in this process. */
  take(record: RunRecord): void {
    if (record.event === "durable" || record.event === "end") this.#isListDue = true;
    if (this.#waiting === null) this.feed.add([record]);
    else this.#waiting.push(record);
  }

  /** Reads, and goes on looking for what has changed until the signal is aborted. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock, sleep } = this.#time;
    const lookMs = this.#isRemote() ? REMOTE_LOOK_MS : LOOK_MS;
    try {
      while (!signal.aborted) {
        const startedAtMs = clock.monotonicMs();
        await this.#look(signal);
        await sleep(Math.max(lookMs, PAUSE_FACTOR * (clock.monotonicMs() - startedAtMs)), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#lister?.close();
    }
  }

  #isRemote(): boolean {
    return /^(?:gs|s3|az):/.test(this.source.store?.url ?? "");
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (!this.isLive || this.#waiting !== null) {
      this.#recordError = await failureOf(() => this.#readFile(signal), signal);
    }
    if (this.isLive) this.#takeWaiting();
    // What is known already need not wait for a store that may be away.
    if (this.#recordError === null && (this.isLive || this.source.recordFile !== null)) this.feed.ready();
    const nowMs = this.#time.clock.monotonicMs();
    const isCheckDue = nowMs - this.#checkedAtMs >= (this.#isRemote() ? REMOTE_CHECK_MS : CHECK_MS);
    if (this.#lister !== null && (!this.isLive || this.#isListDue || isCheckDue)) {
      this.#isListDue = false;
      this.#storeError = await failureOf(() => this.#list(signal, isCheckDue), signal);
      if (this.#storeError !== null) this.#isListDue = true;
      else if (isCheckDue) this.#checkedAtMs = nowMs;
    }
    this.feed.ready();
  }

  #takeWaiting(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    if (waiting.length > 0) this.feed.add(waiting);
  }

  async #readFile(signal: AbortSignal): Promise<void> {
    const { recordFile: path, liveFrom } = this.source;
    if (path === null) return;
    await this.#beginAnewIfReplaced(path);
    let passedOver = 0;
    for await (const batch of readRecords(path, { from: this.#readTo, to: liveFrom ?? undefined, signal })) {
      this.feed.add(batch.records);
      this.#readTo = batch.end;
      passedOver += batch.passedOver;
    }
    if (passedOver > 0) this.#tellPassedOver(path, passedOver);
  }

  #tellPassedOver(path: string, count: number): void {
    this.#passedOver += count;
    const lines = this.#passedOver === 1 ? "1 line is" : `${this.#passedOver} lines are`;
    const message = `${lines} passed over in ${path}: cut short, or of a kind that this version does not know.`;
    this.feed.add([{ event: "warning", atMs: this.#time.clock.now(), message }]);
  }

  async #beginAnewIfReplaced(path: string): Promise<void> {
    const found = await recordFileStat(path);
    const isSame =
      found === null || this.#fileId === null || (found.ino === this.#fileId && found.size >= this.#readTo);
    this.#fileId = found?.ino ?? this.#fileId;
    if (isSame) return;
    this.#readTo = 0;
    this.#passedOver = 0;
    this.#isListDue = true;
    this.#lister?.forget();
    this.feed.reset();
  }

  async #list(signal: AbortSignal, isCheckDue: boolean): Promise<void> {
    const checkpoints = (await this.#lister?.listChanged(signal, isCheckDue)) ?? null;
    if (checkpoints !== null) this.feed.add([{ event: "checkpoints", atMs: this.#time.clock.now(), checkpoints }]);
  }
}

async function failureOf(work: () => Promise<void>, signal: AbortSignal): Promise<ErrorFacts | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (signal.aborted) throw error;
    return errorFacts(error);
  }
}
