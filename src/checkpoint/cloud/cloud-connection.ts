import { raceAbort } from "../../base/abort.ts";
import { systemClock } from "../../base/clock.ts";
import { systemSleep } from "../../base/timers.ts";
import { connectFolder } from "../../store/folder/folder-client.ts";
import type { ObjectClient } from "../../store/object-client.ts";
import { connectTo } from "../../store/open-objects.ts";
import { TokenBucket } from "../../transfer/bandwidth.ts";
import type { CloudPlace } from "./cloud-place.ts";
import type { FileTransfers } from "./files/contract.ts";
import { createFileTransfers } from "./files/file-transfers.ts";

/** The bucket, connected at the first request: a CloudSync that is never used loads no SDK. */
export class CloudConnection {
  readonly #place: CloudPlace;
  readonly #pace: FileTransfers["pace"];
  readonly #warn: (message: string) => void;
  #connected: Promise<FileTransfers> | null = null;

  constructor(place: CloudPlace, maxUploadBytesPerSecond: number | null, warn: (message: string) => void) {
    this.#place = place;
    this.#warn = warn;
    // Paced by request and not by file: one large file is not sent at full speed.
    const bucket = new TokenBucket(maxUploadBytesPerSecond ?? Number.POSITIVE_INFINITY, systemClock, systemSleep);
    this.#pace = (bytes, signal) => bucket.take(bytes, signal);
  }

  async transfers(signal: AbortSignal): Promise<FileTransfers> {
    const connected = (this.#connected ??= this.#connect());
    try {
      return await raceAbort(connected, signal);
    } catch (error) {
      // A failure is not remembered: the next request tries again.
      if (!signal.aborted) this.#connected = null;
      throw error;
    }
  }

  /** That stands for the bucket; null where it is a real one. */
  get folder(): string | null {
    return this.#place.kind === "folder" ? this.#place.path : null;
  }

  /** As a person reads it. */
  url(cloudPath: string): string {
    return this.#place.kind === "folder" ? `${this.#place.path}/${cloudPath}` : `${this.#place.url}/${cloudPath}`;
  }

  async close(): Promise<void> {
    const connected = this.#connected;
    this.#connected = null;
    if (connected === null) return;
    const [opened] = await Promise.allSettled([connected]);
    if (opened.status === "fulfilled") await opened.value.client.close();
  }

  async #connect(): Promise<FileTransfers> {
    const client = await this.#client();
    return createFileTransfers(client, { pace: this.#pace, warn: this.#warn });
  }

  async #client(): Promise<ObjectClient> {
    return this.#place.kind === "folder" ? connectFolder(this.#place.path) : connectTo(this.#place.place);
  }
}
