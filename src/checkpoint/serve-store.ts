import type { MessagePort } from "node:worker_threads";
import { freeMemory } from "../base/memory.ts";
import type { ObjectInfo, PutOptions, Store } from "../store/store.ts";
import { toTransfer } from "./error-transfer.ts";
import { type FromStore, type StoreRequest, type ToStore, withOwnMemory } from "./port-protocol.ts";

/** Names in one message of a listing. */
const PAGE = 1000;

/**
 * Answers the requests that come through the port, until it is closed. Needs the event loop of this thread to turn.
 *
 * @param isOwn - nobody else has the store, nor what it answers: that is handed over without a copy, and what it has
 *   stored is given back. A store of the user's own may answer with memory that it goes on using.
 */
export function serveStore(store: Store, port: MessagePort, isOwn = false): void {
  const running = new Map<number, AbortController>();
  const tell = (message: FromStore, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, [...transfer]);
  const serve = async ({ id, request }: Extract<ToStore, { request: StoreRequest }>): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const options: PutOptions = {
        signal: controller.signal,
        onSent: (sent) => tell({ id, sent }),
        onExtraRequest: (extra, bytes) => tell({ id, extra, bytes }),
      };
      const value = await answer(store, request, options, (page) => tell({ id, page }));
      if (isOwn && request.method === "put" && value === true) freeMemory(request.bytes.buffer);
      const own = isOwn && value instanceof Uint8Array ? withOwnMemory(value) : null;
      tell({ id, value: own ?? value }, own === null ? [] : [own.buffer]);
    } catch (error) {
      tell({ id, error: toTransfer(error) });
    } finally {
      running.delete(id);
    }
  };
  port.on("message", (message: ToStore) => {
    if ("abort" in message) running.get(message.abort)?.abort();
    else void serve(message);
  });
}

async function answer(
  store: Store,
  request: StoreRequest,
  options: PutOptions,
  onPage: (page: readonly ObjectInfo[]) => void,
): Promise<unknown> {
  switch (request.method) {
    case "put": {
      const { name, bytes, ifAbsent, sha256 } = request;
      return store.put(name, bytes, { ...options, ifAbsent, sha256 });
    }
    case "copy": {
      const { source, name, sizeBytes } = request;
      return store.copyFrom?.(source, name, { ...options, sizeBytes }) ?? "unread";
    }
    case "get":
      return store.get(request.name, { ...options, range: request.range });
    case "head":
      return store.head(request.name, options);
    case "delete":
      return store.delete(request.name, options);
    case "list":
      return listInPages(store.list(request.prefix, options), onPage);
    case "close":
      return store.close?.();
  }
}

async function listInPages(
  names: AsyncIterable<ObjectInfo>,
  onPage: (page: readonly ObjectInfo[]) => void,
): Promise<void> {
  let page: ObjectInfo[] = [];
  for await (const info of names) {
    page.push(info);
    if (page.length < PAGE) continue;
    onPage(page);
    page = [];
  }
  onPage(page);
}
