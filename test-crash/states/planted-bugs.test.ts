import { afterAll, describe, expect, it } from "vitest";
import { Explorer, type Violation } from "../../test/crash-states/explore.ts";
import { PLANTED_BUGS, type PlantedBug } from "../../test/crash-states/plants.ts";
import { scenarioNamed } from "../../test/crash-states/scenarios.ts";

const MAX_STATES_PER_POINT = 64;

const caught: string[] = [];

/** Judges what is left, and has no part in any bug: what it knows of one image holds for all that lead there. */
const explorer = new Explorer();

/** What is violated with the bug in, up to the state in which it shows as it should. */
async function violationsWith({ plant, scenario, seed = 1, install, says }: PlantedBug): Promise<Violation[]> {
  const uninstall = install?.();
  try {
    const options = { maxStatesPerPoint: MAX_STATES_PER_POINT, plant, until: says };
    return await explorer.explore(scenarioNamed(scenario), seed, options);
  } finally {
    uninstall?.();
  }
}

describe("planted bugs", () => {
  it.each(PLANTED_BUGS)("is caught, and nothing without it: $name", async (bug) => {
    const violations = await violationsWith(bug);
    const shown = violations.find(({ problem }) => bug.says.test(problem));
    expect(shown, violations[0]?.problem ?? "no violation at all").toBeDefined();
    const before = Number(shown?.state.split("/").at(-1)) + 1;
    const options = { maxStatesPerPoint: MAX_STATES_PER_POINT, before };
    expect(await explorer.explore(scenarioNamed(bug.scenario), bug.seed ?? 1, options)).toEqual([]);
    caught.push(`${bug.name} (${shown?.state})`);
  });

  afterAll(() => {
    console.log(
      `SUMMARY planted bugs of the crash states: ${caught.length} of ${PLANTED_BUGS.length} caught: ${caught.join("; ")}`,
    );
  });
});
