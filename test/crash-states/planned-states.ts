import { afterAll, expect, it } from "vitest";
import { Explorer, tellViolations } from "./explore.ts";
import { scenarioNamed } from "./scenarios.ts";

/** A history whose states are looked at. */
export interface Planned {
  readonly scenario: string;
  readonly seed: number;
  readonly maxStatesPerPoint: number;
  /** The number of the one state that is looked at; all of them if left out. */
  readonly only?: number | undefined;
}

export interface Plan {
  readonly title: string;
  readonly histories: readonly Planned[];
  readonly atLeast: number;
  /** Repeats it all, and one state where `VARVE_CRASH_STATE` names that. */
  readonly command: string;
}

const firstSeed = Number(process.env.VARVE_CRASH_SEED ?? 1);
const rounds = Number(process.env.VARVE_CRASH_ROUNDS ?? 1);

/** Seeds from `VARVE_CRASH_SEED` (1) on: so many of each scenario, times `VARVE_CRASH_ROUNDS` (1). */
export function seedsOf(scenario: string, count: number, maxStatesPerPoint: number): Planned[] {
  return Array.from({ length: count * rounds }, (_, index) => {
    return { scenario, seed: firstSeed + index, maxStatesPerPoint };
  });
}

/** Defines a test for each scenario of a plan, and one for the number of states; tells both when they have run. */
export function exploreAll(plan: Plan): void {
  const asked = askedState();
  const histories = asked === null ? plan.histories : plan.histories.slice(0, 1).map(() => asked);
  const explorer = new Explorer();
  const startedAt = performance.now();

  it.each([...Map.groupBy(histories, ({ scenario }) => scenario)])("keeps every promise: %s", async (name, planned) => {
    for (const { seed, ...options } of planned) {
      const violations = await explorer.explore(scenarioNamed(name), seed, options);
      expect(tellViolations(violations, plan.command)).toBe("");
    }
  });

  it("is as many states as there are to be", () => {
    expect(explorer.states).toBeGreaterThanOrEqual(asked === null ? plan.atLeast : 1);
  });

  afterAll(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const [states, images] = [explorer.states, explorer.images].map((count) => count.toLocaleString("en"));
    console.log(
      `SUMMARY crash states${plan.title}: ${states} states, ${images} images, ${seconds} s, seed ${firstSeed}, 0 skipped`,
    );
  });
}

/** As violations name a state. */
function askedState(): Planned | null {
  const [scenario, seed, maxStatesPerPoint, only] = process.env.VARVE_CRASH_STATE?.split("/") ?? [];
  if (scenario === undefined) return null;
  return { scenario, seed: Number(seed), maxStatesPerPoint: Number(maxStatesPerPoint), only: Number(only) };
}
