import type { Clock } from "../../base/clock.ts";
import { SaverCrashedError } from "../../errors.ts";
import { fromTransfer } from "../error-transfer.ts";
import { lineToStderr } from "../log-lines.ts";
import type { AnyBuffer } from "../options.ts";
import { SharedStatus } from "../shared-status.ts";
import { CloudLink } from "./cloud-link.ts";
import { cloudLine, type UploadStatus } from "./cloud-log.ts";
import type { CheckedCloudOptions } from "./cloud-options.ts";
import { AwaitedTransfer, CloudTransfer } from "./cloud-transfer.ts";
import type { CloudEvent } from "./events.ts";
import type { FromCloud, TransferOrder } from "./messages.ts";
import type { UploadsResult } from "./transfer.ts";
import { type Entry, type Resend, UploadLedger, type UploadRequest } from "./upload-ledger.ts";

type FileUpload = Exclude<UploadRequest, { kind: "buffer" }>;
type Order<Kind extends TransferOrder["kind"]> = Extract<TransferOrder, { kind: Kind }>;

interface BufferUpload {
  readonly buffer: AnyBuffer;
  readonly name: string;
  readonly localPath: string;
  readonly cloudPath: string;
  /** When it was asked for first, where it is sent again. */
  readonly asked?: number | undefined;
}

/** Hands transfers over to the saver's thread, and takes in what becomes of them. On the training thread. */
export class TransferDesk {
  readonly #options: CheckedCloudOptions;
  readonly #clock: Clock;
  readonly #ledger = new UploadLedger();
  /** Null before the first use. */
  #link: CloudLink | null = null;
  #isPaused = false;
  #lastId = 0;
  #told = "";

  constructor(options: CheckedCloudOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get status(): UploadStatus {
    this.#link?.drain();
    const isRunning = this.#link?.isRunning === true;
    return this.#ledger.status(isRunning ? (this.#link?.status.amount("uploadRate") ?? 0) : 0);
  }

  get openUploads(): readonly CloudTransfer[] {
    this.#link?.drain();
    return this.#ledger.openUploads.map(({ transfer }) => transfer);
  }

  saveAndUpload({ buffer, name, localPath, cloudPath, asked }: BufferUpload): CloudTransfer {
    const link = this.#living();
    const snapshot = { name: "default", ...link.attachments.snapshot(buffer) };
    const { size: transitions } = buffer;
    const { logicalBytes } = buffer.stats();
    this.tell({ kind: "queued", name, what: "buffer", direction: "up", transitions, logicalBytes });
    link.status.add("accepted");
    return this.#hand(link, {
      name,
      order: { kind: "buffer", localPath, cloudPath, buffer: snapshot, transitions, logicalBytes },
      upload: { kind: "buffer", buffer: new WeakRef(buffer), localPath, cloudPath },
      isBackground: true,
      asked,
    });
  }

  /** @param asked - when it was asked for first, where it is sent again */
  upload(name: string, upload: FileUpload, isBackground: boolean, asked?: number): CloudTransfer {
    const what = upload.kind === "upload-file" ? "file" : "directory";
    this.tell({ kind: "queued", name, what, direction: "up" });
    return this.#hand(this.#living(), { name, order: upload, upload, isBackground, asked });
  }

  download(
    name: string,
    order: Order<"download-file"> | Order<"download-directory">,
    isBackground: boolean,
  ): CloudTransfer {
    const what = order.kind === "download-file" ? "file" : "directory";
    this.tell({ kind: "queued", name, what, direction: "down" });
    return this.#hand(this.#living(), { name, order, upload: null, isBackground, asked: undefined });
  }

  fileExists(cloudPath: string): Promise<boolean> {
    return this.#living().fileExists(cloudPath);
  }

  retryFailed(): readonly CloudTransfer[] {
    this.#link?.drain();
    const { again, lost } = this.#ledger.takeFailed();
    for (const { name } of lost) {
      const message = `${name} cannot be sent again: its buffer was not saved, and is not in use any more`;
      this.tell({ kind: "warning", message });
    }
    return again.flatMap((resend) => this.#resend(resend) ?? []);
  }

  #resend({ entry, buffer }: Resend): CloudTransfer | null {
    const { name, upload, asked } = entry;
    if (upload === null) return null;
    if (upload.kind !== "buffer") return this.upload(name, upload, true, asked);
    const { localPath, cloudPath } = upload;
    if (buffer !== null) return this.saveAndUpload({ buffer, name, localPath, cloudPath, asked });
    return this.upload(name, { kind: "upload-file", localPath, cloudPath }, true, asked);
  }

  setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    if (this.#link?.isRunning === true) this.#link.post({ kind: isPaused ? "pause" : "resume" });
  }

  /** Says that somebody waits now, if there is something to wait for. */
  tellWaiting(): void {
    const { pending } = this.status;
    if (pending > 0) this.tell({ kind: "waiting", pending, paused: this.#paused.length });
  }

  /** What has become of all uploads so far; told in a line when it is new. */
  tellResult(): UploadsResult {
    const { pending, completed: succeeded, failed } = this.status;
    const counts = { succeeded, failed, pending, paused: this.#paused.length };
    const event = { kind: "finished", ...counts } as const;
    const line = cloudLine(event);
    if (succeeded + failed + pending > 0 && line !== this.#told) this.tell(event);
    this.#told = line;
    return { ...counts, errors: [...this.#ledger.errors] };
  }

  /** A log function that throws must not stop training; its error is kept like any other of the background. */
  tell(event: CloudEvent): void {
    const { log } = this.#options;
    try {
      if (log === "stderr") lineToStderr(cloudLine(event));
      else if (log !== false) log(event);
    } catch (error) {
      this.#ledger.remember(error);
    }
  }

  async close(): Promise<void> {
    const open = this.#ledger.openUploads;
    const paused = this.#paused;
    try {
      await this.#link?.close();
    } catch (error) {
      // Its transfers have failed with it by now, and are counted and told one by one.
      if (!(error instanceof SaverCrashedError)) throw error;
    }
    this.#tellUnsent(
      open.filter(({ transfer }) => transfer.phase === "cancelled"),
      paused,
    );
  }

  /** What waits for the end of a pause, as far as is known without listening. */
  get #paused(): readonly Entry[] {
    return this.#isPaused ? this.#ledger.openUploads.filter(({ transfer }) => transfer.isWaiting) : [];
  }

  /** Nobody else would say so: who asked for them is not there to hear it. */
  #tellUnsent(unsent: readonly Entry[], paused: readonly Entry[]): void {
    if (unsent.length === 0) return;
    const names = unsent.map(({ name }) => name);
    const pausedCount = unsent.filter((entry) => paused.includes(entry)).length;
    this.tell({ kind: "unsent", uploads: unsent.length, paused: pausedCount, names });
  }

  #hand(
    link: CloudLink,
    {
      name,
      order,
      upload,
      isBackground,
      asked,
    }: {
      readonly name: string;
      readonly order: TransferOrder;
      readonly upload: UploadRequest | null;
      readonly isBackground: boolean;
      readonly asked: number | undefined;
    },
  ): CloudTransfer {
    // What is said of the end of those before is old by now.
    if (upload !== null) this.#told = "";
    const id = ++this.#lastId;
    const { board } = link;
    const slot = board.take();
    const transfer = new (isBackground ? CloudTransfer : AwaitedTransfer)(name, {
      refresh: () => link.drain(),
      read: () => board.read(slot),
      cancel: () => link.post({ kind: "cancel", id }),
    });
    const release = (): void => board.giveBack(slot);
    const isSaved = upload?.kind !== "buffer";
    this.#ledger.add({ id, asked: asked ?? id, name, transfer, upload, release, isSaved });
    link.post({ kind: "transfer", id, slot, name, order, startedAtMs: this.#clock.now() });
    return transfer;
  }

  /** The saver's thread; a new one where the last was lost. */
  #living(): CloudLink {
    this.#link?.drain();
    if (this.#link?.isRunning === true) return this.#link;
    const status = this.#link?.status.successor() ?? new SharedStatus();
    const link: CloudLink = new CloudLink(this.#options, status, {
      onMessage: (message) => this.#receive(link, message),
      isAwaited: () => this.#isAwaited(),
      onCrash: (error) => this.#lose(link, error),
      onExit: () => this.#tellUnsent(this.#ledger.openUploads, this.#paused),
    });
    this.#link = link;
    if (this.#isPaused) link.post({ kind: "pause" });
    return link;
  }

  /** What waits for the end of a pause is not waited for at the natural end of the process: it would never come. */
  #isAwaited(): boolean {
    return this.#ledger.open.some(({ transfer, upload }) => upload === null || !this.#isPaused || !transfer.isWaiting);
  }

  #receive(link: CloudLink, message: FromCloud): void {
    switch (message.kind) {
      case "saved":
        this.#ledger.saved(message.id);
        break;
      case "done":
        this.#settle(message.id, (entry) => {
          entry.transfer.succeed(message.result);
          this.#ledger.complete(entry);
        });
        break;
      case "failed":
        this.#settle(message.id, (entry) => this.#fail(entry, message));
        break;
      case "retry": {
        link.status.set("isProgressAsked", 1);
        const { name, attempt, delayMs } = message;
        this.tell({ kind: "retry", name, attempt, delayMs, error: fromTransfer(message.error) });
        break;
      }
      case "event":
        this.tell(message.event);
        break;
      case "rests":
        // That it came is enough: the link looks anew whether something is awaited.
        break;
    }
  }

  #settle(id: number, settle: (entry: Entry) => void): void {
    const entry = this.#ledger.find(id);
    if (entry === undefined) return;
    settle(entry);
    entry.release();
  }

  #fail(entry: Entry, message: Extract<FromCloud, { kind: "failed" }>): void {
    const { why, kept } = message;
    const error = fromTransfer(message.error);
    entry.transfer.fail(error, why === "failed" ? "failed" : "cancelled");
    this.#ledger.fail(entry, why === "cancelled");
    // To standard error the saver's thread has written it already.
    if (why === "failed" && this.#options.log !== "stderr") this.#tellFailure(entry, error, kept);
  }

  #tellFailure({ name, upload }: Entry, error: Error, kept: string | null): void {
    this.tell({ kind: "failed", name, direction: upload === null ? "down" : "up", error, kept });
  }

  /** The saver's thread is gone: its transfers have failed, and the next use starts another. */
  #lose(link: CloudLink, error: SaverCrashedError): void {
    link.status.add("failed", link.status.pending);
    for (const entry of this.#ledger.open) {
      entry.transfer.fail(error, "failed");
      this.#ledger.fail(entry, false);
      this.#tellFailure(entry, error, entry.isSaved ? (entry.upload?.localPath ?? null) : null);
    }
  }
}
