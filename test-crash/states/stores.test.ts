import { describe } from "vitest";
import { exploreAll, seedsOf } from "../../test/crash-states/planned-states.ts";
import { SCENARIOS } from "../../test/crash-states/scenarios.ts";

/** One seed for each of the 27 puts and each of the two ways in which it can go wrong. */
const FAULTS = 54;

function seedCount(name: string): number {
  if (name === "lost-answer") return FAULTS;
  return name === "lost-answer-in-tiers" ? 6 : 1;
}

describe("whatever a crash leaves of a run in a store, and of one in two tiers", () => {
  exploreAll({
    title: " of stores and tiers",
    histories: SCENARIOS.filter(({ place }) => place !== "disk").flatMap(({ name }) =>
      seedsOf(name, seedCount(name), 128),
    ),
    atLeast: 45_000,
    command: "npm run test:crash -- test-crash/states/stores",
  });
});
