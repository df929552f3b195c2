// Trains fast and saves often against a store that it is told, for so many seconds, and tells what it sees of it.
import { readSync, writeSync } from "node:fs";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { Checkpointer, isVarveError } from "../../src/index.ts";
import type { SoakTask } from "./soak.ts";
import { addRows, createSoakBuffer, SOAK_PINNED_BYTES } from "./soak-content.ts";

const task = JSON.parse(process.argv[2] ?? "") as SoakTask;
const tell = (fact: object): void => void writeSync(1, `${JSON.stringify(fact)}\n`);
const goOn = (): void => void readSync(0, new Uint8Array(1));

const ROWS_A_TURN = 250;
const ROWS_A_SAVE = 5000;
/** As often as a trainer yields that has an environment to wait for. */
const YIELD_EVERY_MS = 20;
const TELL_EVERY_MS = 250;
/** Local disk grows with what the store lacks: from here on this trainer makes no more of it. */
const MOST_BEHIND_BYTES = 48 * 1024 * 1024;

const seen = { durable: 0, committed: 0, degraded: 0, recovered: 0, unsaved: 0, given: 0 };
const checkpointer = await Checkpointer.open({
  ...{ store: task.store, local: task.local ?? undefined, keepLast: 2, gracePeriodMs: 0 },
  ...{ onBacklog: task.isUnlimited ? "queue" : "coalesce", onMemoryPressure: task.policy },
  maxPinnedBytes: task.isUnlimited ? 2 ** 40 : SOAK_PINNED_BYTES,
  log: (event) => {
    if (event.kind === "degraded") seen.degraded++;
    if (event.kind === "recovered") seen.recovered++;
  },
});
checkpointer.on("durable", ({ step }) => (seen.durable = Math.max(seen.durable, step)));
checkpointer.on("failed", ({ error }) => {
  if (isVarveError(error, "VARVE_MEMORY_PRESSURE")) seen.given++;
});
checkpointer.on("committed", ({ step }) => (seen.committed = Math.max(seen.committed, step)));

const buffer = createSoakBuffer();
addRows(buffer, 2 * buffer.capacity);
// Shared memory of the pool is there from the second turnover on, whatever is saved.
tell({ phase: "full" });
goOn();

const weights = new Float32Array(50_000);
let [step, savedAt] = [0, 0];
const rowsAtStart = buffer.totalAdded;
const startedAtMs = performance.now();
let [yieldedAtMs, toldAtMs] = [startedAtMs, startedAtMs];

/** Where a save that waits would be given up, one that is made has to be given its time most of the times. */
function isTimeToSave(): boolean {
  if (buffer.totalAdded - savedAt < ROWS_A_SAVE) return false;
  const { pending, behindBytes } = checkpointer.status();
  if (behindBytes > MOST_BEHIND_BYTES) {
    seen.unsaved++;
    savedAt = buffer.totalAdded;
    return false;
  }
  return task.policy === "wait" || pending === 0 || buffer.totalAdded - savedAt > 40 * ROWS_A_SAVE;
}

while (performance.now() - startedAtMs < task.seconds * 1000) {
  addRows(buffer, ROWS_A_TURN);
  const aheadMs = (1000 * (buffer.totalAdded - rowsAtStart)) / task.rowsPerSecond - (performance.now() - startedAtMs);
  if (aheadMs > 1) await sleep(aheadMs);
  if (isTimeToSave()) {
    step++;
    savedAt = buffer.totalAdded;
    const state = { step, rows: buffer.totalAdded, weights: weights.fill(step) };
    // Nobody looks at its promises: an unhandled rejection would end the process.
    checkpointer.save({ step, buffer, state });
  }
  const nowMs = performance.now();
  if (nowMs - yieldedAtMs > YIELD_EVERY_MS) {
    yieldedAtMs = nowMs;
    await turn();
  }
  if (nowMs - toldAtMs > TELL_EVERY_MS) {
    toldAtMs = nowMs;
    tell({ phase: "trains", ms: nowMs - startedAtMs, rows: buffer.totalAdded, step, ...seen, ...statusNow() });
  }
}
tell({ phase: "ending" });
goOn();
if (!task.isUnlimited) await checkpointer.close();
tell({ phase: "ended", rows: buffer.totalAdded, step, ...seen, ...statusNow() });
// All that it holds would have to be sent first.
if (task.isUnlimited) process.kill(process.pid, "SIGKILL");

function statusNow(): object {
  const { lastError, upload: _upload, ...status } = checkpointer.status();
  return { status: { ...status, lastError: lastError === null ? null : String(Reflect.get(lastError, "code")) } };
}
