// Trains in one synchronous loop beside a disk that takes its time, and tells what the training thread saw: transitions
// added while a save was pending, the most saves that were pending at once, the time it stood still, and how long its own
// work took beside that.
import { readSync, writeSync } from "node:fs";
import { Checkpointer } from "../../src/index.ts";
import { createCrashBuffer, stateAt, trainTo } from "./run-content.ts";

/** @param planted - "waits": a planted bug, a save that training waits for */
const [folder = "", saves = "10", planted = ""] = process.argv.slice(2);
const ROUNDS = 20_000;
const tell = (fact: object): void => void writeSync(1, `${JSON.stringify(fact)}\n`);

const checkpointer = await Checkpointer.open({ store: folder, keepLast: 2, gracePeriodMs: 0 });
tell({ opened: true });
readSync(0, new Uint8Array(1));
const buffer = createCrashBuffer();
let [mostPending, stepsWhilePending, memoryWaits] = [0, 0, 0];
const stepMs: number[] = [];
const results: Promise<unknown>[] = [];
for (let step = 1; step <= Number(saves); step++) {
  const startedMs = performance.now();
  trainTo(buffer, step);
  results.push(checkpointer.save({ step, buffer, state: stateAt(step) }).durable);
  mostPending = Math.max(mostPending, checkpointer.status().pending);
  const { completed } = checkpointer.status();
  if (planted === "waits") while (checkpointer.status().completed === completed);
  // Never yields: work that a slow disk would show in.
  for (let work = 0; work < ROUNDS; work++) if (checkpointer.status().completed === completed) stepsWhilePending++;
  stepMs.push(performance.now() - startedMs);
  memoryWaits = checkpointer.status().memoryWaits;
}
const { longestBlockMs, blockedMs, replaced } = checkpointer.status();
const pendingAtEnd = checkpointer.status().pending;
const outcomes = await Promise.allSettled(results);
await checkpointer.close();
tell({
  ...{ mostPending, stepsWhilePending, pendingAtEnd, replaced, blockedMs, longestBlockMs, memoryWaits },
  middleStepMs: stepMs.sort((a, b) => a - b)[Math.floor(stepMs.length / 2)],
  rejected: outcomes.filter(({ status }) => status === "rejected").length,
});
