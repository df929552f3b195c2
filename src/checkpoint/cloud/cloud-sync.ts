import { resolve } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { systemSleep } from "../../base/timers.ts";
import { ClosedError, InvalidArgumentError } from "../../errors.ts";
import { assertObjectKey } from "../../store/folder/object-key.ts";
import type { AnyBuffer } from "../options.ts";
import { waitUntilSettled } from "../wait-for-saves.ts";
import type { UploadStatus } from "./cloud-log.ts";
import { type CheckedCloudOptions, type CloudSyncOptions, checkCloudOptions } from "./cloud-options.ts";
import { cloudPathFor, cloudPrefix, joinCloudPath } from "./cloud-path.ts";
import { readCloudEnvironment } from "./environment.ts";
import { excludePatterns } from "./files/exclude-patterns.ts";
import type { ForegroundTransfer, Transfer, UploadsResult } from "./transfer.ts";
import { TransferDesk } from "./transfer-desk.ts";

export interface TransferOptions {
  /** True: returns a Transfer at once. False, the default: what is returned can be awaited too. */
  readonly background?: boolean | undefined;
}

export interface UploadDirectoryOptions extends TransferOptions {
  /** Patterns of names or paths below the directory that are left out: `replay_buffer*`. */
  readonly exclude?: readonly string[] | undefined;
}

/** What a method returns, by its `background`. Options that leave it out have it of type `unknown`. */
export type TransferFor<Options extends TransferOptions> = unknown extends Options["background"]
  ? ForegroundTransfer
  : Options["background"] extends false | undefined
    ? ForegroundTransfer
    : Transfer;

export interface WaitOptions {
  /** Without it there is no end to the waiting but that of the uploads. */
  readonly timeoutMs?: number | undefined;
}

const CHECKPOINTS = "checkpoints";
const LOGS = "logs";

/**
 * Files and folders to and from a cloud, in the background: the interface of the note that Varve began with.
 *
 * All reading, hashing, encoding and sending is done by one worker thread, started at first use: it goes on while a
 * training loop never yields, and idle it keeps no process alive. At its natural end a process waits for its uploads
 * that are not paused; at `process.exit` for the local files of `saveAndUploadBuffer`, a few seconds at most. Uploads that
 * an end leaves unsent are told to the log.
 *
 * Cloud paths are those of objects in the bucket. Where none is given it is `project/localPath`. Two uploads to one
 * cloud path end in the order of the calls. A failed one is counted, its local file is kept, and `retryFailed()` sends
 * it again.
 */
export class CloudSync {
  readonly #options: CheckedCloudOptions;
  readonly #desk: TransferDesk;
  #closing: Promise<UploadsResult> | null = null;
  /** Nothing is waited for any more. */
  readonly #isUp = new AbortController();

  /**
   * From `CLOUD_PROVIDER` (gcs, s3, azure or local; local if neither it nor a bucket is set), `CLOUD_BUCKET`,
   * `CLOUD_PROJECT`, `GOOGLE_APPLICATION_CREDENTIALS` and `AZURE_STORAGE_CONNECTION_STRING` (or
   * `AZURE_STORAGE_ACCOUNT`, with sign-in by identity). `GCS_CREDENTIALS` is the
   * former name of the credentials' variable, and still read.
   *
   * @param overrides - options that go before the environment
   * @throws InvalidArgumentError as the constructor does, and for an unknown provider
   */
  static fromEnv(
    // oxlint-disable-next-line no-restricted-properties -- named for it; beside it only proxies are read from there
    env: Readonly<Record<string, string | undefined>> = process.env,
    overrides: Partial<CloudSyncOptions> = {},
  ): CloudSync {
    const { options, warnings } = readCloudEnvironment(env, overrides);
    const cloud = new CloudSync(options);
    for (const message of warnings) cloud.#desk.tell({ kind: "warning", message });
    return cloud;
  }

  /**
   * Checks the options; nothing is started and nothing sent before the first use.
   *
   * @throws InvalidArgumentError for a wrong option, and for a cloud without its bucket
   */
  constructor(options: CloudSyncOptions) {
    this.#options = checkCloudOptions(options);
    this.#desk = new TransferDesk(this.#options, systemClock);
  }

  /** Of the bucket, without credentials: `gs://bucket`, `s3://bucket`, `az://account/container`, or a folder's path. */
  get url(): string {
    return this.#options.place.url;
  }

  /** First part of the cloud paths that are not given; empty if there is none. */
  get project(): string {
    return this.#options.project;
  }

  /**
   * Saves the buffer as it is now to one self-contained file, as `buffer.save()` does, and uploads that file. Returns at
   * once and needs no event loop: nothing of it is done by this thread.
   *
   * @param cloudPath - `project/localPath` by default
   * @throws InvalidArgumentError; ClosedError
   * Cost: 0.3 ms, whatever the buffer's size. The first use of all also starts the thread, and the first save of a
   *   buffer hands over its blocks: a few ms, some tens where all cores are busy.
   */
  saveAndUploadBuffer(buffer: AnyBuffer, localPath: string, cloudPath?: string): Transfer {
    this.#assertOpen();
    if (typeof buffer?.describe !== "function") throw new InvalidArgumentError("buffer", "a ReplayBuffer", buffer);
    const path = this.#cloudPath(localPath, cloudPath);
    return this.#desk.saveAndUpload({ buffer, name: localPath, localPath: resolve(localPath), cloudPath: path });
  }

  /**
   * Uploads a file, unless the cloud has exactly this content under this path already.
   *
   * A file that grows meanwhile, such as a log, goes up as long as it was when its upload began; the next upload sends
   * what it is then. One that is written anew, cut off or replaced meanwhile is noticed, and fails with FileChangedError.
   *
   * @param cloudPath - `project/localPath` by default
   */
  uploadFile<const Options extends TransferOptions = { readonly background?: false }>(
    localPath: string,
    cloudPath?: string,
    options?: Options,
  ): TransferFor<Options> {
    this.#assertOpen();
    const path = this.#cloudPath(localPath, cloudPath);
    const upload = { kind: "upload-file", localPath: resolve(localPath), cloudPath: path } as const;
    return this.#desk.upload(localPath, upload, isBackground(options)) as Transfer as TransferFor<Options>;
  }

  /**
   * Uploads every file of a directory that is new or has changed, those included that saves and downloads from before
   * this call have still to write there. Left out, and told in the log, are unfinished files (`*.tmp`, `*.part` and
   * `.tmp-*`; `uploadFile` sends them), links, and a bucket of provider `local` in it. A file that fails does not keep the
   * others back: the transfer fails when all have ended, and its error lists them.
   *
   * @param prefix - `project/localDir` by default
   */
  uploadDirectory<const Options extends UploadDirectoryOptions = { readonly background?: false }>(
    localDir: string,
    prefix?: string,
    options?: Options,
  ): TransferFor<Options> {
    assertPath("localDir", localDir);
    const path = prefix ?? cloudPathFor(this.#options.project, localDir);
    return this.#uploadTo(localDir, cloudPrefix("cloudPrefix", path), options);
  }

  /** Uploads what is new in the folder of checkpoints, to `project/checkpoints/`. */
  syncCheckpoints<const Options extends UploadDirectoryOptions = { readonly background?: false }>(
    dir: string = CHECKPOINTS,
    options?: Options,
  ): TransferFor<Options> {
    return this.#uploadTo(dir, this.#projectFolder(CHECKPOINTS), options);
  }

  /** Uploads what is new in the folder of logs, to `project/logs/`. */
  syncLogs<const Options extends UploadDirectoryOptions = { readonly background?: false }>(
    dir: string = LOGS,
    options?: Options,
  ): TransferFor<Options> {
    return this.#uploadTo(dir, this.#projectFolder(LOGS), options);
  }

  /** Downloads an object to a file, which is replaced only when the new one is whole. Missing folders are made. */
  downloadFile<const Options extends TransferOptions = { readonly background?: false }>(
    cloudPath: string,
    localPath: string,
    options?: Options,
  ): TransferFor<Options> {
    this.#assertOpen();
    assertObjectKey("cloudPath", cloudPath);
    assertPath("localPath", localPath);
    const order = { kind: "download-file", localPath: resolve(localPath), cloudPath } as const;
    return this.#desk.download(localPath, order, isBackground(options)) as Transfer as TransferFor<Options>;
  }

  /**
   * Downloads every object below a prefix. One that fails, or whose name is no path below `dir`, does not keep the others
   * back: the transfer fails when all have ended, and its error lists them by their whole names.
   *
   * @param prefix - a folder in the cloud; empty is the whole bucket
   */
  downloadDirectory<const Options extends TransferOptions = { readonly background?: false }>(
    prefix: string,
    dir: string,
    options?: Options,
  ): TransferFor<Options> {
    this.#assertOpen();
    assertPath("dir", dir);
    const order = {
      kind: "download-directory",
      localPath: resolve(dir),
      cloudPrefix: cloudPrefix("prefix", prefix),
    } as const;
    return this.#desk.download(dir, order, isBackground(options)) as Transfer as TransferFor<Options>;
  }

  /** Downloads `project/checkpoints/`. */
  downloadCheckpoints<const Options extends TransferOptions = { readonly background?: false }>(
    dir: string = CHECKPOINTS,
    options?: Options,
  ): TransferFor<Options> {
    return this.downloadDirectory(this.#projectFolder(CHECKPOINTS), dir, options);
  }

  /**
   * Tells whether `project/checkpoints/name` is in the cloud.
   *
   * @throws StoreError where that cannot be told: a missing permission is never `false`
   */
  async fileExists(name: string): Promise<boolean> {
    this.#assertOpen();
    assertObjectKey("name", name);
    return this.#desk.fileExists(joinCloudPath(this.#options.project, CHECKPOINTS, name));
  }

  /** Right at any time, also in a loop that never yields. Downloads do not count. */
  uploadStatus(): UploadStatus {
    return this.#desk.status;
  }

  /**
   * Sends again what has failed, oldest first; returns those that it sends. Each thing once, however often it has failed,
   * and not what a later upload has made outdated. A buffer that could not be saved is saved as it is now; where it is
   * not in use any more, that upload stays failed, and the log says so.
   */
  retryFailed(): readonly Transfer[] {
    this.#assertOpen();
    return this.#desk.retryFailed();
  }

  /**
   * Begins no further upload; those under way go on, and buffers are still saved to their files. What is paused keeps no
   * process alive: without `resume()` or `shutdown()` it is not sent when the process ends, and the log says so.
   */
  pause(): void {
    this.#assertOpen();
    this.#desk.setPaused(true);
  }

  resume(): void {
    this.#assertOpen();
    this.#desk.setPaused(false);
  }

  /**
   * Waits until every upload so far has ended, or the time is up: paused ones end only after `resume()`. Never throws for
   * failures: it counts them.
   */
  async waitForUploads({ timeoutMs }: WaitOptions = {}): Promise<UploadsResult> {
    assertTimeout(timeoutMs);
    return this.#wait(timeoutMs);
  }

  /**
   * Ends the worker thread. From the call on, nothing else is accepted. A buffer that was handed over is saved to its
   * local file in any case; uploads that have not ended by then are given up, and the log says which. Called again it may
   * hurry, never slow down, what the first call has begun.
   *
   * @param options - `wait: false` gives up uploads at once, `timeoutMs` when the time is up
   * @returns what became of the uploads; `pending` were given up, `paused` of them without a try. Afterwards
   *   `uploadStatus()` and `waitForUploads()` count them as failed
   */
  shutdown(options: WaitOptions & { readonly wait?: boolean | undefined } = {}): Promise<UploadsResult> {
    assertTimeout(options.timeoutMs);
    const { wait = true, timeoutMs } = options;
    if (!wait) this.#isUp.abort();
    else if (timeoutMs !== undefined) {
      systemSleep(timeoutMs, this.#isUp.signal).then(
        () => this.#isUp.abort(),
        () => undefined,
      );
    }
    this.#closing ??= this.#shutdown(wait);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #shutdown(wait: boolean): Promise<UploadsResult> {
    // What is paused would never end.
    if (wait) this.#desk.setPaused(false);
    const result = wait ? await this.#wait(undefined, this.#isUp.signal) : this.#desk.tellResult();
    this.#isUp.abort();
    await this.#desk.close();
    return result;
  }

  async #wait(timeoutMs?: number, signal?: AbortSignal): Promise<UploadsResult> {
    const { openUploads } = this.#desk;
    this.#desk.tellWaiting();
    await waitUntilSettled(
      openUploads.map(({ finished }) => finished),
      timeoutMs,
      signal,
    );
    return this.#desk.tellResult();
  }

  #uploadTo<const Options extends UploadDirectoryOptions>(
    dir: string,
    prefix: string,
    options: Options | undefined,
  ): TransferFor<Options> {
    this.#assertOpen();
    assertPath("dir", dir);
    const { exclude = [] } = options ?? {};
    if (!Array.isArray(exclude) || exclude.some((pattern) => typeof pattern !== "string")) {
      throw new InvalidArgumentError("exclude", "a list of patterns", exclude);
    }
    // Refused here and not in the background.
    excludePatterns(exclude);
    const upload = {
      kind: "upload-directory",
      localPath: resolve(dir),
      cloudPrefix: prefix,
      exclude: [...exclude],
    } as const;
    return this.#desk.upload(dir, upload, isBackground(options)) as Transfer as TransferFor<Options>;
  }

  #cloudPath(localPath: string, cloudPath: string | undefined): string {
    assertPath("localPath", localPath);
    if (cloudPath === undefined) return cloudPathFor(this.#options.project, localPath);
    assertObjectKey("cloudPath", cloudPath);
    return cloudPath;
  }

  #projectFolder(name: string): string {
    return `${joinCloudPath(this.#options.project, name)}/`;
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new ClosedError("This CloudSync");
  }
}

function isBackground(options: TransferOptions | undefined): boolean {
  const background = options?.background ?? false;
  if (typeof background !== "boolean") throw new InvalidArgumentError("background", "true or false", background);
  return background;
}

function assertPath(argument: string, path: unknown): asserts path is string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw new InvalidArgumentError(argument, "a path", path);
}

function assertTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (typeof timeoutMs === "number" && timeoutMs >= 0)) return;
  throw new InvalidArgumentError("timeoutMs", "a number of at least 0", timeoutMs);
}
