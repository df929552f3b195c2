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
/**
 * Beside what the control was blocked: a save that waited for the store's next answer would wait for a tenth of a second
 * with every failure and for seconds in the outage, and there is one for each of the hundred generations. A machine that
 * is busy takes the processor away for less.
 */
const MOST_BLOCKED_MORE_MS = 1_000;
/** Of the control's generations in the same time, on a machine that others may use: who waits for the store has none. */
const LEAST_PACE = 0.2;

test("a run whose server fails a fifth of all requests and is gone for 20 s loses nothing, and is not slowed", async () => {
  const trained = await trainThroughOutage({ awayMs: 20_000, generations: 100, generationsAway: 10, config: SLOWER });
  expect(trained.outlastedOutage, "training ended before the store was back").toBe(true);
  expectNotSlowed(trained);
}, 900_000);

function expectNotSlowed({ disturbed, undisturbed, awayMs: [fromMs, toMs] }: TrainedThroughOutage): void {
  const told = [undisturbed, disturbed].map(
    ({ threadMs, blockedMs, longestBlockMs }) =>
      `thread ${threadMs.toFixed(0)} ms, blocked ${blockedMs.toFixed(1)} in all and ${longestBlockMs.toFixed(1)} at once`,
  );
  const { endsMs } = undisturbed;
  const usualMs = ((endsMs.at(-1) ?? 0) - (endsMs[0] ?? 0)) / (endsMs.length - 1);
  const away = disturbed.endsMs.filter((endMs) => endMs > fromMs && endMs < toMs).length;
  const usual = (toMs - fromMs) / usualMs;
  console.log(`without a store: ${told[0]}; through the outage: ${told[1]}`);
  console.log(`generations while the store was away: ${away}, ${usual.toFixed(0)} in that time without a store`);
  expect(disturbed.threadMs / undisturbed.threadMs).toBeLessThan(MOST_THREAD_TIME);
  expect(disturbed.blockedMs).toBeLessThan(3 * undisturbed.blockedMs + MOST_BLOCKED_MORE_MS);
  expect(away / usual).toBeGreaterThan(LEAST_PACE);
}
