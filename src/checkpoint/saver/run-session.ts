import { EndGate } from "../../base/end-gate.ts";
import type { IdSource } from "../../base/ids.ts";
import { repeat } from "../../base/timers.ts";
import { InvalidArgumentError, isVarveError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import { withStallTimeout } from "../../transfer/stall-timeout.ts";
import type { CheckpointContents } from "../describe.ts";
import {
  CLOSE_TIMEOUT_MS,
  type DescribedCheckpoint,
  type FromSaver,
  type OpenedRun,
  type PruneReport,
  type SaverCall,
  type ToSaver,
} from "../messages.ts";
import type { CheckpointInfo, SaveResult } from "../options.ts";
import { ClosingTime } from "./closing-time.ts";
import { readContents } from "./contents.ts";
import { Pruner } from "./pruner.ts";
import { RestoreSource } from "./restore-source.ts";
import { RestoredRun } from "./restored-run.ts";
import { RowSource } from "./row-source.ts";
import { listRun, setPin } from "./run-list.ts";
import { isRemote, MAX_UPLOADING_BYTES, RunStores } from "./run-stores.ts";
import { RunWriter } from "./run-writer.ts";
import { Saver } from "./saver.ts";
import { SecondTier } from "./second-tier.ts";
import { type CallContext, type SessionOptions, unknownCall } from "./session-options.ts";
import { StoreHealth } from "./store-health.ts";
import { StoreProbe } from "./store-probe.ts";
import { tellCommitted } from "./store-sender.ts";
import type { Tiers } from "./tiers.ts";
import { verifyRun } from "./verify.ts";

/** How often it is told how far uploads are, to a training thread that looks. */
const PUBLISH_EVERY_MS = 200;

const GOODBYE_MS = 1_000;
/** Without a local tier nothing else keeps the saves: as long as the tries of one of them. */
const CLOSE_ALONE_TIMEOUT_MS = 300_000;

/** A saver with a run: what `Checkpointer` talks to. */
export class RunSession {
  readonly #options: SessionOptions;
  readonly #stores: RunStores;
  readonly #tiers: Tiers;
  readonly #writer: RunWriter;
  readonly #saver: Saver;
  readonly #source: RestoreSource;
  readonly #rows: RowSource = new RowSource({
    manifest: async (name, signal) => (await this.#source.manifest(name, signal)).manifest,
    pack: (ref, signal) => this.#tiers.pack(ref, signal),
  });
  readonly #pruners: readonly Pruner[];
  /** Null where checkpoints are committed as soon as they are durable. */
  readonly #secondTier: SecondTier | null;
  readonly #health: StoreHealth;
  /** Of the only tier; a store behind a local one is asked by its sender. */
  readonly #probe: StoreProbe;
  readonly #stopPublishing: () => void;
  readonly #closingTime: ClosingTime;
  #closing: Promise<void> | null = null;
  readonly #restoredRun: RestoredRun;
  /** The sequence of the newest save that has arrived. */
  #newestSave = 0;

  constructor(options: SessionOptions & { readonly store: Store }) {
    const { start, status, clock, newId } = options;
    const stores: RunStores = new RunStores({
      ...options,
      watcher: {
        answered: (operation) => this.#ownHealth?.noteAnswer(operation),
        failed: (error, begunAtMs) => this.#ownHealth?.noteFailure(error, begunAtMs),
      },
      onAnswer: () => this.#closingTime.watchers.forEach((watcher) => watcher()),
    });
    const tell = (message: FromSaver): void => {
      // Counted before it is told: whoever awaits a save finds it in the status.
      stores.publish(status);
      options.tell(message);
    };
    this.#options = { ...options, tell };
    const { tiers } = stores;
    this.#stores = stores;
    this.#tiers = tiers;
    this.#writer = new RunWriter({
      ...{ clock, newId, tiers: stores.saving, looking: tiers, readOnly: start.readOnly, resumed: start.writer },
      onChange: (writer) => tell({ type: "writer", writer }),
    });
    this.#secondTier = this.#createSecondTier();
    const { url } = tiers.authority;
    const { sleep, random } = options;
    this.#probe = new StoreProbe({ store: stores.bareFirst, health: () => this.#health, sleep, random, newId });
    const onChange = (isAway: boolean): void => (isAway ? this.#probe.start() : this.#probe.stop());
    this.#health = this.#secondTier?.health ?? new StoreHealth({ url, status, clock, tell, behind: () => 0, onChange });
    this.#closingTime = new ClosingTime({
      ...{ url, sleep, patienceMs: this.#patienceMs(), moved: () => stores.movedBytes() },
      isStoreAlone: this.#secondTier === null && isRemote(tiers.first),
      rawBytesDone: () => status.amount("rawDone"),
      storeError: () => this.#ownHealth?.error ?? null,
    });
    this.#saver = new Saver({
      ...{ start, status, clock, tell, store: stores.bareFirst, transfers: stores.writes, writer: this.#writer },
      prepare: () => this.#restoredRun.prepare(),
      beforeDurable: (result, packs) => this.#secondTier?.add(result, packs),
      onDurable: (result) => this.#sendOn(result),
      onFailed: (error) => this.#noteFailure(error),
      afterCommit: (sequence) => this.#retain(sequence),
    });
    this.#pruners = tiers.all.map((tier) => this.#createPruner(tier));
    const hold = (name: string): void => this.#pruners.forEach(({ held }) => held.choose(name, this.#newestSave));
    this.#source = new RestoreSource(tiers, () => this.#writer.run, new EndGate(start.gate), hold);
    this.#restoredRun = this.#createRestoredRun();
    this.#stopPublishing = repeat(PUBLISH_EVERY_MS, () => stores.publish(status));
  }

  handle(message: Exclude<ToSaver, { type: "call" | "cancel" | "cloud" }>): void {
    if (message.type === "save") this.#newestSave = message.sequence;
    if (message.type === "adopt") this.#restoredRun.adopt(message.name, message.incarnation, message.manifest);
    else this.#saver.handle(message);
  }

  async call(call: SaverCall, context: CallContext): Promise<unknown> {
    switch (call.method) {
      case "open":
        return this.#open(context.signal);
      case "select":
        await this.#writer.lookBeforeRestore(context.signal);
        return this.#source.select(call, context.signal);
      case "state":
        return this.#source.readState(call.manifest, context.signal);
      case "fill":
        return this.#source.fill(call, context);
      case "restored":
        this.#secondTier?.noteRestored(call.manifest, this.#source.loaded(call.manifest).manifest.packs);
        return this.#restoredRun.restored(call.manifest);
      case "describe":
        return this.#describe(call.manifest, context.signal);
      case "rows":
        return this.#rows.rows(call, context.signal);
      case "tensor":
        return this.#rows.tensor(call, context.signal);
      case "list":
        return this.#list(context.signal);
      case "contents":
        return this.#contents(call, context.signal);
      case "verify":
        return verifyRun(this.#tiers, call.readData, context.signal);
      case "prune":
        return this.#prune(call, context.signal);
      case "hurry":
        return this.#hurry();
      case "sync":
        return this.#sync(context);
      case "pin":
        return this.#pin(call);
      case "close":
        if (call.timeoutMs !== undefined) this.#closingTime.limit(call.timeoutMs);
        if (call.storeTimeoutMs !== undefined) this.#closingTime.limitStore(call.storeTimeoutMs);
        return (this.#closing ??= this.#close());
      default:
        return unknownCall(call);
    }
  }

  #createSecondTier(): SecondTier | null {
    const { first, second } = this.#tiers;
    const { bareSecond, uploads: queue } = this.#stores;
    if (second === null || bareSecond === null) return null;
    const { start, status, clock, sleep, random, newId, tell } = this.#options;
    return new SecondTier({
      ...{ first, second, bareSecond, queue, status, clock, sleep, random, newId, tell },
      maxBytesPerSecond: start.maxUploadBytesPerSecond,
      moved: () => this.#stores.movedBytes(),
      retention: start.retention,
      run: () => this.#writer.run,
      warn: (message) => this.#warn(message),
      ownEpoch: () => this.#writer.epoch,
      claimUnderWay: () => this.#writer.claimUnderWay(),
      afterCommit: async (sequence) => this.#pruners[1]?.afterCommit(sequence, (message) => this.#warn(message)),
      onFenced: (error) => this.#writer.fence(error),
    });
  }

  async #list(signal: AbortSignal): Promise<CheckpointInfo[]> {
    await this.#writer.identify(signal);
    return listRun(this.#tiers, this.#writer.run, (message) => this.#warn(message), signal);
  }

  async #contents(
    { step, sequence }: Extract<SaverCall, { method: "contents" }>,
    signal: AbortSignal,
  ): Promise<CheckpointContents | null> {
    await this.#writer.lookBeforeRestore(signal);
    const selected = await this.#source.select({ method: "select", step, sequence, after: null }, signal);
    if (selected === null) return null;
    return readContents(this.#tiers, this.#source.loaded(selected.manifest), selected.skipped, signal);
  }

  async #describe(name: string, signal: AbortSignal): Promise<DescribedCheckpoint> {
    const { manifest, hash } = await this.#source.manifest(name, signal);
    const tensors = manifest.tensors.map(({ dtype, length }) => ({ dtype, length }));
    return { run: manifest.run, hash, state: manifest.state, tensors };
  }

  #createRestoredRun(): RestoredRun {
    return new RestoredRun({
      ...{ source: this.#source, writer: this.#writer, saver: this.#saver, tiers: this.#tiers },
      parent: this.#options.start.writer?.parent ?? null,
      startSending: () => this.#secondTier?.start(),
      warn: (message) => this.#warn(message),
    });
  }

  #createPruner(store: Store): Pruner {
    const { start, clock } = this.#options;
    const { backlog } = this.#secondTier ?? {};
    const isSecond = store === this.#tiers.second;
    return new Pruner({
      ...{ store, clock, retention: start.retention, writer: this.#writer },
      packsInUse: () => new Set([...this.#saver.packsInUse(), ...(isSecond ? (backlog?.packs() ?? []) : [])]),
      notSent: () => (isSecond ? new Set() : (backlog?.names ?? new Set())),
      onDeleted: (packs) => {
        if (isSecond) this.#secondTier?.forget(packs);
      },
    });
  }

  /** A prune that was planned before the pin is written knows nothing of it. */
  async #pin(call: Extract<SaverCall, { method: "pin" }>): Promise<void> {
    const helds = this.#pruners.map(({ held }) => held);
    let [name, isWritten] = ["", false];
    try {
      await setPin(this.#tiers, this.#writer.run, call, async (found) => {
        name = found;
        for (const held of helds) await (call.pinned ? held.beginPin(found) : held.unpin(found));
      });
      isWritten = true;
    } finally {
      for (const held of helds) held.endPin(name, isWritten);
    }
  }

  #warn(message: string): void {
    this.#options.tell({ type: "event", event: { kind: "warning", message } });
  }

  async #open(signal: AbortSignal): Promise<OpenedRun> {
    const { start } = this.#options;
    // What only reads may look at a damaged run file, so that `verify` can tell it.
    const seen = await this.#writer.look(signal, start.readOnly);
    if (start.readOnly) return seen;
    if (this.#secondTier === null) await this.#writer.assertOwnCheckpoints(signal);
    else await this.#secondTier.compare(signal);
    await this.#writer.putBackRunFiles((message) => this.#warn(message), signal);
    await tryCreate(this.#tiers.authority, this.#options.newId, signal);
    if (start.sendMissing ?? true) this.#secondTier?.start();
    return seen;
  }

  /** A checkpoint is durable: it goes on to the run's store, and is there already where that is the only one. */
  #sendOn(result: SaveResult): void {
    const { tell, clock } = this.#options;
    if (this.#secondTier !== null) {
      this.#secondTier.send(result.manifest);
      return;
    }
    this.#health.recover();
    tellCommitted(tell, this.#tiers.first.url, { ...result, atMs: clock.now(), sendingAtMs: null }, result);
  }

  /** Behind a local tier the sender decides, which needs to know for good. */
  get #ownHealth(): StoreHealth | null {
    return this.#secondTier === null && isRemote(this.#tiers.first) ? this.#health : null;
  }

  #patienceMs(): number | undefined {
    const { closeTimeoutMs, maxUploadBytesPerSecond } = this.#options.start;
    if (!isRemote(this.#tiers.authority)) return undefined;
    const timeoutMs = closeTimeoutMs ?? (this.#secondTier === null ? CLOSE_ALONE_TIMEOUT_MS : CLOSE_TIMEOUT_MS);
    // Packs that wait for the limit on bandwidth: that is not the store's fault.
    const pacingMs = maxUploadBytesPerSecond === null ? 0 : (MAX_UPLOADING_BYTES / maxUploadBytesPerSecond) * 1000;
    return Number.isFinite(timeoutMs) ? timeoutMs + pacingMs : undefined;
  }

  /** Of a save. With a local tier it says nothing about the run's store. */
  #noteFailure(error: unknown): void {
    if (this.#secondTier === null && isRemote(this.#tiers.first) && isVarveError(error, "VARVE_STORE")) {
      this.#health.fail(error);
    }
  }

  /** A local tier takes the saves that wait in no time; but none may be skipped for one under way. */
  #hurry(): void {
    const isFar = this.#secondTier === null && isRemote(this.#tiers.first);
    if (isFar || this.#options.start.onBacklog === "skip") this.#saver.preferNewest();
    this.#secondTier?.hurry();
  }

  async #sync({ signal, onProgress }: CallContext): Promise<unknown> {
    if (this.#secondTier === null)
      throw new InvalidArgumentError("sync()", "of a run opened with `local`", "one store");
    await this.#writer.identify(signal);
    await this.#writer.putBackRunFiles((message) => this.#warn(message), signal);
    return this.#secondTier.sync(onProgress, signal);
  }

  /** Of the tier that was just committed to; the run's store behind a local tier has its turn when that commit is made. */
  async #retain(sequence: number): Promise<void> {
    // Until the tiers were compared, nobody knows which checkpoints the store lacks (rule 10).
    if (this.#secondTier?.hasCompared === false) return;
    await this.#pruners[0]?.afterCommit(sequence, (message) => this.#warn(message));
  }

  async #prune(call: Extract<SaverCall, { method: "prune" }>, signal: AbortSignal): Promise<PruneReport> {
    const [first, second] = this.#pruners as [Pruner, Pruner?];
    const reports = [await this.#saver.exclusively(() => first.prune(call, signal))];
    // Local saves go on meanwhile, as they do beside its retention.
    if (second !== undefined && this.#secondTier !== null)
      reports.push(await this.#secondTier.exclusively(() => second.prune(call, signal)));
    const union = (key: "checkpoints" | "packs" | "kept" | "quarantined"): string[] => [
      ...new Set(reports.flatMap((report) => report[key])),
    ];
    return {
      dryRun: call.dryRun,
      bytes: reports.reduce((sum, { bytes }) => sum + bytes, 0),
      ...{ checkpoints: union("checkpoints"), packs: union("packs"), kept: union("kept") },
      quarantined: union("quarantined"),
    };
  }

  async #close(): Promise<void> {
    const { start, status, sleep } = this.#options;
    this.#probe.stop();
    await this.#closingTime.finish(this.#saver);
    this.#probe.stop();
    await this.#secondTier?.close(start.closeTimeoutMs ?? CLOSE_TIMEOUT_MS, this.#closingTime.isStoreUp);
    this.#stopPublishing();
    this.#stores.publish(status);
    try {
      const longMs = Math.max(GOODBYE_MS, start.closeTimeoutMs ?? CLOSE_TIMEOUT_MS);
      const timeoutMs = this.#closingTime.isLimited ? GOODBYE_MS : longMs;
      const stall = { timeoutMs, name: this.#tiers.authority.url, sleep, signal: new AbortController().signal };
      await withStallTimeout(stall, () => this.#writer.sayGoodbye(this.#tiersToLeave()));
    } catch (error) {
      this.#warn(`the end of this writer could not be noted, a later prune will ask: ${(error as Error).message}`);
    }
    this.#closingTime.end();
    await this.#stores.close();
    // The reply is on its way; nothing else may count as a sign of life.
    status.add("heartbeat");
    await sleep(0);
  }

  /** A store that is away is not asked again; and one that lacks checkpoints is not one that nobody writes to. */
  #tiersToLeave(): readonly Store[] {
    const isWell = this.#health.error === null && !this.#closingTime.hasGivenUp;
    const isUpToDate = isWell && (this.#secondTier?.backlog.size ?? 0) === 0;
    return isUpToDate ? this.#tiers.all : this.#tiers.all.filter((tier) => tier !== this.#tiers.authority);
  }
}

/**
 * Has a cloud's adapter try create-if-absent, which it does before the first create: a store that ignores it, or that
 * may not be written to, is refused before a generation is trained for nothing.
 */
async function tryCreate(store: Store, newId: IdSource, signal: AbortSignal): Promise<void> {
  if (!/^(gs|s3|az):\/\//.test(store.url)) return;
  const name = `probe/${newId()}`;
  await store.put(name, new Uint8Array(0), { ifAbsent: true, signal });
  await store.delete(name, { signal }).catch((error: unknown) => {
    // Who may not delete may still save; retention will say what it cannot do.
    if (!isVarveError(error, "VARVE_STORE")) throw error;
  });
}
