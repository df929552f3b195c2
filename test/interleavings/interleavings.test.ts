import { describe, expect, it } from "vitest";
import { seedOfRun } from "../fuzz/fuzz.ts";
import { explore } from "./explore.ts";
import { planted } from "./planted.ts";

/** A sample for every day; `npm run test:faults` plays 20,000 and finds all planted bugs. */
const INTERLEAVINGS = 300;
const SEED = 20_261;

/** Those that a sample finds within a second. */
const SOON = [
  "an epoch is claimed without create-if-absent",
  "a commit does not look for a newer epoch afterwards",
  "a commit does not look for a newer epoch at all",
  "whoever claims an epoch does not look for newer checkpoints",
  "a prune that knows nothing of its own saves under way",
  "a prune that takes a manifest it could not see for absent",
  "a prune that spares packs in use of its own epoch alone",
  "a prune that knows nothing of pins",
];

describe("writers, resumers, a prune and one that was asleep, on one run", () => {
  it("hold their promises in whatever order their requests are done", async () => {
    const { failure, line, fenced, commits } = await explore(INTERLEAVINGS, seedOfRun(SEED));
    console.log(line);
    expect(failure).toBeNull();
    if (process.env["VARVE_PATH"] === undefined) expect(Math.min(fenced, commits)).toBeGreaterThan(INTERLEAVINGS);
  });

  for (const title of SOON) {
    it(`a planted bug is caught: ${title}`, async () => {
      const { failure } = await explore(INTERLEAVINGS, SEED, planted[title]);
      expect(failure).toMatch(/repeat: VARVE_SEED=/);
    });
  }
});
