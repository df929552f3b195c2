import { repeat } from "../../base/timers.ts";
import type { StoreError } from "../../errors.ts";
import type { FileSystem } from "../../store/file-system.ts";
import { nodeFileSystem } from "../../store/node-file-system.ts";
import { RateMeter } from "../../transfer/rate-meter.ts";
import { toTransfer } from "../error-transfer.ts";
import { lineToStderr } from "../log-lines.ts";
import type { SaverCall, ToSaver } from "../messages.ts";
import { FileSaver, type HeldBuffer } from "../saver/file-saver.ts";
import type { CallContext, SessionOptions } from "../saver/session-options.ts";
import { cloudLine } from "./cloud-log.ts";
import { downloadDirectory, uploadDirectory } from "./directory-transfers.ts";
import type { CloudEvent } from "./events.ts";
import { FileMover } from "./file-mover.ts";
import { KeyLanes } from "./key-lanes.ts";
import type { CloudStart, FromCloud, ToCloud, TransferResult } from "./messages.ts";
import { downloadSingle, saveAndUpload, type TransferContext, uploadSingle } from "./single-transfers.ts";
import { TransferBoard } from "./transfer-board.ts";
import { TransferTask } from "./transfer-task.ts";

/** How old the rates may be that the training thread reads. */
const SHOW_EVERY_MS = 200;

type TransferMessage = Extract<ToCloud, { kind: "transfer" }>;

/** A saver's thread that serves a CloudSync: saves buffers to files, and moves files. */
export class CloudSession {
  readonly #options: SessionOptions;
  readonly #log: CloudStart["log"];
  readonly #files: FileSaver;
  readonly #mover: FileMover;
  readonly #board = new TransferBoard();
  readonly #context: TransferContext;
  readonly #tasks = new Map<number, TransferTask>();
  readonly #running = new Set<Promise<void>>();
  readonly #uploadRate: RateMeter;
  readonly #stopShowing: () => void;
  #logFailed = false;

  /** @param disk - for tests: where buffers are saved to */
  constructor(options: SessionOptions, start: CloudStart, disk: FileSystem = nodeFileSystem) {
    this.#options = options;
    this.#log = start.log;
    this.#files = new FileSaver(options, disk);
    const { clock, sleep, random } = options;
    this.#mover = new FileMover(start, {
      ...{ clock, sleep, random },
      onRetry: (name, error, attempt, delayMs) => this.#tellRetry(name, error, attempt, delayMs),
      warn: (message) => this.#tell({ kind: "warning", message }),
    });
    this.#context = {
      ...{ disk, files: this.#files, mover: this.#mover, lanes: new KeyLanes(), status: options.status },
      onSaved: ({ id }, event) => {
        this.#tell(event);
        options.tell({ type: "cloud", message: { kind: "saved", id } });
      },
      // A paused process may end now. Told then only: a training loop that never yields reads nothing (rule 3).
      onRest: () => {
        if (this.#mover.isPaused) options.tell({ type: "cloud", message: { kind: "rests" } });
      },
    };
    this.#uploadRate = new RateMeter(clock);
    this.#stopShowing = repeat(SHOW_EVERY_MS, () => this.#showRates());
  }

  handle(message: Exclude<ToSaver, { type: "call" | "cancel" }>): void {
    if (message.type === "cloud") this.#handle(message.message);
    else this.#files.handle(message);
  }

  async call(call: SaverCall, context: CallContext): Promise<unknown> {
    if (call.method === "fileExists") return this.#mover.exists(call.cloudPath, context.signal);
    if (call.method === "close") return this.#close();
    return this.#files.call(call, context);
  }

  #handle(message: ToCloud): void {
    switch (message.kind) {
      case "board":
        this.#board.addPage(message.memory);
        break;
      case "transfer":
        this.#begin(message);
        break;
      case "cancel":
        this.#tasks.get(message.id)?.cancel();
        break;
      case "pause":
        this.#mover.pause();
        break;
      case "resume":
        this.#mover.resume();
        break;
    }
  }

  #begin(message: TransferMessage): void {
    const task = new TransferTask(message, this.#board, this.#options.clock, this.#uploadRate);
    this.#tasks.set(task.id, task);
    // At once: training may change priorities as soon as they are copied.
    const held = message.order.kind === "buffer" ? this.#files.hold(message.order.buffer) : null;
    const ended = this.#run(task, held).finally(() => {
      this.#tasks.delete(task.id);
      this.#running.delete(ended);
    });
    this.#running.add(ended);
  }

  async #run(task: TransferTask, held: HeldBuffer | null): Promise<void> {
    const { id, name, isUpload } = task;
    try {
      const result = await this.#perform(task, held);
      task.end();
      this.#tell({ kind: isUpload ? "uploaded" : "downloaded", name, ...result });
      this.#options.tell({ type: "cloud", message: { kind: "done", id, result } });
    } catch (error) {
      task.end();
      await this.#tellFailure(task, error);
    }
  }

  async #tellFailure(task: TransferTask, error: unknown): Promise<void> {
    const { id, name, isUpload } = task;
    const why = task.whyEnded;
    const kept = await keptFile(task);
    if (this.#log === "stderr" && why === "failed") {
      this.#print({ kind: "failed", name, direction: isUpload ? "up" : "down", error: error as Error, kept });
    }
    const message: FromCloud = { kind: "failed", id, error: toTransfer(error), why, kept };
    this.#options.tell({ type: "cloud", message });
  }

  #showRates(): void {
    for (const task of this.#tasks.values()) task.showRate();
    this.#options.status.setAmount("uploadRate", this.#uploadRate.bytesPerSecond());
  }

  async #perform(task: TransferTask, held: HeldBuffer | null): Promise<TransferResult> {
    const { order } = task;
    switch (order.kind) {
      case "buffer":
        if (held === null) throw new Error("A buffer's snapshot is not held");
        return saveAndUpload(task, order, held, this.#context);
      case "upload-file":
        return uploadSingle(task, order, this.#context);
      case "upload-directory":
        return uploadDirectory(task, order, this.#context);
      case "download-file":
        return downloadSingle(task, order, this.#context);
      case "download-directory":
        return downloadDirectory(task, order, this.#context);
    }
  }

  /** To standard error from here, at once: the training thread may never yield. */
  #tell(event: Exclude<CloudEvent, { kind: "retry" | "failed" }>): void {
    if (this.#log === "stderr") this.#print(event);
    else if (this.#log === "events") this.#options.tell({ type: "cloud", message: { kind: "event", event } });
  }

  /** At most one of these unread: a training loop that never yields reads none (rule 3). */
  #tellRetry(name: string, error: StoreError, attempt: number, delayMs: number): void {
    const { status, tell } = this.#options;
    if (this.#log === "stderr") this.#print({ kind: "retry", name, attempt, delayMs, error });
    if (this.#log !== "events" || status.get("isProgressAsked") === 0) return;
    status.set("isProgressAsked", 0);
    const message = { kind: "retry", name, attempt, delayMs, error: toTransfer(error) } as const;
    tell({ type: "cloud", message });
  }

  /** Standard error may be closed, or full: that is no reason to stop saving. */
  #print(event: CloudEvent): void {
    try {
      lineToStderr(cloudLine(event));
    } catch (error) {
      if (this.#logFailed) return;
      this.#logFailed = true;
      const message = `standard error cannot be written: ${String(error)}`;
      this.#options.tell({ type: "cloud", message: { kind: "event", event: { kind: "warning", message } } });
    }
  }

  /** Saves that were accepted are finished: their files are on local disk then. Everything else is given up. */
  async #close(): Promise<void> {
    for (const task of this.#tasks.values()) task.giveUp();
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#stopShowing();
    await this.#mover.close();
    await this.#files.close();
  }
}

/** What a person can send again: not a file that is not there, nor what an earlier save has left in its place. */
async function keptFile({ isUpload, isSaved, order }: TransferTask): Promise<string | null> {
  if (!isUpload || (order.kind === "buffer" && !isSaved)) return null;
  const info = await nodeFileSystem.info(order.localPath).catch(() => null);
  return info === null ? null : order.localPath;
}
