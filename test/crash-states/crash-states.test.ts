import { describe, expect, it } from "vitest";
import { exploreAll } from "./planned-states.ts";
import { scenarioNamed } from "./scenarios.ts";
import { statesOf } from "./states-of.ts";

describe("whatever a crash leaves", () => {
  // The same states each time: what `npm run test:crash` looks at is more than ten times as much.
  exploreAll({
    title: "",
    histories: [
      { scenario: "save", seed: 1, maxStatesPerPoint: 256 },
      { scenario: "resume", seed: 1, maxStatesPerPoint: 128 },
      { scenario: "killed", seed: 1, maxStatesPerPoint: 64 },
      { scenario: "stalled-in-cloud", seed: 1, maxStatesPerPoint: 64 },
      { scenario: "lost-answer", seed: 1, maxStatesPerPoint: 64 },
    ],
    atLeast: 10_000,
    command: "npx vitest run test/crash-states",
  });
});

describe("a state's name", () => {
  it.each(["save", "killed", "resume", "sync", "lost-answer-in-tiers"])(
    "means the same every time: %s",
    async (name) => {
      const keys = async (): Promise<string[]> => {
        const states = statesOf(await scenarioNamed(name).record(5), { seed: 5, maxStatesPerPoint: 4 });
        return [...states].map(({ number, description, key }) => `${number} ${description} ${key}`);
      };
      const first = await keys();
      expect(first.length).toBeGreaterThan(20);
      expect(await keys()).toEqual(first);
    },
  );
});
