import { systemSleep } from "../../base/timers.ts";
import type { ManifestRef } from "../../manifest/manifest.ts";
import type { Store } from "../../store/store.ts";
import type { OpenedRun, PruneReport, SaverCall, ToSaver } from "../messages.ts";
import { withCounting } from "./counting-store.ts";
import { Pruner } from "./pruner.ts";
import { RestoreSource } from "./restore-source.ts";
import { listRun, setPin } from "./run-list.ts";
import { RunWriter } from "./run-writer.ts";
import { Saver } from "./saver.ts";
import { SecondTier } from "./second-tier.ts";
import { type CallContext, type SessionOptions, unknownCall } from "./session-options.ts";
import { Tiers } from "./tiers.ts";
import { verifyRun } from "./verify.ts";

/** A saver with a run: what `Checkpointer` talks to. */
export class RunSession {
  readonly #options: SessionOptions;
  readonly #tiers: Tiers;
  readonly #writer: RunWriter;
  readonly #saver: Saver;
  readonly #source: RestoreSource;
  readonly #pruners: readonly Pruner[];
  readonly #secondTier: SecondTier;
  #toResume: ManifestRef | null;

  constructor(options: SessionOptions & { readonly store: Store }) {
    const { start, status, clock, newId, tell, local } = options;
    this.#options = options;
    const store = withCounting(options.store, status);
    const tiers = new Tiers(local === null ? store : withCounting(local, status), local === null ? null : store);
    this.#tiers = tiers;
    this.#toResume = start.writer?.parent ?? null;
    this.#writer = new RunWriter({
      ...{ clock, newId, tiers, readOnly: start.readOnly, resumed: start.writer },
      onChange: (writer) => tell({ type: "writer", writer }),
    });
    this.#secondTier = new SecondTier({
      ...{ tiers, status, start, tell },
      warn: (message) => this.#warn(message),
      afterCommit: async () => this.#pruners[1]?.afterCommit((message) => this.#warn(message)),
      onFenced: (error) => this.#writer.fence(error),
    });
    this.#saver = new Saver({
      ...{ start, status, clock, tell, store: tiers.first, writer: this.#writer },
      prepare: () => this.#resume(),
      onDurable: (result) => this.#secondTier.send(result),
      afterCommit: () => this.#retain(),
    });
    this.#pruners = tiers.all.map((tier) => this.#createPruner(tier));
    this.#source = new RestoreSource(tiers);
  }

  handle(message: Exclude<ToSaver, { type: "call" | "cancel" | "cloud" }>): void {
    if (message.type === "adopt") this.#adopt(message.name, message.incarnation, message.manifest);
    else this.#saver.handle(message);
  }

  async call(call: SaverCall, context: CallContext): Promise<unknown> {
    switch (call.method) {
      case "open":
        return this.#open(context.signal);
      case "select":
        await this.#writer.look(context.signal);
        return this.#source.select(call, context.signal);
      case "state":
        return this.#source.readState(call.manifest, context.signal);
      case "fill":
        return this.#source.fill(call, context);
      case "restored":
        return this.#restored(call.manifest);
      case "list":
        return listRun(this.#tiers, (message) => this.#warn(message), context.signal);
      case "verify":
        return verifyRun(this.#tiers, call.readData, context.signal);
      case "prune":
        return this.#saver.exclusively(() => this.#prune(call, context.signal));
      case "pin":
        return setPin(this.#tiers, call.step, call.pinned);
      case "close":
        return this.#close();
      default:
        return unknownCall(call);
    }
  }

  #createPruner(store: Store): Pruner {
    const { start, clock } = this.#options;
    const isLocalTier = store === this.#tiers.first && this.#tiers.second !== null;
    return new Pruner({
      ...{ store, clock, retention: start.retention, writer: this.#writer },
      packsInUse: () => this.#saver.packsInUse(),
      notSent: () => (isLocalTier ? this.#secondTier.unsent : new Set()),
      onDeleted: (packs) => {
        if (store === this.#tiers.second) this.#secondTier.forget(packs);
      },
    });
  }

  #warn(message: string): void {
    this.#options.tell({ type: "event", event: { kind: "warning", message } });
  }

  async #open(signal: AbortSignal): Promise<OpenedRun> {
    const seen = await this.#writer.look(signal);
    await this.#sendMissing();
    return seen;
  }

  async #sendMissing(): Promise<void> {
    if (this.#options.start.readOnly) return;
    await this.#secondTier.sendMissing();
    // The training thread keeps the process alive until it hears that nothing is being sent any more.
    void this.#secondTier.idle().then(async () => {
      await systemSleep(0);
      this.#options.tell({ type: "idle" });
    });
  }

  /** After a crash of the saver's thread: what the last checkpoint names need not be saved again. */
  async #resume(): Promise<void> {
    const parent = this.#toResume;
    if (parent === null) return;
    const loaded = await this.#source.load(parent.name);
    await this.#sendMissing();
    this.#toResume = null;
    if (loaded === null) return;
    const { manifest, recordOf } = loaded;
    this.#saver.shelf.adopt(manifest.tensors, recordOf);
    // Of a buffer that was restored since, the incarnation is another one: then this says nothing about it (rule 4).
    for (const [name, buffer] of Object.entries(manifest.buffers)) {
      this.#saver.coverage.adopt(name, buffer.incarnation, buffer, manifest.packs, recordOf);
    }
  }

  #adopt(name: string, incarnation: string, manifest: string): void {
    const loaded = this.#source.loaded(manifest);
    const buffer = loaded.manifest.buffers[name];
    if (buffer === undefined) return;
    this.#saver.coverage.adopt(name, incarnation, buffer, loaded.manifest.packs, loaded.recordOf);
  }

  /** The next checkpoint descends from the restored one, and need not store its tensors again. */
  #restored(name: string): void {
    const { manifest, hash, recordOf } = this.#source.loaded(name);
    this.#toResume = null;
    this.#writer.descendFrom({ name, hash });
    this.#saver.shelf.adopt(manifest.tensors, recordOf);
    for (const pruner of this.#pruners) pruner.protect(name);
  }

  /** Of the tier that was just committed to; the run's store behind a local tier has its turn when that commit is made. */
  async #retain(): Promise<void> {
    await this.#pruners[0]?.afterCommit((message) => this.#warn(message));
  }

  async #prune(call: Extract<SaverCall, { method: "prune" }>, signal: AbortSignal): Promise<PruneReport> {
    const reports: PruneReport[] = [];
    await this.#secondTier.exclusively(async () => {
      for (const pruner of this.#pruners) reports.push(await pruner.prune(call, signal));
    });
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
    await this.#saver.close();
    await this.#secondTier.idle();
    try {
      await this.#writer.sayGoodbye();
    } catch (error) {
      this.#warn(`the end of this writer could not be noted, a later prune will ask: ${(error as Error).message}`);
    }
    for (const tier of this.#tiers.all) await tier.close?.();
    // The reply is on its way; nothing else may count as a sign of life.
    this.#options.status.add("heartbeat");
    await systemSleep(0);
  }
}
