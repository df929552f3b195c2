import { MessageChannel, Worker } from "node:worker_threads";
import { SMALL_THREAD, workerUrl } from "../../base/worker-url.ts";
import { StoreError } from "../../errors.ts";
import type {
  CopyOptions,
  CopyOutcome,
  ListOptions,
  ObjectInfo,
  RequestOptions,
  Store,
  StoreLocation,
} from "../../store/store.ts";
import { fromTransfer } from "../error-transfer.ts";
import { PortStore } from "../port-store.ts";
import type { LineOpened, LineStart } from "./line-thread.ts";

/** Stores that are reached over a network: local disk and memory are as near to one thread as to another. */
export function isFar({ url }: StoreLocation): boolean {
  return /^(?:gs|s3|az):/.test(url);
}

interface Line {
  readonly worker: Worker;
  readonly store: PortStore;
}

/**
 * A cloud, reached through a thread of its own of low priority (Linux), so that copying, checksums and encryption of an
 * upload take no core from training. The saver itself stays at normal priority, for the sake of small saves.
 *
 * A line whose thread is lost fails the requests under way as a broken connection would, and the next request starts
 * another.
 */
export class LineStore implements Store {
  readonly url: string;
  readonly traits: Store["traits"];
  readonly location: StoreLocation;
  readonly #movedBytes: Float64Array;
  #line: Promise<Line> | null = null;

  private constructor(location: StoreLocation, movedBytes: Float64Array, line: Line) {
    this.location = location;
    this.#movedBytes = movedBytes;
    this.url = line.store.url;
    this.traits = line.store.traits;
    void this.#keep(Promise.resolve(line));
  }

  /** @throws what opening the store in this thread would */
  static async open(location: StoreLocation): Promise<LineStore> {
    const movedBytes = new Float64Array(new SharedArrayBuffer(8));
    return new LineStore(location, movedBytes, await startLine(location, movedBytes));
  }

  async put(...args: Parameters<Store["put"]>): Promise<boolean> {
    return (await this.#open()).put(...args);
  }

  async copyFrom(source: StoreLocation, name: string, options: CopyOptions): Promise<CopyOutcome> {
    return (await this.#open()).copy(source, name, options);
  }

  async get(...args: Parameters<Store["get"]>): Promise<Uint8Array | null> {
    return (await this.#open()).get(...args);
  }

  async head(name: string, options?: RequestOptions): Promise<ObjectInfo | null> {
    return (await this.#open()).head(name, options);
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo> {
    yield* (await this.#open()).list(prefix, options);
  }

  async delete(name: string, options?: RequestOptions): Promise<void> {
    await (await this.#open()).delete(name, options);
  }

  /** As of a tenth of a second ago. */
  movedBytes(): number {
    return this.#movedBytes[0] ?? 0;
  }

  /** Ends the thread; a later request would start another. */
  async close(): Promise<void> {
    const line = this.#line;
    this.#line = null;
    if (line === null) return;
    const { store, worker } = await line;
    try {
      await store.close();
    } finally {
      await worker.terminate();
    }
  }

  async #open(): Promise<PortStore> {
    const line = this.#line ?? this.#keep(startLine(this.location, this.#movedBytes));
    return (await line).store;
  }

  /** Uses the line until its thread ends, or cannot be started. */
  #keep(line: Promise<Line>): Promise<Line> {
    this.#line = line;
    const forget = (): void => {
      if (this.#line === line) this.#line = null;
    };
    line.then(({ worker }) => worker.once("exit", forget), forget);
    return line;
  }
}

async function startLine(location: StoreLocation, movedBytes: Float64Array): Promise<Line> {
  const { port1, port2 } = new MessageChannel();
  const moved = movedBytes.buffer as SharedArrayBuffer;
  const worker = new Worker(workerUrl("./line-thread", import.meta.url), {
    name: "varve-line",
    execArgv: [],
    resourceLimits: SMALL_THREAD,
    workerData: { location, port: port2, moved } satisfies LineStart,
    transferList: [port2],
  });
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  let store: PortStore | null = null;
  const lose = (detail: string, cause?: unknown): void => {
    const error = new StoreError("network", "reach", location.url, `the thread that reaches it ended: ${detail}`, {
      cause,
    });
    lost.reject(error);
    store?.lose(error);
  };
  worker.on("error", (error) => lose(error.message, error));
  worker.on("exit", (code) => lose(`exit code ${code}`));
  const opened = Promise.withResolvers<LineOpened>();
  worker.once("message", opened.resolve);
  try {
    const told = await Promise.race([opened.promise, lost.promise]);
    if ("error" in told) throw fromTransfer(told.error);
    store = new PortStore(port1, told.url, told.traits);
    return { worker, store };
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    worker.unref();
  }
}
