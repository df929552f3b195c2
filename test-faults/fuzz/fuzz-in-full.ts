import { expect } from "vitest";
import { type FuzzTarget, fuzz, seedOfRun } from "../../test/fuzz/fuzz.ts";

/** A new one for every run, told in every line and every failure; VARVE_SEED repeats one. */
const seed = seedOfRun(Date.now() % 2 ** 31);
/** `VARVE_FUZZ_TIMES=100 npm run test:faults` for the long run. */
const times = Number(process.env["VARVE_FUZZ_TIMES"] ?? 1);

export async function fuzzInFull(target: FuzzTarget, inputs: number): Promise<void> {
  const { accepted, refused, line } = await fuzz(target, inputs * times, seed);
  console.log(`${line}, 0 skipped`);
  if (process.env["VARVE_CASE"] !== undefined) return;
  // Both happen, or the inputs test nothing.
  expect(Math.min(accepted, refused)).toBeGreaterThan(inputs / 1000);
}
