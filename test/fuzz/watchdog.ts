import { Worker } from "node:worker_threads";

/** Far beyond what any input takes, on a machine however busy: only a loop without end is ended by it. */
const LIMIT_MS = 60_000;

const WATCHER = `
const { workerData } = require("node:worker_threads");
const { memory, what, limitMs } = workerData;
const current = new Int32Array(memory);
let last = -1;
let sinceMs = Date.now();
setInterval(() => {
  const now = Atomics.load(current, 0);
  if (now !== last) { last = now; sinceMs = Date.now(); }
  if (Date.now() - sinceMs < limitMs) return;
  require("node:fs").writeSync(2, what + ": input " + now + " has not come to an end within " + limitMs + " ms\\n");
  process.kill(process.pid, "SIGKILL");
}, 1000);
`;

/** Ends the process, and says at which input, when one holds the thread for ever: no time-out of the runner can. */
export function startWatchdog(what: string): { readonly begin: (input: number) => void; readonly stop: () => void } {
  const memory = new SharedArrayBuffer(4);
  const current = new Int32Array(memory);
  const worker = new Worker(WATCHER, { eval: true, workerData: { memory, what, limitMs: LIMIT_MS } });
  worker.unref();
  return {
    begin: (input) => void Atomics.store(current, 0, input),
    stop: () => void worker.terminate(),
  };
}
