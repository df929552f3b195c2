import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { EndGate } from "../base/end-gate.ts";
import { SMALL_THREAD, workerUrl } from "../base/worker-url.ts";
import { ClosedError, SaverCrashedError } from "../errors.ts";
import { fromTransfer } from "./error-transfer.ts";
import type { CloseLimits, FromSaver, SaverCall, SaverStart, ToSaver } from "./messages.ts";
import type { RestoreProgress, SyncProgress } from "./options.ts";
import { SharedStatus } from "./shared-status.ts";

export type SaverOptions = Omit<SaverStart, "port" | "status" | "gate">;

export interface LinkHandlers {
  /** Whose calls are refused after its end; "This checkpointer" by default. */
  readonly ownerName?: string | undefined;
  /** For tests: 20 s by default. */
  readonly heartbeatLimitMs?: number | undefined;
  /** Called for every message that is not the answer to a call. */
  readonly onMessage: (message: FromSaver) => void;
  /** Whether the fate of a save is still to be told: the process must not end by itself before. */
  readonly isAwaited: () => boolean;
  /**
   * False where the store is served by this thread: a wait for the end of a save would be a wait for oneself.
   */
  readonly canWaitForSaves: boolean;
  /** Called once, when the saver's thread is gone without having been asked to end. */
  readonly onCrash: (error: SaverCrashedError) => void;
  /** Called when the process ends, after the wait for local commits. */
  readonly onExit?: (() => void) | undefined;
}

interface PendingCall {
  readonly settled: PromiseWithResolvers<unknown>;
  readonly onProgress: ((progress: RestoreProgress & SyncProgress) => void) | undefined;
}

/** A saver that has not moved for so long, while someone waits for it, is taken for dead. */
const HEARTBEAT_LIMIT_MS = 20_000;

/** How long the end of the process waits for local commits. */
const EXIT_WAIT_MS = 8_000;

/** How long the end of the saver waits for one call of zstd in it and one in its encoder. */
const QUIET_LIMIT_MS = 5_000;

/** The same where training would wait: the saver has failed then. */
const QUIET_LIMIT_AT_CRASH_MS = 100;

/** The training thread's end of a saver thread. Nothing here waits, except where it says so. */
export class SaverLink {
  readonly status: SharedStatus;
  readonly #worker: Worker;
  readonly #gate = new EndGate();
  readonly #port: MessagePort;
  readonly #handlers: LinkHandlers;
  readonly #calls = new Map<number, PendingCall>();
  #nextCall = 1;
  #state: "running" | "closing" | "gone" = "running";
  #isHurried = false;

  constructor(options: SaverOptions, status: SharedStatus, transfer: readonly MessagePort[], handlers: LinkHandlers) {
    this.status = status;
    this.#handlers = handlers;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(workerUrl("./saver/saver-thread", import.meta.url), {
      name: "varve-saver",
      // The flags of a test runner or a debugger are the training thread's own business.
      execArgv: [],
      resourceLimits: SMALL_THREAD,
      workerData: { ...options, port: port2, status: status.memory, gate: this.#gate.memory } satisfies SaverStart,
      transferList: [port2, ...transfer],
    });
    this.#worker.on("error", (error) => this.#crashed(error.message, error));
    this.#worker.on("exit", (code) => this.#crashed(`exit code ${code}`));
    this.#worker.unref();
    this.#port.on("message", (message: FromSaver) => this.#receive(message));
    this.#port.unref();
    exitHook.add(this);
  }

  #lastBeat = -1;
  /** Of waits since the last sign of life, not of the time between them. */
  #silentMs = 0;

  get isRunning(): boolean {
    return this.#state === "running";
  }

  post(message: ToSaver): void {
    if (this.#state !== "gone") this.#port.postMessage(message);
    if (message.type === "save" || message.type === "call") this.updateHold();
  }

  /** Keeps the process alive while a save or a call is pending, and only then. */
  updateHold(): void {
    // While its thread is being ended, Node holds the process.
    if (this.#state === "gone") return;
    const isHeld = this.#isBusy();
    // The port alone would not do: a thread that dies closes it, and the process would end before it hears of that.
    for (const end of [this.#port, this.#worker]) {
      if (isHeld) end.ref();
      else end.unref();
    }
  }

  #isBusy(): boolean {
    const { status } = this;
    return status.pending > 0 || status.get("sending") > 0 || this.#calls.size > 0 || this.#handlers.isAwaited();
  }

  call<T>(
    call: SaverCall,
    options: { signal?: AbortSignal | undefined; onProgress?: PendingCall["onProgress"] } = {},
  ): Promise<T> {
    if (this.#state === "gone") return Promise.reject(new SaverCrashedError("it is not running"));
    const id = this.#nextCall++;
    const settled = Promise.withResolvers<unknown>();
    this.#calls.set(id, { settled, onProgress: options.onProgress });
    this.post({ type: "call", id, call });
    const cancel = (): void => this.post({ type: "cancel", id });
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted === true) cancel();
    return (settled.promise as Promise<T>).finally(() => {
      options.signal?.removeEventListener("abort", cancel);
      this.updateHold();
    });
  }

  /** Handles what has arrived, without the event loop: for a training loop that never yields. */
  drain(): void {
    this.#receiveAll();
    if (this.#state === "running" && this.status.get("stopped") === 1) this.#crashed("it stopped");
  }

  #receiveAll(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#receive(received.message);
    }
  }

  /**
   * Blocks the training thread until the condition holds. The saver's heartbeat is watched: if it stops, the saver
   * is declared dead and the wait ends.
   */
  waitUntil(isDone: () => boolean, limitMs: number = Number.POSITIVE_INFINITY): void {
    let waitedMs = 0;
    const { heartbeatLimitMs = HEARTBEAT_LIMIT_MS } = this.#handlers;
    while (!isDone() && this.#state !== "gone" && waitedMs < limitMs) {
      this.status.waitForHeartbeat(5);
      waitedMs += 5;
      const beat = this.status.get("heartbeat");
      // Over one wait after another: a short one alone would never notice.
      this.#silentMs = beat === this.#lastBeat ? this.#silentMs + 5 : 0;
      this.#lastBeat = beat;
      if (this.status.get("stopped") === 1) this.#crashed("it stopped");
      else if (this.#silentMs > heartbeatLimitMs) this.#crashed(`no sign of life for ${heartbeatLimitMs} ms`);
    }
  }

  /**
   * Blocks until every save is durable or has failed, where that can come without this thread's event loop, and where
   * nobody has said how long the end may take.
   */
  waitForPending(limitMs: number): void {
    if (this.#handlers.canWaitForSaves && !this.#isHurried) this.waitUntil(() => this.status.pending <= 0, limitMs);
  }

  /** The process ends: what this thread is told from here on is the last. */
  tellExit(): void {
    this.drain();
    this.#handlers.onExit?.();
  }

  /** For the end of the process, in which Node ends the saver: blocks until it cannot be in the middle of zstd. */
  holdBack(): void {
    this.#gate.close();
    this.#gate.waitUntilQuiet(QUIET_LIMIT_MS);
  }

  /** Asks the saver to finish everything and end. @param limits - then what is not done fails */
  async close(limits: CloseLimits = {}): Promise<void> {
    const { timeoutMs, storeTimeoutMs } = limits;
    this.#isHurried ||= timeoutMs !== undefined;
    if (this.#state === "closing" && (timeoutMs ?? storeTimeoutMs) !== undefined) {
      await this.call({ method: "close", ...limits });
      return;
    }
    if (this.#state !== "running") return;
    const closed = this.call({ method: "close", ...limits });
    this.#state = "closing";
    try {
      await closed;
    } finally {
      await this.#end();
    }
  }

  async #end(): Promise<void> {
    this.#state = "gone";
    exitHook.delete(this);
    const calls = this.#takeCalls();
    this.#port.close();
    this.#gate.close();
    await this.#gate.whenQuiet(QUIET_LIMIT_MS);
    await this.#worker.terminate();
    for (const { settled } of calls) settled.reject(new ClosedError(this.#handlers.ownerName ?? "This checkpointer"));
  }

  /**
   * Those that will have no answer. They are told only when the thread has ended: until then a restore that is under way
   * goes on writing into its buffer, which whoever hears of the end uses again.
   */
  #takeCalls(): PendingCall[] {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    return calls;
  }

  #receive(message: FromSaver): void {
    switch (message.type) {
      case "reply":
        this.#calls.get(message.id)?.settled.resolve(message.value);
        this.#calls.delete(message.id);
        break;
      case "replyError":
        this.#calls.get(message.id)?.settled.reject(fromTransfer(message.error));
        this.#calls.delete(message.id);
        break;
      case "callProgress":
        this.#calls.get(message.id)?.onProgress?.(message.progress as RestoreProgress & SyncProgress);
        break;
      default:
        this.#handlers.onMessage(message);
    }
    this.updateHold();
  }

  #crashed(detail: string, cause?: unknown): void {
    if (this.#state === "gone") return;
    // What it managed to report counts; only the rest is lost.
    this.#receiveAll();
    this.#state = "gone";
    exitHook.delete(this);
    const error = new SaverCrashedError(detail, cause);
    const calls = this.#takeCalls();
    this.#port.close();
    this.#gate.close();
    this.#gate.waitUntilQuiet(QUIET_LIMIT_AT_CRASH_MS);
    void this.#worker.terminate().finally(() => calls.forEach(({ settled }) => settled.reject(error)));
    this.#handlers.onCrash(error);
  }
}

/** One listener for the process, however many checkpointers there are. */
const exitHook = new (class {
  readonly #links = new Set<SaverLink>();
  readonly #listener = (): void => {
    // The event loop has ended, but the saver's thread still runs, and this thread can wait for it.
    for (const link of this.#links) link.waitForPending(EXIT_WAIT_MS);
    for (const link of [...this.#links]) link.tellExit();
    for (const link of this.#links) link.holdBack();
  };

  add(link: SaverLink): void {
    if (this.#links.size === 0) process.on("exit", this.#listener);
    this.#links.add(link);
  }

  delete(link: SaverLink): void {
    this.#links.delete(link);
    if (this.#links.size === 0) process.off("exit", this.#listener);
  }
})();
