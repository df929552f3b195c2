import { MessageChannel } from "node:worker_threads";
import { onTestFinished, vi } from "vitest";
import { EndGate } from "../../src/base/end-gate.ts";
import { randomId } from "../../src/base/ids.ts";
import { BufferAttachments } from "../../src/checkpoint/buffer-attachments.ts";
import type { FromSaver, SaveMessage, SaverCall, SaverStart, ToSaver } from "../../src/checkpoint/messages.ts";
import type { SyncProgress } from "../../src/checkpoint/options.ts";
import { RunSession } from "../../src/checkpoint/saver/run-session.ts";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { encodeState } from "../../src/checkpoint/state-tree.ts";
import type { Store } from "../../src/index.ts";
import { FakeTime } from "../transfer/fake-time.ts";
import { addInline, type InlineBuffer, inlineBuffer, namesIn } from "./support.ts";

export interface SessionSettings extends Partial<SaverStart> {
  readonly remote: Store;
  readonly localStore?: Store | undefined;
}

const NO_RETENTION = { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 86_400_000 };

/** A saver that runs in this thread, so that time is the test's own: pauses pass only when it says so. */
export class SessionOfTest {
  readonly time: FakeTime = new FakeTime();
  readonly status: SharedStatus = new SharedStatus();
  readonly messages: FromSaver[] = [];
  readonly #session: RunSession;
  readonly #buffer: InlineBuffer = inlineBuffer({ prioritized: {} });
  readonly #attachments: BufferAttachments;
  #saves = 0;
  #sequence = 0;

  constructor({ remote, localStore, ...settings }: SessionSettings) {
    this.time.nowMs = 1_000_000;
    const start: SaverStart = {
      ...{
        status: this.status.memory,
        gate: new EndGate().memory,
        port: new MessageChannel().port1,
        store: null,
        local: null,
      },
      ...{ readOnly: false, onBacklog: "queue", concurrency: 2, maxUploadBytesPerSecond: null, writer: null },
      ...{ maxPinnedBytes: 1e9, retention: NO_RETENTION, ...settings },
    };
    this.#session = new RunSession({
      ...{ start, status: this.status, store: remote, local: localStore ?? null, newId: randomId },
      tell: (message) => this.messages.push(message),
      clock: this.time.clock,
      // What takes no time is not held up: only pauses wait for the test.
      sleep: (delayMs, signal) => (delayMs === 0 ? new Promise(setImmediate) : this.time.sleep(delayMs, signal)),
      random: { uniform: () => 1 },
    });
    this.#attachments = new BufferAttachments({
      post: (message) => this.handle(message),
      ...{ maxPinnedBytes: 1e9, canWaitForSaves: false, wait: () => undefined },
      ...{ isRunning: () => true, onPressure: () => undefined },
    });
  }

  async open(): Promise<void> {
    const { lastSequence } = (await this.call({ method: "open" })) as { lastSequence: number };
    this.#sequence = lastSequence;
  }

  call(
    call: SaverCall,
    onProgress: (progress: SyncProgress) => void = () => undefined,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<unknown> {
    return this.#session.call(call, { signal, onProgress: onProgress as never });
  }

  /**
   * Saves a buffer with new rows and priorities, a tensor that changes with every save, and one that never does: three
   * packs. @returns its sequence
   */
  save(length = 500): number {
    const memory = new SharedArrayBuffer(8 * length);
    new Float64Array(memory).fill(1.5);
    new Float64Array(memory).set([this.#sequence + 1]);
    const constant = new SharedArrayBuffer(8 * length);
    const state = encodeState({ a: new Float64Array(memory), b: new Float64Array(constant) });
    const tensors = [memory, constant].map((shared, index) => {
      const id = 2 * this.#saves + index;
      this.#session.handle({ type: "frozen", id, memory: shared });
      return { dtype: "float64" as const, length, memory: { kind: "frozen" as const, id }, byteOffset: 0 };
    });
    this.#saves++;
    addInline(this.#buffer, 10);
    const buffers = [{ name: "default", ...this.#attachments.snapshot(this.#buffer) }];
    return this.saveThese({ buffers, stateJson: JSON.stringify(state.json), tensors, logicalBytes: 8 * length });
  }

  /** Saves what was handed over before. @returns its sequence */
  saveThese(content: Pick<SaveMessage, "buffers" | "stateJson" | "tensors" | "logicalBytes">): number {
    const sequence = ++this.#sequence;
    this.status.add("accepted");
    const rest = { hold: null, metrics: {}, transitions: 0, startedAtMs: 0 };
    this.#session.handle({ type: "save", sequence, step: sequence, ...content, ...rest });
    return sequence;
  }

  /** As the training thread tells it. */
  handle(message: ToSaver): void {
    this.#session.handle(message as Parameters<RunSession["handle"]>[0]);
  }

  /** Messages of one type, or events of one kind. */
  told(kind: string): readonly FromSaver[] {
    return this.messages.filter((message) => (message.type === "event" ? message.event.kind : message.type) === kind);
  }

  /** What became of a save: the types of the messages that name it. */
  fateOf(sequence: number): string[] {
    return this.messages.flatMap((message) =>
      "sequence" in message && message.sequence === sequence ? [message.type] : [],
    );
  }

  /** Until all that needs no time has happened. */
  async until(condition: () => boolean, what?: string): Promise<void> {
    await vi.waitUntil(condition, { timeout: 10_000, interval: 1 }).catch(() => {
      throw new Error(`${what ?? condition.toString()}: ${JSON.stringify(this.messages.slice(-5))}`);
    });
  }

  /** Until nothing is being saved or sent. */
  async idle(): Promise<void> {
    await this.until(() => this.status.pending === 0 && this.status.get("sending") === 0, "idle");
    await this.time.settle();
  }
}

export async function startSession(settings: SessionSettings): Promise<SessionOfTest> {
  const session = new SessionOfTest(settings);
  onTestFinished(async () => {
    // The timers of the session end with it; what it says of a store that is still away does not matter any more.
    const closed = session.call({ method: "close" });
    await session.time.advance(10 * 60_000);
    await closed;
  });
  await session.open();
  return session;
}

/** What a store holds, checked to the last byte. */
export async function stateOf(store: Store): Promise<{ checkpoints: string[]; isIntact: boolean }> {
  const report = await verifyRun(new Tiers(store, null), true, new AbortController().signal);
  return { checkpoints: await namesIn(store, "checkpoints/"), isIntact: report.isIntact };
}

export const sequencesIn = async (store: Store): Promise<number[]> =>
  (await namesIn(store, "checkpoints/")).map((name) => Number(/(\d+)\.json$/.exec(name)?.[1]));
