import { etaMsOf } from "../../transfer/rate-meter.ts";
import type { AnyBuffer } from "../options.ts";
import type { UploadStatus } from "./cloud-log.ts";
import type { CloudTransfer, TransferProgress } from "./cloud-transfer.ts";

/** An upload as it was asked for: enough to ask again. */
export type UploadRequest =
  /** Weakly: a buffer whose save has failed must not live on here. */
  | {
      readonly kind: "buffer";
      readonly buffer: WeakRef<AnyBuffer>;
      readonly localPath: string;
      readonly cloudPath: string;
    }
  | { readonly kind: "upload-file"; readonly localPath: string; readonly cloudPath: string }
  | {
      readonly kind: "upload-directory";
      readonly localPath: string;
      readonly cloudPrefix: string;
      readonly exclude: readonly string[];
    };

/** One transfer, from the call to its end; a failed upload until it is sent again. */
export interface Entry {
  readonly id: number;
  /** Ascending, in the order of the calls; of what is sent again, that of the call that asked for it first. */
  readonly asked: number;
  readonly name: string;
  readonly transfer: CloudTransfer;
  /** Gives its place in shared memory back. */
  readonly release: () => void;
  /** Null for a download. */
  readonly upload: UploadRequest | null;
  /** What is to be sent lies whole on local disk. */
  isSaved: boolean;
}

/** A failed upload that can be sent again. */
export interface Resend {
  readonly entry: Entry;
  /** To be saved first, as it is now; null where what is to be sent lies on disk. */
  readonly buffer: AnyBuffer | null;
}

/** How many background errors are kept for `waitForUploads()`. */
const MAX_ERRORS = 100;

/** The transfers under way, and what became of the uploads. On the training thread. */
export class UploadLedger {
  readonly #open = new Map<number, Entry>();
  readonly #failed: Entry[] = [];
  /** Failed, and not to be sent again: it is not on disk any more, or would replace what was sent later. */
  readonly #outdated: Entry[] = [];
  #completed = 0;
  #completedBytes = 0;
  #endedRetries = 0;
  readonly #otherErrors: Error[] = [];

  get open(): readonly Entry[] {
    return [...this.#open.values()];
  }

  get openUploads(): readonly Entry[] {
    return this.open.filter(({ upload }) => upload !== null);
  }

  /** @param bytesPerSecond - of all uploads together */
  status(bytesPerSecond: number): UploadStatus {
    const open = this.openUploads.map(({ transfer }) => transfer.known);
    const bytes = sum(open, "bytes") + this.#completedBytes;
    const totalBytes = sum(open, "totalBytes") + this.#completedBytes;
    return {
      pending: open.length,
      completed: this.#completed,
      failed: this.#failed.length + this.#outdated.length,
      ...{ bytes, totalBytes, bytesPerSecond, etaMs: etaMsOf(totalBytes - bytes, bytesPerSecond) },
      retries: sum(open, "retries") + this.#endedRetries,
    };
  }

  /** Of uploads that are counted as failed; newest last. */
  get errors(): readonly Error[] {
    const own = [...this.#outdated, ...this.#failed]
      .map(({ transfer }) => transfer.error)
      .filter((error) => error !== null);
    return [...own, ...this.#otherErrors].slice(-MAX_ERRORS);
  }

  add(entry: Entry): void {
    this.#open.set(entry.id, entry);
  }

  find(id: number): Entry | undefined {
    return this.#open.get(id);
  }

  /** Its file has taken the place of what an earlier upload had left there. */
  saved(id: number): void {
    const entry = this.find(id);
    if (entry === undefined) return;
    entry.isSaved = true;
    this.#outdate(entry);
  }

  complete(entry: Entry): void {
    this.#end(entry);
    if (entry.upload === null) return;
    this.#completed++;
    this.#completedBytes += entry.transfer.known.bytes;
    for (const list of [this.#failed, this.#outdated]) removeFrom(list, (earlier) => fills(entry, earlier));
    this.#outdate(entry);
  }

  /** @param isCancelled - nobody wants it sent again */
  fail(entry: Entry, isCancelled: boolean): void {
    this.#end(entry);
    if (entry.upload !== null && !isCancelled) this.#failed.push(entry);
  }

  /** An error of the background that belongs to no upload, such as that of the user's log function. */
  remember(error: unknown): void {
    this.#otherErrors.push(error instanceof Error ? error : new Error(String(error)));
    if (this.#otherErrors.length > MAX_ERRORS) this.#otherErrors.shift();
  }

  /**
   * Takes out the failed uploads that are to be sent again, oldest first. Not those that a later one under way or among
   * them makes outdated: the later content stands, and one that has failed often is sent once. Nor those that are lost:
   * on disk lies at best what an earlier save has left.
   */
  takeFailed(): { readonly again: readonly Resend[]; readonly lost: readonly Entry[] } {
    const later = [...this.openUploads];
    const again: Resend[] = [];
    const lost: Entry[] = [];
    for (const entry of this.#failed.toSorted((one, other) => other.asked - one.asked)) {
      if (later.some((other) => outdates(other, entry))) continue;
      const buffer = bufferToSave(entry);
      if (buffer === undefined) {
        lost.unshift(entry);
        continue;
      }
      again.unshift({ entry, buffer });
      later.push(entry);
    }
    for (const { entry } of again) this.#failed.splice(this.#failed.indexOf(entry), 1);
    return { again, lost };
  }

  #end(entry: Entry): void {
    this.#open.delete(entry.id);
    if (entry.upload !== null) this.#endedRetries += entry.transfer.known.retries;
  }

  #outdate(later: Entry): void {
    this.#outdated.push(...removeFrom(this.#failed, (earlier) => outdates(later, earlier)));
  }
}

function sum(transfers: readonly TransferProgress[], amount: "bytes" | "totalBytes" | "retries"): number {
  return transfers.reduce((total, transfer) => total + transfer[amount], 0);
}

/** Takes out what fits, in order. */
function removeFrom(entries: Entry[], isMeant: (entry: Entry) => boolean): readonly Entry[] {
  const removed = entries.filter(isMeant);
  if (removed.length > 0) entries.splice(0, entries.length, ...entries.filter((entry) => !removed.includes(entry)));
  return removed;
}

/** Null where none is to be saved, undefined where it is gone. */
function bufferToSave({ upload, isSaved }: Entry): AnyBuffer | null | undefined {
  return upload?.kind !== "buffer" || isSaved ? null : upload.buffer.deref();
}

/** Whether a later upload, once it is done, has left nothing to wish of an earlier, failed one. */
function fills({ asked, upload: later }: Entry, { asked: askedEarlier, upload: earlier }: Entry): boolean {
  if (asked < askedEarlier || later === null || earlier === null) return false;
  if (later.kind !== "upload-directory") {
    return earlier.kind !== "upload-directory" && later.cloudPath === earlier.cloudPath;
  }
  return (
    earlier.kind === "upload-directory" &&
    later.cloudPrefix === earlier.cloudPrefix &&
    later.localPath === earlier.localPath &&
    later.exclude.every((pattern) => earlier.exclude.includes(pattern))
  );
}

/** Whether a later upload leaves an earlier, failed one without an object to fill or without its file. */
function outdates(laterEntry: Entry, earlierEntry: Entry): boolean {
  if (fills(laterEntry, earlierEntry)) return true;
  const { asked, upload: later, isSaved } = laterEntry;
  const { asked: askedEarlier, upload: earlier } = earlierEntry;
  if (asked < askedEarlier || later === null || earlier === null) return false;
  if (later.kind === "upload-directory") {
    // The same files again are no older ones.
    return (
      earlier.kind === "upload-directory" &&
      later.cloudPrefix === earlier.cloudPrefix &&
      later.localPath !== earlier.localPath
    );
  }
  if (earlier.kind === "upload-directory") return false;
  return later.kind === "buffer" && isSaved && later.localPath === earlier.localPath;
}
