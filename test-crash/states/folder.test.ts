import { describe } from "vitest";
import { exploreAll, seedsOf } from "../../test/crash-states/planned-states.ts";
import { SCENARIOS } from "../../test/crash-states/scenarios.ts";

describe("whatever a crash leaves of a run in a folder", () => {
  exploreAll({
    title: " of a folder",
    histories: SCENARIOS.filter(({ place }) => place === "disk").flatMap(({ name }) => seedsOf(name, 1, 384)),
    atLeast: 60_000,
    command: "npm run test:crash -- test-crash/states/folder",
  });
});
