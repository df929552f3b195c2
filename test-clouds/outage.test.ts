import { expect, test } from "vitest";
import { type TrainedThroughOutage, trainThroughOutage } from "../test/cli/outage.ts";
import { QUICK } from "../test/cli/run-varve.ts";

/** Generations of some tenths of a second: training goes on before, during and after the outage. */
const SLOWER = {
  ...QUICK,
  hiddenSizes: [64, 64],
  learner: { batchSize: 64, stepsPerGeneration: 2000 },
};

/**
 * How much more its own thread may have run than without a store: it starts and ends the same, and gets a message or two
 * for every checkpoint. Time of the thread and not of a clock, so that other programs on the machine do not count.
 */
const MOST_THREAD_TIME = 1.25;
/** What waits for the store even once waits for seconds; a machine that is busy takes the processor away for less. */
const MOST_BLOCKED_AT_ONCE_MS = 2_000;

test("a run whose server fails a fifth of all requests and is gone for 20 s loses nothing, and is not slowed", async () => {
  const trained = await trainThroughOutage({ awayMs: 20_000, generations: 100, config: SLOWER });
  expect(trained.outlastedOutage, "training ended before the store was back").toBe(true);
  expectNotSlowed(trained);
}, 900_000);

function expectNotSlowed({ disturbed, undisturbed }: TrainedThroughOutage): void {
  const told = [undisturbed, disturbed].map(
    ({ threadMs, blockedMs, longestBlockMs }) =>
      `thread ${threadMs.toFixed(0)} ms, blocked ${blockedMs.toFixed(1)} in all and ${longestBlockMs.toFixed(1)} at once`,
  );
  console.log(`without a store: ${told[0]}; through the outage: ${told[1]}`);
  expect(disturbed.threadMs / undisturbed.threadMs).toBeLessThan(MOST_THREAD_TIME);
  expect(disturbed.longestBlockMs).toBeLessThan(Math.max(MOST_BLOCKED_AT_ONCE_MS, 3 * undisturbed.longestBlockMs));
}
