import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Store } from "../store/store.ts";
import type { StoreAccess } from "./messages.ts";
import { PortStore } from "./port-store.ts";
import { serveStore } from "./serve-store.ts";

/**
 * Gives another thread access to a store. Where the store can say where it is, the thread opens it itself; a store
 * that lives in this thread's memory is served through a port, and then needs this thread's event loop to turn.
 */
export function storeAccess(store: Store): { readonly access: StoreAccess; readonly port: MessagePort | null } {
  if (store.location !== undefined) return { access: { kind: "location", location: store.location }, port: null };
  const { port1, port2 } = new MessageChannel();
  serveStore(store, port1);
  port1.unref();
  const { conditionalCreate, stronglyConsistent, visibleIsDurable } = store.traits;
  const traits = { conditionalCreate, stronglyConsistent, visibleIsDurable };
  return { access: { kind: "port", port: port2, url: store.url, traits }, port: port2 };
}

/** The other end: a Store whose requests go through the port. */
export function storeFromPort({ port, url, traits }: Extract<StoreAccess, { kind: "port" }>): Store {
  return new PortStore(port, url, traits);
}
