import { MessageChannel } from "node:worker_threads";
import { EndGate } from "../../src/base/end-gate.ts";
import type { IdSource } from "../../src/base/ids.ts";
import { createRandom } from "../../src/base/random.ts";
import { BufferAttachments } from "../../src/checkpoint/buffer-attachments.ts";
import { fromTransfer } from "../../src/checkpoint/error-transfer.ts";
import { handOver } from "../../src/checkpoint/hand-over.ts";
import type { FromSaver, OpenedRun, RetentionOptions, SaverCall, SaverStart } from "../../src/checkpoint/messages.ts";
import type { Restored } from "../../src/checkpoint/options.ts";
import { restoreCheckpoint } from "../../src/checkpoint/restore.ts";
import { checkSaveRequest } from "../../src/checkpoint/save-request.ts";
import { RunSession } from "../../src/checkpoint/saver/run-session.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { type Store, stateHash, type VerifyReport } from "../../src/index.ts";
import type { TypedArray } from "../../src/schema/dtype.ts";
import {
  addInline,
  addWindows,
  type InlineBuffer,
  inlineBuffer,
  type WindowBuffer,
  windowBuffer,
} from "../checkpoint/support.ts";
import type { SimulatedTime } from "./simulated-time.ts";

export interface ProcessOptions {
  readonly store: Store;
  /** The first of two tiers. */
  readonly local?: Store | null | undefined;
  readonly time: SimulatedTime;
  /** Ids differ from those of every other process of the run. */
  readonly newId: IdSource;
  readonly retention?: Partial<RetentionOptions> | undefined;
  readonly readOnly?: boolean | undefined;
  /** A few rows of one buffer instead of two buffers: where every single byte is tried. */
  readonly isTiny?: boolean | undefined;
  /** Of buffers. */
  readonly newIncarnation?: IdSource | undefined;
}

export interface SaveOfProcess {
  readonly step: number;
  /** What was saved, by value (rule 12). */
  readonly hash: string;
  readonly sequence: number;
  readonly durable: Promise<void>;
  readonly committed: Promise<void>;
}

export interface RestoredHash {
  readonly step: number;
  readonly hash: string;
  /** Checkpoints that were passed over, with the reason. */
  readonly skipped: readonly string[];
}

interface Contents {
  readonly windows?: WindowBuffer;
  readonly rows: InlineBuffer;
}

interface TrainerState {
  step: number;
  readonly changing: Float32Array;
  readonly constant: Float64Array;
}

const NO_RETENTION: RetentionOptions = { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 86_400_000 };

/**
 * A training process with its saver, all in this thread and in simulated time: what `Checkpointer` does, without the
 * thread between. It trains two small buffers, prioritised, one of them with windows, and a state with tensors.
 */
export class SimulatedProcess {
  readonly warnings: string[] = [];
  readonly #options: ProcessOptions;
  readonly #status = new SharedStatus();
  readonly #session: RunSession;
  readonly #attachments: BufferAttachments;
  readonly #saves = new Map<number, Record<"durable" | "committed", PromiseWithResolvers<void>>>();
  #contents: Contents;
  #sequence = 0;
  #frozen = 0;
  #state: TrainerState;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { store, local = null, time, newId, retention, readOnly = false } = options;
    this.#contents = this.#createContents();
    const size = options.isTiny ? 8 : 40;
    this.#state = { step: 0, changing: new Float32Array(size), constant: new Float64Array(size).fill(1.5) };
    const start: SaverStart = {
      ...{ status: this.#status.memory, gate: new EndGate().memory, port: UNUSED_PORT },
      ...{ store: null, local: null, readOnly },
      ...{ onBacklog: "queue", concurrency: 4, maxUploadBytesPerSecond: null, writer: null },
      ...{ maxPinnedBytes: 1e9, retention: { ...NO_RETENTION, ...retention } },
    };
    this.#session = new RunSession({
      ...{ start, status: this.#status, store, local, newId, clock: time.clock, sleep: time.sleep },
      tell: (message) => this.#hear(message),
      random: { uniform: () => 0.5 },
    });
    this.#attachments = new BufferAttachments({
      post: (message) => this.#session.handle(message as never),
      ...{ maxPinnedBytes: 1e9, canWaitForSaves: false, wait: () => undefined },
      ...{ isRunning: () => true, onPressure: () => undefined },
    });
  }

  async open(): Promise<OpenedRun> {
    const opened = (await this.call({ method: "open" })) as OpenedRun;
    this.#sequence = opened.lastSequence;
    return opened;
  }

  /** Restores into fresh buffers; null where the run is empty. */
  async restore(step?: number): Promise<RestoredHash | null> {
    const contents = this.#createContents();
    const link = {
      call: (call: SaverCall) => this.call(call),
      post: (message: never) => this.#session.handle(message),
    };
    const options = { buffer: { ...contents }, ...(step === undefined ? {} : { step }) };
    const warn = (message: string): void => void this.warnings.push(message);
    const restored: Restored | null = await restoreCheckpoint(link as never, options, warn);
    if (restored === null) return null;
    const hash = stateHash({ buffer: { ...contents }, state: restored.state });
    this.#contents = contents;
    this.#state = restored.state as TrainerState;
    return { step: restored.step, hash, skipped: restored.skipped.map(({ reason }) => reason) };
  }

  /** New rows, priorities and weights, which follow from the seed: rows of another seed differ under the same number. */
  train(seed: number): void {
    const random = createRandom(seed);
    const { windows, rows } = this.#contents;
    if (windows !== undefined) addWindows(windows, 4 + random.int(24));
    addInline(rows, this.#options.isTiny ? 1 : 2 + random.int(30));
    for (const buffer of Object.values(this.#contents)) {
      const { from, to } = buffer.rowRange();
      const numbers = Array.from({ length: 3 }, () => from + random.int(to - from));
      buffer.updatePriorities(
        numbers,
        numbers.map(() => 0.1 + random.uniform()),
      );
    }
    this.#state.step = seed;
    this.#state.changing.set(Float32Array.from({ length: 8 }, () => random.uniform()));
  }

  /** As `train`, where the rows themselves must differ from those of another past. */
  trainOtherwise(seed: number): void {
    for (let i = 0; i < 12; i++) {
      const observation = Float32Array.of(-seed, i, -1);
      const row = { observation, action: -seed, reward: seed, nextObservation: observation };
      this.#contents.rows.add({ ...row, terminated: false, truncated: false });
    }
    this.train(seed);
  }

  save(step: number): SaveOfProcess {
    const sequence = ++this.#sequence;
    const content = { buffer: { ...this.#contents }, state: this.#state };
    const hash = stateHash(content);
    const ends = { durable: Promise.withResolvers<void>(), committed: Promise.withResolvers<void>() };
    for (const { promise } of Object.values(ends)) promise.catch(() => undefined);
    this.#saves.set(sequence, ends);
    const link = { isRunning: true, status: this.#status, post: (message: never) => this.#session.handle(message) };
    const arenas = { copy: (tensors: readonly TypedArray[]) => this.#freeze(tensors), giveBack: () => undefined };
    const saver = { link, attachments: this.#attachments, arenas };
    handOver(saver as never, checkSaveRequest({ step, ...content }), sequence, this.#options.time.nowMs);
    return { step, hash, sequence, durable: ends.durable.promise, committed: ends.committed.promise };
  }

  async pin(step: number): Promise<void> {
    await this.call({ method: "pin", step, pinned: true });
  }

  async prune(takeOver = false): Promise<void> {
    await this.call({ method: "prune", dryRun: false, takeOver, quarantine: false });
  }

  async sync(): Promise<void> {
    await this.call({ method: "sync" });
  }

  async verify(): Promise<VerifyReport> {
    return (await this.call({ method: "verify", readData: true })) as VerifyReport;
  }

  async close(): Promise<void> {
    await this.call({ method: "close" });
    this.#attachments.detachAll();
  }

  call(call: SaverCall): Promise<unknown> {
    const signal = new AbortController().signal;
    return this.#options.time.until(this.#session.call(call, { signal, onProgress: () => undefined }));
  }

  #createContents(): Contents {
    const { newId, newIncarnation = newId, isTiny = false } = this.#options;
    const options = { capacity: 48, prioritized: {}, newId: newIncarnation, internal: { blockBytes: 2048 } };
    return { ...(isTiny ? {} : { windows: windowBuffer(options) }), rows: inlineBuffer(options) };
  }

  /** Shared memory of each tensor's own: the pool of a real process would be 8 MiB for each of thousands. */
  #freeze(tensors: readonly TypedArray[]): object {
    const sources = tensors.map((tensor) => {
      const memory = new SharedArrayBuffer(tensor.byteLength);
      new Uint8Array(memory).set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
      const id = ++this.#frozen;
      this.#session.handle({ type: "frozen", id, memory });
      const dtype = tensor instanceof Float32Array ? "float32" : "float64";
      return { dtype, length: tensor.length, memory: { kind: "frozen", id }, byteOffset: 0 };
    });
    return { sources, arena: null, copiedBytes: 0 };
  }

  #hear(message: FromSaver): void {
    if (message.type === "event" && message.event.kind === "warning") this.warnings.push(message.event.message);
    if (!("sequence" in message)) return;
    const ends = this.#saves.get(message.sequence);
    if (message.type === "durable") ends?.durable.resolve();
    else if (message.type === "committed") ends?.committed.resolve();
    else if (message.type === "failed" || message.type === "commitFailed") {
      const error = fromTransfer(message.error);
      if (message.type === "failed") ends?.durable.reject(error);
      ends?.committed.reject(error);
    }
  }
}

/** Nobody listens: what a saver tells goes to its process directly. */
const UNUSED_PORT = new MessageChannel().port1;
