import { describe, expect, it } from "vitest";
import { seedOfRun } from "../../test/fuzz/fuzz.ts";
import { explore } from "../../test/interleavings/explore.ts";
import { planted } from "../../test/interleavings/planted.ts";

/** `VARVE_FUZZ_TIMES=50 npm run test:faults` plays a million. */
const INTERLEAVINGS = 20_000 * Number(process.env["VARVE_FUZZ_TIMES"] ?? 1);
/** The rarest of the planted bugs needs a few hundred. */
const MOST_FOR_A_BUG = 20_000;
/** The same each time: a change is judged by what it changed. `npm run test:long` takes a new one every turn. */
const seed = seedOfRun(20_263);

describe("20,000 interleavings of writers, resumers, prunes and writers that were asleep", () => {
  it("hold every promise", async () => {
    const { failure, line, fenced, commits } = await explore(INTERLEAVINGS, seed);
    console.log(line);
    expect(failure).toBeNull();
    if (process.env["VARVE_PATH"] === undefined) expect(Math.min(fenced, commits)).toBeGreaterThan(INTERLEAVINGS);
  });

  for (const [title, bug] of Object.entries(planted)) {
    it(`a planted bug is caught: ${title}`, async () => {
      const { failure, interleavings, seconds } = await explore(MOST_FOR_A_BUG, seed, bug);
      console.log(`planted bug: ${title}: ${interleavings} interleavings, ${seconds.toFixed(1)} s, seed ${seed}`);
      expect(failure).not.toBeNull();
    });
  }
});
