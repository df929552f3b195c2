import { describe, expect, it } from "vitest";
import { fuzz, seedOfRun } from "./fuzz.ts";
import { targets } from "./targets/targets.ts";

/** A sample for every day; `npm run test:faults` feeds each parser 20,000 to 200,000 inputs. */
const INPUTS = 400;
const seed = seedOfRun(20_261);

describe("a parser refuses hostile input with an error of ours, or reads what it says", () => {
  for (const target of targets) {
    it(`fuzz ${target.name}`, async () => {
      const { accepted, refused, line } = await fuzz(target, INPUTS, seed);
      console.log(line);
      if (process.env["VARVE_CASE"] !== undefined) return;
      // Both happen, or the inputs test nothing.
      expect(Math.min(accepted, refused)).toBeGreaterThan(0);
    });
  }
});
