import { dirname } from "node:path";
import type { StoreError } from "../../errors.ts";
import { nodeFileSystem } from "../../store/node-file-system.ts";
import type { ObjectHead } from "../../store/object-client.ts";
import { createTemporaryNames } from "../../store/temporary-name.ts";
import { Patience } from "../../transfer/patience.ts";
import type { TransferAttempt, TransferJob } from "../../transfer/transfer.ts";
import { TransferQueue, type TransferQueueOptions } from "../../transfer/transfer-queue.ts";
import type { SessionOptions } from "../saver/session-options.ts";
import { CloudConnection } from "./cloud-connection.ts";
import { abortAbandonedUploads, abortOrphanedUploads } from "./files/abandoned-uploads.ts";
import { bucketBelow } from "./files/bucket-below.ts";
import type {
  DownloadedFile,
  FileTransfers,
  FolderListing,
  ListFolderOptions,
  UploadedFile,
} from "./files/contract.ts";
import { downloadFile } from "./files/download-file.ts";
import { removeLeftoverFiles } from "./files/leftover-files.ts";
import { listFolder } from "./files/list-folder.ts";
import { uploadFile } from "./files/upload-file.ts";
import type { CloudStart } from "./messages.ts";

/** One file on its way, either way. */
export interface FileMove {
  /** As a person would name it. */
  readonly name: string;
  readonly localPath: string;
  /** Another name of the same file, that no later save takes away. */
  readonly readFrom?: string | undefined;
  /** The whole name in the bucket. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  /** Told at the beginning of every try; 1 for the first. */
  readonly onTry: (number: number) => void;
  readonly onBytes: (bytesDone: number) => void;
  /** Of bytes as they go over the line. */
  readonly onMoved: (bytes: number) => void;
  /** Of a download whose size was not known. */
  readonly onSize?: ((sizeBytes: number) => void) | undefined;
}

export interface FileMoverHooks extends Pick<SessionOptions, "clock" | "sleep" | "random"> {
  readonly onRetry: (name: string, error: StoreError, attempt: number, delayMs: number) => void;
  readonly warn: (message: string) => void;
}

const UPLOADS = "uploads";
const temporaryNames = createTemporaryNames();

/** Moves files through the queue: so many at a time, small ones first, with its retries. */
export class FileMover {
  readonly #connection: CloudConnection;
  readonly #uploads: TransferQueue;
  /** Downloads and questions: a pause is for uploads. */
  readonly #others: TransferQueue;
  /** Nothing else tries again what a CloudSync gives up. */
  readonly #patience: Patience;
  readonly #project: string;
  readonly #clock: SessionOptions["clock"];
  readonly #warn: (message: string) => void;
  readonly #closing = new AbortController();
  readonly #cleanedFolders = new Set<string>();
  readonly #tidiedFolders = new Set<string>();
  /** What was told last, by the folder. */
  readonly #leftOut = new Map<string, readonly string[]>();
  #cleaning: Promise<void> = Promise.resolve();
  #hasLookedForAbandoned = false;
  #isPaused = false;

  constructor(start: CloudStart, { onRetry, warn, clock, sleep, random }: FileMoverHooks) {
    const { concurrency, attempts, project } = start;
    this.#patience = new Patience(clock);
    const retry = attempts === null ? () => this.#patience.policy() : { attempts };
    const onFailure: FileMoverHooks["onRetry"] = (...failure) => {
      this.#patience.failed();
      onRetry(...failure);
    };
    const options: TransferQueueOptions = { concurrency, onRetry: onFailure, retry, clock, sleep, random };
    this.#uploads = new TransferQueue(options);
    this.#others = new TransferQueue(options);
    this.#connection = new CloudConnection(start.place, start.maxUploadBytesPerSecond, warn);
    this.#project = project;
    this.#clock = clock;
    this.#warn = warn;
  }

  /** As a person reads it. */
  url(key: string): string {
    return this.#connection.url(key);
  }

  upload(move: FileMove): Promise<UploadedFile> {
    const { name, localPath, readFrom, key, sizeBytes, onTry, onBytes, onMoved } = move;
    this.#tidy(dirname(localPath));
    const run = async (attempt: TransferAttempt): Promise<UploadedFile> => {
      onTry(attempt.number);
      const transfers = await this.#connection.transfers(attempt.signal);
      this.#cleanUp(transfers, localPath, key);
      const report = reporting(attempt, onBytes);
      const { signal } = attempt;
      return uploadFile(transfers, { localPath, readFrom, key, leastBytes: sizeBytes, signal, report, onMoved });
    };
    const { signal } = move;
    return this.#through(this.#uploads, { name, bytes: sizeBytes, priority: -sizeBytes, signal, run });
  }

  download(move: FileMove, within: string): Promise<DownloadedFile> {
    const { name, localPath, key, sizeBytes, signal, onTry, onBytes, onMoved, onSize } = move;
    const run = async (attempt: TransferAttempt): Promise<DownloadedFile> => {
      onTry(attempt.number);
      const transfers = await this.#connection.transfers(attempt.signal);
      const report = reporting(attempt, onBytes);
      return downloadFile(transfers, { key, localPath, within, signal: attempt.signal, report, onMoved, onSize });
    };
    return this.#through(this.#others, { name, bytes: sizeBytes, priority: -sizeBytes, signal, run });
  }

  /** The files of a directory that are to be sent: not those that somebody is still writing, nor the bucket itself. */
  async listFolder(
    folder: string,
    options: Pick<ListFolderOptions, "exclude" | "expected" | "signal">,
  ): Promise<FolderListing> {
    const onUnfinished = (path: string): void => this.#tidy(path);
    const { folder: bucket } = this.#connection;
    const without = (bucket === null ? null : await bucketBelow(nodeFileSystem, folder, bucket)) ?? undefined;
    const context = { files: nodeFileSystem, warn: this.#warn };
    const listing = await listFolder(context, folder, { ...options, without, onUnfinished });
    this.#tellLeftOut(folder, listing.unfinished, without);
    return listing;
  }

  /** Once, until it is something else: a folder may be synced every minute. */
  #tellLeftOut(folder: string, unfinished: readonly string[], bucket: string | undefined): void {
    const told = leftOutLines(folder, unfinished, bucket);
    const before = this.#leftOut.get(folder) ?? [];
    this.#leftOut.set(folder, told);
    for (const line of told) if (!before.includes(line)) this.#warn(line);
  }

  /** The objects below a prefix; none if there are none. */
  list(prefix: string, signal: AbortSignal): Promise<readonly ObjectHead[]> {
    const ask = async (transfers: FileTransfers, own: AbortSignal): Promise<readonly ObjectHead[]> =>
      Array.fromAsync(transfers.client.list(prefix, { signal: own }));
    return this.#ask(prefix, ask, signal);
  }

  /** @throws StoreError where that cannot be told, as without the right to look */
  exists(key: string, signal: AbortSignal): Promise<boolean> {
    const ask = async (transfers: FileTransfers, own: AbortSignal): Promise<boolean> =>
      (await transfers.client.head(key, { signal: own })) !== null;
    return this.#ask(key, ask, signal);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
    this.#uploads.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#uploads.resume();
  }

  /** Call it when nothing is moved any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#cleaning;
    await this.#connection.close();
  }

  #ask<Result>(
    name: string,
    ask: (transfers: FileTransfers, signal: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const run = async (attempt: TransferAttempt): Promise<Result> =>
      ask(await this.#connection.transfers(attempt.signal), attempt.signal);
    // Nothing is smaller than a question.
    return this.#through(this.#others, { name, bytes: 0, priority: 1, signal, run });
  }

  async #through<Result>(queue: TransferQueue, job: TransferJob<Result>): Promise<Result> {
    const result = await queue.add(job).finished;
    this.#patience.answered();
    return result;
  }

  /**
   * Looks once, beside the uploads, for what earlier processes have begun and never ended: pieces in the bucket that
   * nobody sees and somebody pays for, and journals of files that are not there any more.
   */
  #cleanUp(transfers: FileTransfers, localPath: string, key: string): void {
    const folder = dirname(localPath);
    if (!this.#cleanedFolders.has(folder)) {
      this.#cleanedFolders.add(folder);
      this.#clean(UPLOADS, () => abortOrphanedUploads(transfers, folder, { signal: this.#closing.signal }));
    }
    if (this.#hasLookedForAbandoned) return;
    this.#hasLookedForAbandoned = true;
    // Without a project the bucket may be others' too: only the folder that is written to.
    const prefix = this.#project === "" ? key.slice(0, key.lastIndexOf("/") + 1) || key : `${this.#project}/`;
    this.#clean(UPLOADS, () => abortAbandonedUploads(transfers, prefix, { signal: this.#closing.signal }));
  }

  /** Looks once for what killed processes have left in a folder. Needs no cloud, so a pause does not hold it up. */
  #tidy(folder: string): void {
    if (this.#tidiedFolders.has(folder)) return;
    this.#tidiedFolders.add(folder);
    const disk = { files: nodeFileSystem, names: temporaryNames, clock: this.#clock };
    this.#clean(`unfinished files in ${folder}`, () => removeLeftoverFiles(disk, folder));
  }

  #clean(what: string, work: () => Promise<number>): void {
    this.#cleaning = this.#cleaning.then(work).then(
      (count) => {
        if (count > 0) this.#warn(`${count} ${what} that earlier processes had given up were removed`);
      },
      (error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#warn(`${what} that earlier processes gave up could not be looked for: ${(error as Error).message}`);
      },
    );
  }
}

const SHOWN_NAMES = 5;

function leftOutLines(folder: string, unfinished: readonly string[], bucket: string | undefined): readonly string[] {
  const lines: string[] = [];
  if (bucket !== undefined)
    lines.push(`${bucket} is left out of ${folder}: it is the folder that stands for the bucket`);
  if (unfinished.length === 0) return lines;
  const shown = unfinished.slice(0, SHOWN_NAMES).join(", ");
  const rest = unfinished.length > SHOWN_NAMES ? ` and ${unfinished.length - SHOWN_NAMES} more` : "";
  const why = "names like *.tmp, *.part and .tmp-* are those of unfinished files";
  return [...lines, `${unfinished.length} files of ${folder} are left out: ${shown}${rest} (${why})`];
}

function reporting(attempt: TransferAttempt, onBytes: (bytesDone: number) => void): (bytesDone: number) => void {
  return (bytesDone) => {
    attempt.report(bytesDone);
    onBytes(bytesDone);
  };
}
