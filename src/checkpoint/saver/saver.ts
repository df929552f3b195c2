import { raceAbort } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { EndGate } from "../../base/end-gate.ts";
import { Lane } from "../../base/lane.ts";
import { nextTurn } from "../../base/timers.ts";
import { SaveSkippedError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { TransferQueue } from "../../transfer/transfer-queue.ts";
import { toTransfer } from "../error-transfer.ts";
import type { FromSaver, SaveMessage, SaverStart, ToSaver } from "../messages.ts";
import type { SaveResult } from "../options.ts";
import type { SharedStatus } from "../shared-status.ts";
import { AttachedBuffer } from "./attached-buffer.ts";
import { CoverageBook } from "./coverage-book.ts";
import { EagerShipping } from "./eager-shipping.ts";
import { Encoder } from "./encoder.ts";
import { buildManifest } from "./manifest-builder.ts";
import { MemoryPressure } from "./memory-pressure.ts";
import { PackAssembler } from "./pack-assembler.ts";
import type { PackRecord } from "./pack-record.ts";
import { PackWriter } from "./pack-writer.ts";
import type { RunWriter } from "./run-writer.ts";
import { SaveJob } from "./save-job.ts";
import { SaveQueue } from "./save-queue.ts";
import { encodeSave, type SaveContext } from "./save-run.ts";
import { type MadeSave, SaveTimes } from "./save-times.ts";
import { StateMemory } from "./state-memory.ts";
import { TensorShelf } from "./tensor-shelf.ts";

export interface SaverDependencies {
  readonly start: Pick<SaverStart, "onBacklog" | "maxPinnedBytes" | "gate">;
  readonly status: SharedStatus;
  /** Where packs go first, without retries: the queue has them. */
  readonly store: Store;
  readonly transfers: TransferQueue;
  /** Its requests are tried again by themselves. */
  readonly writer: RunWriter;
  readonly clock: Clock;
  readonly tell: (message: FromSaver) => void;
  /** Called before every save: takes up what a saver that crashed had done. */
  readonly prepare: () => Promise<void>;
  /** A checkpoint is durable, and is about to be counted: whoever sees that must see how far the store is behind. */
  readonly beforeDurable: (result: SaveResult, packs: readonly PackRecord[]) => void;
  /** It was told: sends it to the run's store, where that is another one. */
  readonly onDurable: (result: SaveResult) => void;
  /** A save could not be made. */
  readonly onFailed: (error: unknown) => void;
  /** Retention. Its failures are its own. */
  readonly afterCommit: (sequence: number) => Promise<void>;
}

/**
 * The saver: takes snapshots as they arrive, and works on one save at a time.
 *
 * ```
 *  message ──> SaveQueue ──> encodeSave ──> packs acknowledged ──> manifest committed ──> durable
 *  full block ──> EagerShipping ──┘ (when no save waits)
 * ```
 */
export class Saver {
  readonly coverage: CoverageBook = new CoverageBook();
  readonly shelf: TensorShelf = new TensorShelf();
  readonly #deps: SaverDependencies;
  readonly #queue: SaveQueue;
  readonly #eager = new EagerShipping();
  readonly #encoder: Encoder;
  readonly #transfers: TransferQueue;
  readonly #pressure: MemoryPressure;
  readonly #attached = new Map<number, AttachedBuffer>();
  readonly #memory = new StateMemory();
  readonly #ended = new Set<string>();
  readonly #times: SaveTimes;
  #assembler: PackAssembler | null = null;
  #working: Promise<void> | null = null;
  readonly #lane = new Lane();
  /** Aborted, with what the save under way fails with, when the run is closed and time is up. */
  readonly #ending = new AbortController();

  constructor(deps: SaverDependencies) {
    this.#deps = deps;
    const { start, status, transfers } = deps;
    this.#encoder = new Encoder(() => status.add("heartbeat"), new EndGate(start.gate));
    this.#transfers = transfers;
    this.#times = new SaveTimes(deps.clock);
    this.#pressure = new MemoryPressure(status, start.maxPinnedBytes, {
      onPinned: (upTo) => this.#abandon(upTo),
      onHeld: (upTo, error) => this.#dropWaiting(upTo, error),
    });
    this.#queue = new SaveQueue(start.onBacklog, {
      onReplaced: (job, by) => this.#replace(job, by),
      onSkipped: (job) => this.#fail(job, new SaveSkippedError(job.message.sequence), "skipped"),
    });
  }

  handle(message: Exclude<ToSaver, { type: "call" | "cancel" | "adopt" | "cloud" }>): void {
    switch (message.type) {
      case "attach":
        this.#attached.set(message.id, new AttachedBuffer(message));
        break;
      case "block":
        this.#handleBlock(message);
        break;
      case "detach":
        this.#detach(message.id);
        break;
      case "arena":
        this.#memory.addArena(message);
        break;
      case "frozen":
        this.#memory.addFrozen(message);
        break;
      case "unneeded":
        this.#attached.get(message.id)?.letGo(message.number);
        break;
      case "forget":
        this.#memory.forget(message.id);
        break;
      case "save":
        this.#queue.offer(this.#accept(message));
        this.#work();
        break;
    }
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#working !== null) await this.#working;
    await this.#transfers.drain();
  }

  async close(): Promise<void> {
    await this.idle();
    await this.#encoder.close();
  }

  /** Time is short: of the saves that wait, only the newest is made, and the others count as replaced by it. */
  preferNewest(): void {
    this.#queue.preferNewest();
  }

  /** Every save that is not made yet fails. @param describe - with what */
  async giveUp(describe: (job: SaveJob) => Error): Promise<void> {
    const { current } = this.#queue;
    for (const job of this.#queue.removeAll()) this.#fail(job, describe(job), "failed");
    this.#ending.abort(current === null ? undefined : describe(current));
    this.#transfers.cancel();
    await this.#encoder.close();
    await nextTurn();
  }

  /** Names of the packs that a later checkpoint may name. */
  packsInUse(): ReadonlySet<string> {
    return new Set([...this.coverage.packs(), ...this.shelf.packs()].map(({ name }) => name));
  }

  /** Runs something while no save is worked on. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#lane.run(work);
  }

  #handleBlock({ id, event }: Extract<ToSaver, { type: "block" }>): void {
    const attached = this.#attached.get(id);
    if (attached === undefined) return;
    attached.handle(event);
    if (event.kind !== "full") return;
    this.#eager.offer(attached, event.log, event.segment, event.number);
    this.#work();
  }

  #detach(id: number): void {
    const attached = this.#attached.get(id);
    this.#attached.delete(id);
    if (attached === undefined) return;
    this.#eager.forget(attached);
    this.#ended.add(attached.description.incarnation);
    this.#forgetEnded();
  }

  /** What a buffer held before it was cleared or restored is needed until the last save of that is done. */
  #forgetEnded(): void {
    const named = this.#queue.jobs.flatMap(({ buffers }) =>
      buffers.map(({ attached }) => attached.description.incarnation),
    );
    for (const incarnation of this.#ended) {
      if (named.includes(incarnation)) continue;
      this.coverage.forget(incarnation);
      this.#assembler?.discard((lifetime) => lifetime.endsWith(` ${incarnation}`));
      this.#ended.delete(incarnation);
    }
  }

  /** Notes what the save holds, and copies its priorities at once: they may change as soon as that is done. */
  #accept(message: SaveMessage): SaveJob {
    const buffers = message.buffers.map(({ name, id, snapshot }) => {
      const attached = this.#attached.get(id);
      if (attached === undefined) throw new Error(`Save ${message.sequence} names buffer ${id}, which is not attached`);
      const { number, bounds, meta } = snapshot;
      return { name, attached, bounds, meta, number, priorities: attached.take(number) };
    });
    const { hold } = message;
    const { status } = this.#deps;
    const tensors = message.tensors.map(({ memory, ...tensor }) => ({
      ...tensor,
      memory: this.#memory.of(memory, tensor.length),
    }));
    return new SaveJob(message, buffers, tensors, () => {
      if (hold !== null) Atomics.store(status.holds, hold, 0);
      status.add("heartbeat");
    });
  }

  #work(): void {
    this.#working ??= this.#pressure
      .during(() => this.#workUntilIdle())
      .finally(() => {
        this.#working = null;
        if (!this.#queue.isIdle) this.#work();
      });
  }

  async #workUntilIdle(): Promise<void> {
    for (;;) {
      const job = this.#queue.take();
      if (job !== null) {
        await this.#saveInTurn(job);
        this.#queue.done();
        this.#forgetEnded();
      } else if (await this.exclusively(() => this.#shipOne())) {
        // A save that has arrived meanwhile goes before the next block.
        await nextTurn();
      } else return;
    }
  }

  /** While it waits for a prune that is under way, a save can be given up as one that waits for the one before. */
  async #saveInTurn(job: SaveJob): Promise<void> {
    const begun = Promise.withResolvers<void>();
    let isGivenUp = false;
    const saved = this.exclusively(async () => {
      begun.resolve();
      if (!isGivenUp) await this.#save(job);
    });
    try {
      await this.#pressure.unlessAsked(job.message.sequence, () => raceAbort(begun.promise, this.#ending.signal));
    } catch (error) {
      isGivenUp = true;
      for (const each of [...this.#queue.takeSuperseded(job), job]) this.#fail(each, error, "failed");
      return;
    }
    await saved;
  }

  async #shipOne(): Promise<boolean> {
    if (this.#assembler === null || this.#ending.signal.aborted) {
      this.#eager.drop();
      return false;
    }
    try {
      return await this.#eager.shipOne(this.coverage, this.#encoder, this.#assembler, this.#pressure);
    } catch (error) {
      const message = `a full block could not be encoded ahead of the next save: ${(error as Error).message}`;
      this.#deps.tell({ type: "event", event: { kind: "warning", message } });
      return true;
    }
  }

  async #save(job: SaveJob): Promise<void> {
    const { status, tell } = this.#deps;
    const { sequence, step } = job.message;
    try {
      const { result, records, times } = await raceAbort(this.#commit(job), this.#ending.signal);
      const { storedBytes, totalStoredBytes, logicalBytes, transitions, elapsedMs } = result;
      const event = { step, sequence, transitions, logicalBytes, storedBytes, totalStoredBytes, elapsedMs, ...times };
      // Counted before it is told: whoever awaits the save finds it in the status.
      this.#deps.beforeDurable(result, records);
      for (const older of this.#queue.takeSuperseded(job)) this.#replace(older, job);
      status.setCurrent(0, "waiting");
      status.add("completed");
      tell({ type: "event", event: { kind: "durable", ...event } });
      tell({ type: "durable", sequence, result });
      this.#deps.onDurable(result);
    } catch (error) {
      this.#deps.onFailed(error);
      for (const each of [...this.#queue.takeSuperseded(job), job]) this.#fail(each, error, "failed");
      return;
    }
    this.#forgetOld(job);
    await this.#deps.afterCommit(sequence);
  }

  async #commit(job: SaveJob): Promise<MadeSave> {
    const { status, writer, clock } = this.#deps;
    const { sequence, startedAtMs, step, logicalBytes, transitions } = job.message;
    const [bytesBefore, requestsBefore] = [status.amount("firstBytes"), status.get("firstRequests")];
    this.#times.begin();
    status.setCurrent(sequence, "encoding");
    const context = await this.#pressure.unlessAsked(sequence, () => this.#context());
    const content = await encodeSave(job, context);
    status.setCurrent(sequence, "writing");
    const { content: manifest, records } = buildManifest(job, content, this.coverage);
    await Promise.all(records.map((record) => record.stored));
    const prepared = await writer.prepare(manifest);
    this.#times.noteWrite();
    this.#ending.signal.throwIfAborted();
    job.isBeingCommitted = true;
    const committed = await writer.commit(prepared);
    this.shelf.replace(content.tensors);
    const attached = new Set(this.#attached.values());
    this.#eager.noteSave(job.buffers.filter((buffer) => attached.has(buffer.attached)));
    const result = {
      ...{ step, sequence, logicalBytes, transitions, manifest: committed.name },
      storedBytes: status.amount("firstBytes") - bytesBefore,
      totalStoredBytes: records.reduce((sum, record) => sum + record.bytes, committed.bytes),
      requests: status.get("firstRequests") - requestsBefore,
      elapsedMs: clock.now() - startedAtMs,
    };
    return { result, records, times: this.#times.end() };
  }

  /** Claims the epoch with the first save. */
  async #context(): Promise<SaveContext> {
    const { status, store, writer } = this.#deps;
    const epoch = await writer.claim();
    await this.#deps.prepare();
    this.#assembler ??= new PackAssembler(epoch, this.#times.watch(new PackWriter(store, this.#transfers)), (record) =>
      this.coverage.dropPack(record),
    );
    return {
      coverage: this.coverage,
      shelf: this.shelf,
      encoder: this.#encoder,
      assembler: this.#assembler,
      status,
      pressure: this.#pressure,
      onProgress: (job) => this.#tellProgress(job),
    };
  }

  /** One message for each time it is asked for: a training loop that never yields reads none (rule 3). */
  #tellProgress({ message }: SaveJob): void {
    const { status, tell } = this.#deps;
    if (status.get("isProgressAsked") === 0) return;
    status.set("isProgressAsked", 0);
    const { step, sequence } = message;
    const [rawBytesDone, rawBytesTotal] = [status.amount("rawDone"), status.amount("rawTotal")];
    tell({
      type: "progress",
      progress: { step, sequence, rawBytesDone, rawBytesTotal, storedBytes: status.amount("bytes") },
    });
  }

  #forgetOld(job: SaveJob): void {
    for (const { name, attached, bounds } of job.buffers) {
      attached.forgetBelow(bounds.map(({ tail }) => tail));
      for (const [index, { layout }] of attached.logs.entries()) {
        this.coverage.of(name, attached.description.incarnation, layout.name).dropBelow(bounds[index]?.tail ?? 0);
      }
    }
  }

  #abandon(upTo: number): void {
    this.#eager.drop();
    for (const job of this.#queue.removeUpTo(upTo)) this.#fail(job, this.#pressure.error, "failed");
  }

  /** For the state that they hold; rows that they pin are not asked for. */
  #dropWaiting(upTo: number, error: Error): void {
    for (const job of this.#queue.removeUpTo(upTo)) this.#fail(job, error, "failed");
  }

  #replace(job: SaveJob, by: SaveJob): void {
    this.#deps.status.add("replaced");
    job.releaseAll();
    this.#deps.tell({ type: "replaced", sequence: job.message.sequence, by: by.message.sequence });
  }

  #fail(job: SaveJob, error: unknown, outcome: "failed" | "skipped"): void {
    const { status, tell } = this.#deps;
    if (status.current?.sequence === job.message.sequence) status.setCurrent(0, "waiting");
    // Counted first: a training thread that waits for room goes on as soon as it is free, and reads the count.
    status.add(outcome);
    job.releaseAll();
    tell({ type: "failed", sequence: job.message.sequence, error: toTransfer(error) });
  }
}
