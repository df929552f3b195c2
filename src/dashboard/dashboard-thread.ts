import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { lowerThreadPriority } from "../base/thread-priority.ts";
import { systemSleep } from "../base/timers.ts";
import { DashboardServer } from "./dashboard-server.ts";
import type { DashboardStart, FromDashboard, ToDashboard } from "./messages.ts";

/** The dashboard's thread: serves what it is told and what it reads, and never takes time from training. */

const NICENESS = 10;

const start = workerData as DashboardStart;
const server = new DashboardServer(start, { clock: systemClock, sleep: systemSleep });
const tell = (message: FromDashboard): void => parentPort?.postMessage(message);

async function close(): Promise<void> {
  await server.close();
  tell({ type: "closed" });
  parentPort?.close();
}

function receive(message: ToDashboard): void {
  if (message.type === "close") {
    void close();
    return;
  }
  server.take(message.record);
  Atomics.add(start.taken, 0, 1);
}

async function run(): Promise<void> {
  parentPort?.on("message", receive);
  try {
    await server.listen();
  } catch (error) {
    const { code = null, message } = error as NodeJS.ErrnoException;
    tell({ type: "failed", errno: code, message });
    parentPort?.close();
    return;
  }
  // Not before: whoever waits for the address has not begun to train. Threads started from here on inherit it.
  lowerThreadPriority(NICENESS);
  tell({ type: "listening", port: server.port });
  await server.watching;
}

// A fault ends the thread, and whoever started it is told.
await run();
