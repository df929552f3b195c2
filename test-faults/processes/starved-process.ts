// Trains and saves in one loop that never yields, while every core has a process that spins. Tells what it saw.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Checkpointer } from "../../src/index.ts";
import { addRows, createSoakBuffer } from "../soak/soak-content.ts";

const [store = "", saves = "", planted = ""] = process.argv.slice(2);
const SAVES = Number(saves);
const MAX_PINNED_BYTES = 1024 * 1024;

/** A planted bug: a wait that keeps its core. */
if (planted === "spins") {
  Atomics.wait = (array: Int32Array | BigInt64Array, index: number, value: number | bigint, timeoutMs = 0) => {
    const untilMs = performance.now() + timeoutMs;
    while (performance.now() < untilMs) if (Atomics.load(array as Int32Array, index) !== value) return "not-equal";
    return "timed-out";
  };
}

const spinners = Array.from({ length: availableParallelism() }, () =>
  spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
);
process.on("exit", () => {
  for (const spinner of spinners) spinner.kill("SIGKILL");
});

/** How often this thread went to sleep by itself. */
function sleeps(): number {
  const status = readFileSync(`/proc/self/task/${process.pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]);
}

/** Of each thread of this process, behind the name, which may hold anything. */
function niceValues(): number[] {
  const stats = readdirSync("/proc/self/task").map((thread) => readFileSync(`/proc/self/task/${thread}/stat`, "utf8"));
  return stats.map((stat) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]));
}

const checkpointer = await Checkpointer.open({ store, onBacklog: "queue", maxPinnedBytes: MAX_PINNED_BYTES });
const buffer = createSoakBuffer();
const seen = { waits: 0, waitsWithoutSleep: 0, mostPinnedBytes: 0 };

/** A few rows; whether this thread waited for memory among them, and slept meanwhile. */
function train(): void {
  const before = { sleeps: sleeps(), waits: checkpointer.status().memoryWaits };
  addRows(buffer, 50);
  const waits = checkpointer.status().memoryWaits - before.waits;
  seen.waits += waits;
  if (waits > 0 && sleeps() === before.sleeps) seen.waitsWithoutSleep += waits;
  seen.mostPinnedBytes = Math.max(seen.mostPinnedBytes, buffer.stats().pinnedBytes);
}

for (let step = 1; step <= SAVES; step++) {
  const until = buffer.totalAdded + buffer.capacity;
  while (buffer.totalAdded < until) train();
  checkpointer.save({ step, buffer, state: { step, rows: buffer.totalAdded } });
}
while (checkpointer.status().completed + checkpointer.status().failed < SAVES) train();
const { completed, failed } = checkpointer.status();
const spinning = spinners.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;
const niced = niceValues().filter((nice) => nice === 19).length;
writeSync(1, `${JSON.stringify({ ...seen, completed, failed, spinning, niced, rows: buffer.totalAdded })}\n`);
process.exit(0);
