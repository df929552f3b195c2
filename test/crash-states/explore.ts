import type { Plant } from "./history.ts";
import { brokenPromises, type Facts, judge, strangeObjects } from "./judge.ts";
import type { Scenario } from "./scenarios.ts";
import { type State, statesOf } from "./states-of.ts";

export interface Violation {
  /** "<scenario>/<seed>/<most states per point>/<number>": enough to make the state again. */
  readonly state: string;
  readonly problem: string;
  readonly description: string;
}

export interface ExploreOptions {
  readonly maxStatesPerPoint: number;
  readonly plant?: Plant | undefined;
  /** Only the state of this number. */
  readonly only?: number | undefined;
  /** Not the states from this number on. */
  readonly before?: number | undefined;
  /** Ends as soon as a violation reads like this: then a planted bug is caught. */
  readonly until?: RegExp | undefined;
}

/** Looks at the states of histories. Each different image is judged once, whatever history led there. */
export class Explorer {
  states = 0;
  /** Different remains that were opened, restored, gone on with and checked. */
  images = 0;
  readonly #facts = new Map<string, Facts>();

  /** @returns what was violated, in the order of the states */
  async explore(scenario: Scenario, seed: number, options: ExploreOptions): Promise<Violation[]> {
    const { maxStatesPerPoint, plant, only, before = Number.POSITIVE_INFINITY, until } = options;
    const history = await scenario.record(seed, plant);
    const name = `${scenario.name}/${seed}/${maxStatesPerPoint}`;
    const violations: Violation[] = history.model.violations.map((problem) => {
      return { state: `${name}/0`, problem, description: "before any crash" };
    });
    for (const state of statesOf(history, { seed, maxStatesPerPoint })) {
      if (until !== undefined && violations.some(({ problem }) => until.test(problem))) break;
      if (only !== undefined && state.number !== only) continue;
      if (state.number >= before) break;
      this.states++;
      const facts = await this.#factsOf(state);
      const problems = [
        ...brokenPromises(facts, history.model, state.acknowledged, scenario.promised),
        ...strangeObjects(state.remains, history.model),
      ];
      const { description } = state;
      violations.push(...problems.map((problem) => ({ state: `${name}/${state.number}`, problem, description })));
    }
    return violations;
  }

  async #factsOf({ remains, key }: State): Promise<Facts> {
    const placed = `${remains.place} ${key}`;
    const known = this.#facts.get(placed);
    if (known !== undefined) return known;
    const facts = await judge(remains);
    this.images++;
    this.#facts.set(placed, facts);
    return facts;
  }
}

/** The first few violations, each with the one command that repeats it. */
export function tellViolations(violations: readonly Violation[], command: string): string {
  const told = violations.slice(0, 5).map(({ state, problem, description }) => {
    return `${problem}\n  ${description}\n  repeat: VARVE_CRASH_STATE=${state} ${command}`;
  });
  const more = violations.length > told.length ? [`and ${violations.length - told.length} more`] : [];
  return [...told, ...more].join("\n");
}
