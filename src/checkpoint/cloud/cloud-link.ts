import type { SaverCrashedError } from "../../errors.ts";
import { BufferAttachments } from "../buffer-attachments.ts";
import { SaverLink } from "../saver-link.ts";
import type { SharedStatus } from "../shared-status.ts";
import type { CheckedCloudOptions } from "./cloud-options.ts";
import type { FromCloud, ToCloud } from "./messages.ts";
import { TransferBoard } from "./transfer-board.ts";

const MAX_PINNED_BYTES = 256 * 1024 * 1024;

export interface CloudLinkHooks {
  readonly onMessage: (message: FromCloud) => void;
  /** Whether the fate of a transfer is still to be told: the process must not end by itself before. */
  readonly isAwaited: () => boolean;
  readonly onCrash: (error: SaverCrashedError) => void;
  /** The process ends: nothing of this thread runs afterwards. */
  readonly onExit: () => void;
}

/** The training thread's end of the thread that saves and moves files, and the memory that both see. */
export class CloudLink {
  readonly attachments: BufferAttachments;
  readonly board: TransferBoard;
  readonly #link: SaverLink;

  constructor(options: CheckedCloudOptions, status: SharedStatus, hooks: CloudLinkHooks) {
    const { place, project, concurrency, maxUploadBytesPerSecond, attempts, log } = options;
    // Retries are told to the log whenever the last one was read.
    status.set("isProgressAsked", 1);
    const link = new SaverLink(
      {
        store: null,
        local: null,
        readOnly: false,
        onBacklog: "queue",
        concurrency,
        maxUploadBytesPerSecond,
        maxPinnedBytes: MAX_PINNED_BYTES,
        retention: { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 },
        writer: null,
        cloud: {
          ...{ place, project, concurrency, maxUploadBytesPerSecond, attempts },
          log: log === false ? "none" : log === "stderr" ? "stderr" : "events",
        },
      },
      status,
      [],
      {
        ownerName: "This CloudSync",
        onMessage: (message) => {
          if (message.type === "cloud") hooks.onMessage(message.message);
        },
        isAwaited: hooks.isAwaited,
        canWaitForSaves: true,
        onCrash: (error) => {
          this.attachments.detachAll();
          hooks.onCrash(error);
        },
        onExit: hooks.onExit,
      },
    );
    this.#link = link;
    this.board = new TransferBoard((memory) => this.post({ kind: "board", memory }));
    this.attachments = new BufferAttachments({
      post: (message) => link.post(message),
      maxPinnedBytes: MAX_PINNED_BYTES,
      wait: (isDone) => link.waitUntil(isDone),
      canWaitForSaves: true,
      isRunning: () => link.isRunning,
      onPressure: () => undefined,
    });
  }

  get isRunning(): boolean {
    return this.#link.isRunning;
  }

  get status(): SharedStatus {
    return this.#link.status;
  }

  post(message: ToCloud): void {
    this.#link.post({ type: "cloud", message });
    this.#link.updateHold();
  }

  /** Handles what has arrived, without the event loop. */
  drain(): void {
    this.#link.drain();
  }

  fileExists(cloudPath: string): Promise<boolean> {
    return this.#link.call({ method: "fileExists", cloudPath });
  }

  /** Gives up what has not ended, and ends the thread. */
  async close(): Promise<void> {
    await this.#link.close();
    this.attachments.detachAll();
  }
}
