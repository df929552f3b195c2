import { type MessagePort, workerData } from "node:worker_threads";
import { systemClock } from "../../base/clock.ts";
import { EndGate } from "../../base/end-gate.ts";
import { randomId } from "../../base/ids.ts";
import { createRandom } from "../../base/random.ts";
import { lowerThreadPriority } from "../../base/thread-priority.ts";
import { repeat, systemSleep } from "../../base/timers.ts";
import { useZstdThrough } from "../../base/zstd.ts";
import { openStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { toTransfer } from "../error-transfer.ts";
import { type FromSaver, SAVER_THREAD, type SaverStart, type StoreAccess, type ToSaver } from "../messages.ts";
import { SharedStatus } from "../shared-status.ts";
import { storeFromPort } from "../store-port.ts";
import { isFar, LineStore } from "./line-store.ts";
import type { SaverSession } from "./saver-session.ts";

/** The saver's thread: opens the stores, then handles every message in the order of its arrival. */

const HEARTBEAT_MS = 100;

const CLOUD_NICENESS = 10;

/** How long an end that comes from this thread itself waits for its encoder, which ends with it. */
const ENCODER_LIMIT_MS = 5_000;

const start = workerData as SaverStart;
const { port } = start;
const status = new SharedStatus(start.status);
const gate = new EndGate(start.gate);
const tell = (message: FromSaver): void => port.postMessage(message);

// Files may take their time. No save of a Checkpointer is made here, for which a thread of low priority would be too slow.
if (start.cloud !== undefined) lowerThreadPriority(CLOUD_NICENESS);

useZstdThrough(gate, SAVER_THREAD);
repeat(HEARTBEAT_MS, () => status.add("heartbeat"));
process.on("exit", () => {
  gate.close();
  gate.waitUntilQuiet(ENCODER_LIMIT_MS);
  status.set("stopped", 1);
  status.add("heartbeat");
});

async function open(access: StoreAccess): Promise<Store> {
  if (access.kind === "port") return storeFromPort(access);
  const { location } = access;
  // A thread that moves files is at low priority itself, and who only looks at a run is in nobody's way.
  const isNearEnough = start.cloud !== undefined || start.readOnly || !isFar(location);
  return isNearEnough ? openStore(location.url, location.options) : LineStore.open(location);
}

/** Loading the session takes as long as a line takes to a cloud: it starts beside that. */
async function createSession(): Promise<SaverSession> {
  const [store, local, module] = await Promise.all([
    start.store && open(start.store),
    start.local && open(start.local),
    import("./saver-session.ts"),
  ]);
  const random = createRandom(Number.parseInt(randomId().slice(0, 8), 16));
  const outside = { clock: systemClock, sleep: systemSleep, newId: randomId, random };
  return new module.SaverSession({ start, status, store, local, tell, ...outside });
}

/** Messages wait here while the stores are opened. */
async function listen(messages: MessagePort): Promise<void> {
  const early: ToSaver[] = [];
  let handle = (message: ToSaver): void => void early.push(message);
  messages.on("message", (message: ToSaver) => handle(message));
  let session: SaverSession;
  try {
    session = await createSession();
  } catch (error) {
    handle = (message) => refuse(message, error);
    early.forEach(handle);
    return;
  }
  handle = (message) => session.handle(message);
  early.forEach(handle);
}

/** The store cannot be opened: whoever asks for anything is told why. */
function refuse(message: ToSaver, error: unknown): void {
  if (message.type === "call") tell({ type: "replyError", id: message.id, error: toTransfer(error) });
  if (message.type !== "save") return;
  tell({ type: "failed", sequence: message.sequence, error: toTransfer(error) });
  status.add("failed");
  if (message.hold !== null) Atomics.store(status.holds, message.hold, 0);
}

void listen(port);
