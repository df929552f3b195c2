import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { lowerThreadPriority } from "../../base/thread-priority.ts";
import { repeat } from "../../base/timers.ts";
import { ObjectStore } from "../../store/object-store.ts";
import { openStore } from "../../store/open-store.ts";
import type { StoreLocation, StoreTraits } from "../../store/store.ts";
import { type TransferredError, toTransfer } from "../error-transfer.ts";
import { serveStore } from "../serve-store.ts";
import { withCopies } from "./line-copies.ts";

/** The line to a cloud: sends and receives for the saver, at a priority that leaves a busy core to training. */

export interface LineStart {
  readonly location: StoreLocation;
  readonly port: MessagePort;
  /** f64[1]: bytes that went over its connections, either way. */
  readonly moved: SharedArrayBuffer;
}

/** The first message of the thread itself; all others go through the port. */
export type LineOpened = { readonly url: string; readonly traits: StoreTraits } | { readonly error: TransferredError };

const NICENESS = 10;
const PUBLISH_EVERY_MS = 100;

const { location, port, moved } = workerData as LineStart;
const movedBytes = new Float64Array(moved);

lowerThreadPriority(NICENESS);

const tell = (opened: LineOpened): void => parentPort?.postMessage(opened);

try {
  const store = await openStore(location.url, location.options);
  serveStore(withCopies(store), port, true);
  repeat(PUBLISH_EVERY_MS, () => (movedBytes[0] = store.movedBytes?.() ?? 0));
  tell({ url: store.url, traits: store.traits });
  // The first request comes soon: the saver is still being loaded.
  if (store instanceof ObjectStore) await store.prepare();
} catch (error) {
  tell({ error: toTransfer(error) });
}
