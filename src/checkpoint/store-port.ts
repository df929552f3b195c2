import { MessageChannel, type MessagePort } from "node:worker_threads";
import { StoreError } from "../errors.ts";
import type { ObjectInfo, Store } from "../store/store.ts";
import { fromTransfer, type TransferredError, toTransfer } from "./error-transfer.ts";
import type { StoreAccess } from "./messages.ts";

type Request =
  | { readonly method: "put"; readonly name: string; readonly bytes: Uint8Array; readonly ifAbsent: boolean }
  | { readonly method: "get"; readonly name: string; readonly offset: number; readonly length: number }
  | { readonly method: "head" | "delete"; readonly name: string }
  | { readonly method: "list"; readonly prefix: string };

type Envelope = { readonly id: number; readonly request: Request } | { readonly abort: number };

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: TransferredError;
}

const WHOLE = -1;

/**
 * Gives another thread access to a store. Where the store can say where it is, the thread opens it itself; a store
 * that lives in this thread's memory is served through a port, and then needs this thread's event loop to turn.
 */
export function storeAccess(store: Store): { readonly access: StoreAccess; readonly port: MessagePort | null } {
  if (store.location !== undefined) return { access: { kind: "location", location: store.location }, port: null };
  const { port1, port2 } = new MessageChannel();
  serve(store, port1);
  port1.unref();
  const { conditionalCreate, stronglyConsistent, visibleIsDurable } = store.traits;
  const traits = { conditionalCreate, stronglyConsistent, visibleIsDurable };
  return { access: { kind: "port", port: port2, url: store.url, traits }, port: port2 };
}

function serve(store: Store, port: MessagePort): void {
  const running = new Map<number, AbortController>();
  port.on("message", (message: Envelope) => {
    if ("abort" in message) {
      running.get(message.abort)?.abort();
      return;
    }
    const { id, request } = message;
    const controller = new AbortController();
    running.set(id, controller);
    answer(store, request, controller.signal)
      .then(
        (value) => port.postMessage({ id, value } satisfies Answer),
        (error: unknown) => port.postMessage({ id, error: toTransfer(error) } satisfies Answer),
      )
      .finally(() => running.delete(id));
  });
}

async function answer(store: Store, request: Request, signal: AbortSignal): Promise<unknown> {
  switch (request.method) {
    case "put":
      return store.put(request.name, request.bytes, { ifAbsent: request.ifAbsent, signal });
    case "get": {
      const { offset, length } = request;
      return store.get(request.name, offset === WHOLE ? { signal } : { signal, range: { offset, length } });
    }
    case "head":
      return store.head(request.name, { signal });
    case "delete":
      return store.delete(request.name, { signal });
    case "list":
      return Array.fromAsync(store.list(request.prefix, { signal }));
  }
}

/** The other end: a Store whose requests go through the port. */
export function storeFromPort(access: Extract<StoreAccess, { kind: "port" }>): Store {
  const { port, url, traits } = access;
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let nextId = 1;
  port.on("message", ({ id, value, error }: Answer) => {
    const request = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) request?.resolve(value);
    else request?.reject(fromTransfer(error));
  });
  port.unref();

  async function ask(request: Request, signal: AbortSignal | undefined): Promise<unknown> {
    const id = nextId++;
    const answered = Promise.withResolvers<unknown>();
    const abort = (): void => {
      port.postMessage({ abort: id } satisfies Envelope);
      waiting.delete(id);
      const name = "name" in request ? request.name : request.prefix;
      answered.reject(new StoreError("aborted", request.method, name, "the operation was cancelled"));
    };
    waiting.set(id, answered);
    port.postMessage({ id, request } satisfies Envelope);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await answered.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  return {
    url,
    traits,
    put: async (name, bytes, { ifAbsent = false, signal } = {}) =>
      (await ask({ method: "put", name, bytes, ifAbsent }, signal)) as boolean,
    get: async (name, { range, signal } = {}) => {
      const { offset, length } = range ?? { offset: WHOLE, length: 0 };
      return (await ask({ method: "get", name, offset, length }, signal)) as Uint8Array | null;
    },
    head: async (name, { signal } = {}) => (await ask({ method: "head", name }, signal)) as ObjectInfo | null,
    delete: async (name, { signal } = {}) => {
      await ask({ method: "delete", name }, signal);
    },
    async *list(prefix, { signal } = {}) {
      yield* (await ask({ method: "list", prefix }, signal)) as ObjectInfo[];
    },
    close: async () => port.close(),
  };
}
