import { describe, it } from "vitest";
import { otherTargets } from "../../test/fuzz/targets/targets.ts";
import { fuzzInFull } from "./fuzz-in-full.ts";

const INPUTS = 20_000;

describe("20,000 hostile inputs", () => {
  for (const target of otherTargets) {
    it(`fuzz ${target.name}`, () => fuzzInFull(target, INPUTS));
  }
});
