import { describe, it } from "vitest";
import { mainTargets } from "../../test/fuzz/targets/targets.ts";
import { fuzzInFull } from "./fuzz-in-full.ts";

/** What of a run's objects a stranger may have written, and what a person types: the figure of docs/reliability.md. */
const INPUTS = 200_000;

describe("200,000 hostile inputs", () => {
  for (const target of mainTargets) {
    it(`fuzz ${target.name}`, () => fuzzInFull(target, INPUTS));
  }
});
