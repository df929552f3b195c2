import type { MessagePort } from "node:worker_threads";
import { StoreError } from "../errors.ts";
import { throwIfAborted } from "../store/request.ts";
import type {
  CopyOptions,
  CopyOutcome,
  ObjectInfo,
  PutOptions,
  RequestOptions,
  Store,
  StoreLocation,
  StoreTraits,
} from "../store/store.ts";
import { fromTransfer } from "./error-transfer.ts";
import { type FromStore, type StoreRequest, type ToStore, withOwnMemory } from "./port-protocol.ts";

interface Waiting {
  readonly settled: PromiseWithResolvers<unknown>;
  readonly onExtraRequest: RequestOptions["onExtraRequest"];
  readonly onSent: PutOptions["onSent"];
  readonly onPage: ((page: readonly ObjectInfo[]) => void) | undefined;
}

/** A store in another thread, whose requests go through a port. */
export class PortStore implements Store {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #lost: Error | null = null;

  constructor(port: MessagePort, url: string, traits: StoreTraits) {
    this.url = url;
    this.traits = traits;
    this.#port = port;
    port.on("message", (message: FromStore) => this.#receive(message));
    port.unref();
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    const { ifAbsent = false, sha256 } = options;
    return (await this.#ask(
      { method: "put", name, bytes: withOwnMemory(bytes), ifAbsent, sha256 },
      options,
    )) as boolean;
  }

  /** Asks a store that can `copyFrom` for it. */
  async copy(source: StoreLocation, name: string, options: CopyOptions): Promise<CopyOutcome> {
    const { sizeBytes } = options;
    return (await this.#ask({ method: "copy", name, source, sizeBytes }, options)) as CopyOutcome;
  }

  async get(name: string, options: Parameters<Store["get"]>[1] = {}): Promise<Uint8Array | null> {
    return (await this.#ask({ method: "get", name, range: options.range }, options)) as Uint8Array | null;
  }

  async head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    return (await this.#ask({ method: "head", name }, options)) as ObjectInfo | null;
  }

  async delete(name: string, options: RequestOptions = {}): Promise<void> {
    await this.#ask({ method: "delete", name }, options);
  }

  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    // Whoever stops reading wants no more pages.
    const ending = new AbortController();
    const either = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
    const pages = new ReadableStream<readonly ObjectInfo[]>({
      start: (controller) => {
        this.#ask({ method: "list", prefix }, { signal: either }, (page) => controller.enqueue(page)).then(
          () => controller.close(),
          (error: unknown) => controller.error(error),
        );
      },
      cancel: () => ending.abort(),
    });
    for await (const page of pages) yield* page;
  }

  async close(): Promise<void> {
    if (this.#lost === null) await this.#ask({ method: "close" }, {});
    this.#port.close();
  }

  /** The other thread is gone: every request fails, those under way too. */
  lose(error: Error): void {
    this.#lost ??= error;
    for (const { settled } of this.#waiting.values()) settled.reject(this.#lost);
    this.#waiting.clear();
  }

  #receive(message: FromStore): void {
    const request = this.#waiting.get(message.id);
    if ("page" in message) request?.onPage?.(message.page);
    else if ("sent" in message) request?.onSent?.(message.sent);
    else if ("extra" in message) request?.onExtraRequest?.(message.extra, message.bytes);
    else {
      this.#waiting.delete(message.id);
      if ("error" in message) request?.settled.reject(fromTransfer(message.error));
      else request?.settled.resolve(message.value);
    }
  }

  async #ask(request: StoreRequest, options: PutOptions, onPage?: Waiting["onPage"]): Promise<unknown> {
    if (this.#lost !== null) throw this.#lost;
    const { signal, onExtraRequest, onSent } = options;
    throwIfAborted(signal, request.method, nameOf(request));
    const id = this.#nextId++;
    const settled = Promise.withResolvers<unknown>();
    const abort = (): void => {
      this.#port.postMessage({ abort: id } satisfies ToStore);
      this.#waiting.delete(id);
      settled.reject(new StoreError("aborted", request.method, nameOf(request), "the operation was cancelled"));
    };
    this.#waiting.set(id, { settled, onExtraRequest, onSent, onPage });
    this.#port.postMessage({ id, request } satisfies ToStore);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await settled.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }
}

function nameOf(request: StoreRequest): string {
  if ("name" in request) return request.name;
  return "prefix" in request ? request.prefix : "";
}
