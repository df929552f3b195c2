import * as zlib from "node:zlib";
import { describeWrongNode } from "../base/node-version.ts";
import {
  ClosedError,
  InvalidArgumentError,
  isVarveError,
  NodeVersionError,
  ReadOnlyError,
  SaverCrashedError,
} from "../errors.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { BlockedTime } from "./blocked-time.ts";
import type { CheckpointReader, OpenCheckpointOptions } from "./checkpoint-reader.ts";
import { type CheckedOptions, checkOptions, duration } from "./checkpointer-options.ts";
import { type CheckpointContents, type DescribeOptions, describeCheckpoint } from "./describe.ts";
import type { CheckpointerEvents } from "./events.ts";
import { type HandedOver, handOver, type Saver } from "./hand-over.ts";
import { logToStderr } from "./log-lines.ts";
import {
  type CloseLimits,
  type FromSaver,
  type OpenedRun,
  type PruneReport,
  type VerifyReport,
  type WriterIdentity,
} from "./messages.ts";
import { openCheckpoint } from "./open-checkpoint.ts";
import type {
  CheckpointerOptions,
  CheckpointerStatus,
  CheckpointInfo,
  PruneOptions,
  Restored,
  RestoreOptions,
  Save,
  SaveRequest,
  SyncOptions,
  SyncReport,
  WaitResult,
} from "./options.ts";
import { preemption } from "./preemption.ts";
import { PreemptionResponse } from "./preemption-response.ts";
import { restoreCheckpoint } from "./restore.ts";
import { SaveHandle } from "./save-handle.ts";
import { SaveLedger } from "./save-ledger.ts";
import { type CheckedRequest, checkSaveRequest } from "./save-request.ts";
import type { SaverLink } from "./saver-link.ts";
import { SharedStatus } from "./shared-status.ts";
import { startSaver } from "./start-saver.ts";
import { waitForDurable, waitForSaves } from "./wait-for-saves.ts";

/**
 * Makes checkpoints of one run without holding training up.
 *
 * `save()` notes a few numbers and copies the unfrozen state; a thread of its own encodes, writes and commits, also
 * while the training thread never yields to its event loop. Failures in the background never interrupt training:
 * they are counted, told to listeners, kept by `status()`, and reject the promises of the save.
 */
export class Checkpointer {
  readonly #options: CheckedOptions;
  readonly #store: Store;
  readonly #local: Store | null;
  readonly #ledger: SaveLedger;
  readonly #blocked: BlockedTime;
  #saver: Saver;
  #writer: WriterIdentity | null = null;
  #lastSequence = 0;
  #closing: Promise<WaitResult> | null = null;
  #restoresUnderWay = 0;
  readonly #preemption: PreemptionResponse;

  /**
   * Opens a run. Nothing is written: a new run comes into being, and a writer's epoch is claimed, at the first save.
   *
   * The run's store gives that epoch, also where there is `local`. So a first save fails while the store is away, on local
   * disk too, and the next one tries again; after it local saves need the store no more.
   *
   * @throws StoreError when the store cannot be reached; InvalidArgumentError for wrong options
   */
  static async open(options: CheckpointerOptions): Promise<Checkpointer> {
    const wrongNode = describeWrongNode(process.versions.node, "zstdCompressSync" in zlib);
    if (wrongNode !== null) throw new NodeVersionError(wrongNode);
    const checked = checkOptions(options);
    const store = typeof checked.store === "string" ? await openStore(checked.store) : checked.store;
    const local = checked.local === undefined ? null : await openStore(checked.local);
    const checkpointer = new Checkpointer(checked, store, local);
    try {
      const opened = await checkpointer.#saver.link.call<OpenedRun>({ method: "open" }, { signal: options.signal });
      checkpointer.#lastSequence = opened.lastSequence;
      checkpointer.#preemption.saveWith(checked.saveOnPreemption);
    } catch (error) {
      await checkpointer.#release();
      throw error;
    }
    return checkpointer;
  }

  private constructor(options: CheckedOptions, store: Store, local: Store | null) {
    this.#options = options;
    this.#store = store;
    this.#local = local;
    const { log } = options;
    this.#blocked = new BlockedTime(options.clock, (event) => this.#ledger.tell(event));
    this.#ledger = new SaveLedger(log === false ? undefined : log === "stderr" ? logToStderr : log);
    this.#saver = this.#startSaver(new SharedStatus());
    this.#preemption = new PreemptionResponse(options.closeTimeoutMs, {
      save: (request) => void this.save(request),
      hurry: () =>
        void this.#livingSaver()
          .link.call({ method: "hurry" })
          .catch(() => undefined),
      limitClosing: (limits) => void this.#saver.link.close(limits).catch(() => undefined),
      warn: (message) => this.#ledger.tell({ kind: "warning", message }),
    });
  }

  /**
   * Takes a snapshot of buffers and state, of this instant, and returns at once. What fails in the background rejects the
   * promises of the handle; the first save of a process also does where the run's store, which gives its epoch, is away.
   *
   * @throws InvalidArgumentError, UnsupportedStateError before anything is copied; ClosedError; ReadOnlyError
   * Cost: microseconds whatever the buffer's size, plus a memory copy of state that is not frozen. Where saves wait
   * (`onBacklog: "queue"`) and their copied state has reached `maxPinnedBytes`, `onMemoryPressure` decides.
   */
  save(request: SaveRequest): Save {
    this.#assertOpen();
    if (this.#options.readOnly) throw new ReadOnlyError("save", "the run");
    if (this.#restoresUnderWay > 0) {
      // Its parent would be decided by which of the two ends first.
      throw new InvalidArgumentError("save()", "called after restore() has ended", "a restore under way");
    }
    const { result, blockedMs } = this.#blocked.measure(() => {
      const checked = checkSaveRequest(request);
      this.#livingSaver();
      const sequence = ++this.#lastSequence;
      return { step: checked.step, sequence, facts: this.#handOver(checked, sequence) };
    });
    const { step, sequence, facts } = result;
    const { link } = this.#saver;
    const handleFacts = { step, sequence, blockedMs, copiedBytes: facts.copiedBytes };
    const save = new SaveHandle(handleFacts, link.status, () => link.drain());
    this.#ledger.add(save);
    this.#ledger.tell({ kind: "queued", step, sequence, blockedMs, ...facts });
    return save;
  }

  /** What the saver is doing, from shared counters: works in a loop that never yields. */
  status(): CheckpointerStatus {
    this.#saver.link.drain();
    const { status, isRunning } = this.#saver.link;
    return {
      ...status.saveCounts(),
      // What a saver that was lost last said of itself holds no more.
      current: isRunning ? status.current : null,
      ...status.storeStatus(this.#options.clock.now(), isRunning),
      bytes: status.amount("bytes"),
      requests: status.get("requests"),
      ...this.#blocked.counts(),
      heldStateBytes: isRunning ? this.#saver.arenas.budget.heldBytes : 0,
      lastError: this.#ledger.lastError,
    };
  }

  /**
   * Listens to what happens in the background. Listeners run when the training thread yields, or in `status()`,
   * `save()` and `save.phase`. One that throws does no harm: it is told as a warning.
   */
  on<E extends keyof CheckpointerEvents>(event: E, listener: (event: CheckpointerEvents[E]) => void): this {
    this.#ledger.emitter.on(event, listener as never);
    this.#ledger.askForProgress(this.#saver.link.status);
    return this;
  }

  off<E extends keyof CheckpointerEvents>(event: E, listener: (event: CheckpointerEvents[E]) => void): this {
    this.#ledger.emitter.off(event, listener as never);
    this.#ledger.askForProgress(this.#saver.link.status);
    return this;
  }

  /** Waits until every save so far is committed or has failed, or until the time is up. Never throws for failures. */
  async waitUntilFinished(options: { readonly timeoutMs?: number | undefined } = {}): Promise<WaitResult> {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) duration("timeoutMs", timeoutMs);
    await waitForSaves(this.#ledger.open, timeoutMs);
    const { completed, failed, pending } = this.status();
    return { succeeded: completed, failed, pending, errors: [...this.#ledger.errors] };
  }

  /**
   * Restores the newest intact checkpoint, or the one asked for; null if the run is empty.
   *
   * @throws CheckpointNotFoundError, NoIntactCheckpointError, FieldMismatchError, BufferNotEmptyError
   */
  async restore(options: RestoreOptions = {}): Promise<Restored | null> {
    this.#assertOpen();
    // What was saved before is part of the run by then; and its parent must not be changed under it.
    this.#restoresUnderWay++;
    try {
      await waitForDurable(this.#ledger.open, options.signal);
      const { link } = this.#livingSaver();
      return await restoreCheckpoint(link, options, (message) => this.#ledger.tell({ kind: "warning", message }));
    } finally {
      this.#restoresUnderWay--;
    }
  }

  /**
   * The checkpoints of the run that can be read, oldest first. Each of the others is told as a warning.
   *
   * @throws NoIntactCheckpointError when there are some and none can be read
   */
  async list(): Promise<CheckpointInfo[]> {
    this.#assertOpen();
    return this.#livingSaver().link.call({ method: "list" });
  }

  /**
   * What is in the newest checkpoint that is whole, or in the one asked for; null if the run is empty.
   * @throws CheckpointNotFoundError, NoIntactCheckpointError
   */
  async describe(options: DescribeOptions = {}): Promise<CheckpointContents | null> {
    this.#assertOpen();
    return describeCheckpoint(this.#livingSaver().link, options);
  }

  /** Opens the newest intact checkpoint, or the one asked for, to be read in parts; null if there is none (left). */
  async openCheckpoint(options: OpenCheckpointOptions = {}): Promise<CheckpointReader | null> {
    this.#assertOpen();
    return openCheckpoint(this.#livingSaver().link, options);
  }

  /** The step of the newest checkpoint, or null if there is none. */
  async latestStep(): Promise<number | null> {
    return (await this.list()).at(-1)?.step ?? null;
  }

  /**
   * Checks that everything every checkpoint names is there; with `readData`, every byte of it. Of a run opened with
   * `local`, each of the two places is checked and reported by itself, though restoring takes from one what the other has
   * damaged.
   */
  async verify(options: { readonly readData?: boolean | undefined } = {}): Promise<VerifyReport> {
    this.#assertOpen();
    return this.#livingSaver().link.call({ method: "verify", readData: options.readData ?? false });
  }

  /** Deletes what retention does not keep and packs that no checkpoint names. Only the newest writer may. */
  async prune(options: PruneOptions = {}): Promise<PruneReport> {
    this.#assertOpen();
    const { dryRun = false, takeOver = false, quarantine = false } = options;
    if (this.#options.readOnly && !dryRun) throw new ReadOnlyError("prune", "the run");
    return this.#livingSaver().link.call({ method: "prune", dryRun, takeOver, quarantine });
  }

  /**
   * Sends what the run's store lacks from the local tier, now, and resolves when it is there. The same happens by itself
   * after every save, at opening, and when a store that was away comes back; here it can be waited for.
   *
   * @throws StoreError when the store does not take it; FencedError when another writer has the run
   * Cost: of the store a listing and a read of every manifest, and what there is to send. Claims nothing.
   */
  async sync(options: SyncOptions = {}): Promise<SyncReport> {
    this.#assertOpen();
    if (this.#local === null)
      throw new InvalidArgumentError("sync()", "called on a run opened with `local`", "one store");
    if (this.#options.readOnly) throw new ReadOnlyError("sync", "the run");
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    return this.#livingSaver().link.call({ method: "sync" }, { signal, onProgress });
  }

  /** Keeps the newest checkpoint with this step from ever being removed by retention. */
  async pin(step: number): Promise<void> {
    await this.#setPin(step, true);
  }

  async unpin(step: number): Promise<void> {
    await this.#setPin(step, false);
  }

  /**
   * True once the process was told to end (SIGTERM). Heard only when the training thread yields, and from the first
   * question on, or from `open` with `saveOnPreemption`; a second SIGTERM ends the process.
   */
  get reachedPreemption(): boolean {
    return preemption.isReached();
  }

  /**
   * Finishes every save, then ends the saver's thread. From the call on, nothing else is accepted.
   *
   * A store that stands still is waited for no longer than `closeTimeoutMs`, all saves together. What it lacks of
   * `local` is told as a warning, and sent at the next opening. Without `local`, each save that was not made fails.
   *
   * @param options - `timeoutMs`: how long the whole may take, whether anything moves or not. In its second half, or at
   *   once where the store is known to be away, the newest of the saves that wait is made and replaces the others.
   *   May be called again with it while closing. Without it, after SIGTERM was heard, the store gets what is left of
   *   `closeTimeoutMs` since then. Saves on local disk are then made as long as anything moves there; those of a store
   *   without `local` have 10 s at least.
   */
  close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<WaitResult> {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) duration("timeoutMs", timeoutMs);
    if (this.#closing !== null && timeoutMs !== undefined)
      void this.#saver.link.close({ timeoutMs }).catch(() => undefined);
    if (this.#closing === null) {
      const limits = this.#preemption.closing();
      this.#closing = this.#close(timeoutMs === undefined ? limits : { timeoutMs });
    }
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #setPin(step: number, pinned: boolean): Promise<void> {
    this.#assertOpen();
    if (this.#options.readOnly) throw new ReadOnlyError(pinned ? "pin" : "unpin", "the run");
    await this.#livingSaver().link.call({ method: "pin", step, pinned });
  }

  async #close(limits: CloseLimits): Promise<WaitResult> {
    await this.#release(limits);
    // Whatever it may be: nobody waits for a save that nothing can be told of any more.
    this.#ledger.loseAll(this.#saver.link.status, new SaverCrashedError("it has ended, and said nothing of this save"));
    return this.waitUntilFinished();
  }

  async #release(limits: CloseLimits = {}): Promise<void> {
    // The saver reads the buffers' blocks until it has ended: only then may they be reused.
    try {
      await this.#saver.link.close(limits);
    } catch (error) {
      // What it had under way has failed, and was told.
      if (!isVarveError(error, "VARVE_SAVER_CRASHED")) throw error;
    } finally {
      this.#preemption.end();
    }
    this.#saver.attachments.detachAll();
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new ClosedError("This checkpointer");
  }

  /** The saver; a new one where the last was lost. */
  #livingSaver(): Saver {
    this.#saver.link.drain();
    if (!this.#saver.link.isRunning) this.#saver = this.#startSaver(this.#saver.link.status.successor());
    return this.#saver;
  }

  /** A saver that is lost while training waits for its memory is replaced, and the save goes to the next one. */
  #handOver(request: CheckedRequest, sequence: number): HandedOver {
    for (;;) {
      const facts = handOver(this.#livingSaver(), request, sequence, this.#options.clock.now());
      if (facts !== null) return facts;
    }
  }

  #startSaver(status: SharedStatus): Saver {
    this.#ledger.askForProgress(status);
    return startSaver(
      {
        ...{ options: this.#options, store: this.#store, local: this.#local, writer: this.#writer },
        blocked: this.#blocked,
        onMessage: (message) => this.#receive(message),
        isAwaited: () => this.#ledger.open.length > 0,
        onExit: () => this.#ledger.tellExit(this.status().behind, this.#local?.url, this.#store.url),
        onCrash: (link, error) => this.#lose(link, error),
        lastSequence: () => this.#lastSequence,
        warn: (message) => this.#ledger.tell({ kind: "warning", message }),
      },
      status,
    );
  }

  #receive(message: FromSaver): void {
    // The saver sends the next one only when this one was read.
    if (message.type === "progress") this.#ledger.askForProgress(this.#saver.link.status);
    if (message.type !== "writer") {
      this.#ledger.handle(message);
      return;
    }
    this.#writer = message.writer;
    this.#lastSequence = Math.max(this.#lastSequence, message.writer.lastSequence);
  }

  /** The saver's thread is gone: its saves have failed, and the next `save()` starts another. */
  #lose(link: SaverLink, error: SaverCrashedError): void {
    if (link !== this.#saver.link) return;
    this.#saver.attachments.detachAll();
    this.#ledger.loseAll(link.status, error);
  }
}
