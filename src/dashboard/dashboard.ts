import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { randomId } from "../base/ids.ts";
import { systemSleep } from "../base/timers.ts";
import { workerUrl } from "../base/worker-url.ts";
import { DashboardError, InvalidArgumentError } from "../errors.ts";
import { openStore, type Store } from "../index.ts";
import { recordFileOf } from "../record/read-records.ts";
import type { RunRecord } from "../record/run-record.ts";
import type { DashboardStart, FromDashboard, RunSource, ToDashboard } from "./messages.ts";
import { RecordPost } from "./record-post.ts";

const DEFAULT_HOST = "127.0.0.1";

/** Short ones can be guessed; other characters would have to be escaped in an address. */
const TOKEN = /^[A-Za-z0-9._~-]{16,256}$/;

/** The text of a long run and what makes it up: beyond, the thread ends and training goes on. */
const MAX_MEMORY_MB = 1024;

/** How long the end waits for streams to be told their last bytes. */
const CLOSE_MS = 3_000;

export interface DashboardRun {
  readonly store: string | Store;
  /** The folder on local disk before that store. */
  readonly local?: string | undefined;
  /** Trains in this process: its records are told by `record()`. At most one. */
  readonly isLive?: boolean | undefined;
}

export interface DashboardOptions {
  readonly runs: readonly DashboardRun[];
  /** 127.0.0.1 by default: only this machine can connect. */
  readonly host?: string | undefined;
  /** 0, the default, takes any port that is free. */
  readonly port?: number | undefined;
  /** At least 16 characters of `A-Z a-z 0-9 . _ ~ -`; random by default. */
  readonly token?: string | undefined;
  /** Called once where the dashboard ends by itself; nothing else is affected. */
  readonly onLost?: ((error: DashboardError) => void) | undefined;
  /** For tests. */
  readonly maxMemoryMb?: number | undefined;
}

/** A dashboard that is being served, by a thread of its own. */
export class Dashboard {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly #worker: Worker;
  readonly #records: RecordPost;
  #isOver = false;
  #closing: Promise<void> | null = null;

  /** @param taken - i32[1], shared with the thread, which counts there what it has taken */
  constructor(
    worker: Worker,
    taken: Int32Array,
    address: Pick<Dashboard, "host" | "port" | "token">,
    onLost: DashboardOptions["onLost"],
  ) {
    this.host = address.host;
    this.port = address.port;
    this.token = address.token;
    this.#worker = worker;
    this.#records = new RecordPost(taken, (record) => this.#post({ type: "record", record }));
    const lose = (why: string, cause?: unknown): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      if (this.#closing === null) onLost?.(new DashboardError(`The dashboard has ended by itself: ${why}`, { cause }));
    };
    worker.on("error", (error) => lose(error.message, error));
    worker.on("exit", (code) => lose(`exit code ${code}`));
    worker.unref();
  }

  /** Where it is, without the token. */
  get url(): string {
    return `http://${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.port}/`;
  }

  /** What a person opens. Holds the token: for that person's eyes. */
  get urlWithToken(): string {
    return `${this.url}?token=${this.token}`;
  }

  /** Passes on what happened in the live run. Never waits, and does nothing once the dashboard has ended. */
  record(record: RunRecord): void {
    if (!this.#isOver) this.#records.post(record);
  }

  /** Ends it; whoever looks is told everything first, for a moment at most. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#isOver) return;
    const ended = new Promise<void>((done) => this.#worker.once("exit", () => done()));
    const over = new AbortController();
    this.#worker.ref();
    this.#post({ type: "close" });
    const isLate = systemSleep(CLOSE_MS, over.signal).then(
      () => true,
      () => false,
    );
    if (await Promise.race([isLate, ended.then(() => false)])) await this.#worker.terminate();
    over.abort();
    this.#isOver = true;
  }

  #post(message: ToDashboard): void {
    this.#worker.postMessage(message);
  }
}

/**
 * Serves a page that shows runs: one that trains in this process, and any that are stored.
 *
 * @throws InvalidArgumentError for wrong options; DashboardError where the address is taken or not ours
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { host = DEFAULT_HOST, port = 0, token = randomId() } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError("port", "a port from 0 to 65535", port);
  }
  // Not what was given: it may be the better part of a secret.
  if (!TOKEN.test(token)) throw new InvalidArgumentError("token", "16 to 256 of A-Z a-z 0-9 . _ ~ -", "something else");
  if (host === "") throw new InvalidArgumentError("host", "an address of this machine", host);
  const runs = await Promise.all(options.runs.map(sourceOf));
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(workerUrl("./dashboard-thread", import.meta.url), {
    name: "varve-dashboard",
    // Stripping types, which is done where this runs from source, counts as experimental; the page says nothing of it.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: options.maxMemoryMb ?? MAX_MEMORY_MB },
    workerData: { host, port, token, runs, taken } satisfies DashboardStart,
  });
  const bound = await listening(worker, host, port);
  return new Dashboard(worker, taken, { host, port: bound, token }, options.onLost);
}

async function listening(worker: Worker, host: string, port: number): Promise<number> {
  const { promise, resolve: settle, reject } = Promise.withResolvers<number>();
  const fail = (error: Error): void =>
    reject(new DashboardError(`It could not start: ${error.message}`, { cause: error }));
  worker.once("error", fail);
  worker.once("exit", () => fail(new Error("its thread has ended")));
  worker.once("message", (message: FromDashboard) => {
    if (message.type === "listening") settle(message.port);
    else if (message.type === "failed") reject(bindError(message, host, port));
  });
  try {
    return await promise;
  } finally {
    worker.removeAllListeners();
  }
}

function bindError(failed: Extract<FromDashboard, { type: "failed" }>, host: string, port: number): DashboardError {
  const where = `${host}:${port}`;
  if (failed.errno === "EADDRINUSE") {
    return new DashboardError(`The dashboard cannot be served at ${where}: another program has that port`, {
      hint: "Name another port, or 0 for any that is free.",
    });
  }
  if (failed.errno === "EACCES") {
    return new DashboardError(`The dashboard cannot be served at ${where}: this process may not use that port`, {
      hint: "Ports from 1024 on are free for everybody.",
    });
  }
  return new DashboardError(`The dashboard cannot be served at ${where}: ${failed.message}`, {
    hint: "The host must be an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them.",
  });
}

/** What the thread needs to look at a run, and may show of it. */
async function sourceOf({ store: given, local, isLive = false }: DashboardRun): Promise<RunSource> {
  const store = typeof given === "string" ? await openStore(given) : given;
  const storeFolder = folderOf(store);
  const folder = local ?? storeFolder;
  if (!isLive && store.location === undefined) {
    throw new InvalidArgumentError("store", "one that another thread can open", store.url, {
      hint: "A store in memory is seen by the program that made it alone: varve train --dashboard shows it.",
    });
  }
  const recordFile = folder === null ? null : recordFileOf(folder);
  const name = nameOf(storeFolder ?? store.url);
  // A run that trains tells what it sends; listing its store elsewhere would cost requests.
  const ownFolder = folder === null ? null : { url: folder, options: {} };
  const listed = isLive ? { store: ownFolder, local: null } : { store: store.location ?? null, local: local ?? null };
  const isCache = isLive && local !== undefined;
  return { name, storeUrl: store.url, ...listed, isCache, recordFile, liveFrom: isLive ? sizeOf(recordFile) : null };
}

/** Null where the store is no folder on local disk. */
function folderOf({ location }: Store): string | null {
  if (location === undefined) return null;
  const { url } = location;
  if (url.startsWith("file://")) return fileURLToPath(url);
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(url) ? null : url;
}

function nameOf(place: string): string {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(place)
    ? (place.split("/").findLast((part) => part !== "") ?? place)
    : basename(resolve(place));
}

function sizeOf(file: string | null): number {
  return file === null ? 0 : (statSync(file, { throwIfNoEntry: false })?.size ?? 0);
}
