// Trains in one synchronous loop beside a disk that takes its time, and tells what the training thread saw: transitions
// added while a save was pending, the most saves that were pending at once, and the time it stood still.
import { readSync, writeSync } from "node:fs";
import { Checkpointer } from "../../src/index.ts";
import { createCrashBuffer, stateAt, trainTo } from "./run-content.ts";

const [folder = "", saves = "10"] = process.argv.slice(2);
const tell = (fact: object): void => void writeSync(1, `${JSON.stringify(fact)}\n`);

const checkpointer = await Checkpointer.open({ store: folder, keepLast: 2, gracePeriodMs: 0 });
tell({ opened: true });
readSync(0, new Uint8Array(1));
const buffer = createCrashBuffer();
let [mostPending, stepsWhilePending] = [0, 0];
const results: Promise<unknown>[] = [];
for (let step = 1; step <= Number(saves); step++) {
  trainTo(buffer, step);
  results.push(checkpointer.save({ step, buffer, state: stateAt(step) }).durable);
  mostPending = Math.max(mostPending, checkpointer.status().pending);
  const { completed } = checkpointer.status();
  // Never yields: work that a slow disk would show in.
  for (let work = 0; work < 20_000 && checkpointer.status().completed === completed; work++) stepsWhilePending++;
}
const { longestBlockMs, blockedMs, replaced } = checkpointer.status();
const pendingAtEnd = checkpointer.status().pending;
const outcomes = await Promise.allSettled(results);
await checkpointer.close();
tell({
  ...{ mostPending, stepsWhilePending, pendingAtEnd, replaced, blockedMs, longestBlockMs },
  rejected: outcomes.filter(({ status }) => status === "rejected").length,
});
