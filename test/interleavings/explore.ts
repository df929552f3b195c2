import { inspect } from "node:util";
import fc from "fast-check";
import { BUFFERS, type BufferName } from "./model-buffer.ts";
import type { Planted } from "./process.ts";
import { play, type Scenario } from "./world.ts";

const KINDS = ["writer", "writer", "writer", "two tiers", "two tiers", "prune", "prune", "restore", "pin"] as const;
const role = fc.record({
  kind: fc.constantFrom(...KINDS),
  saves: fc.array(fc.constantFrom<readonly BufferName[]>(BUFFERS, ["a"], ["b"]), { minLength: 1, maxLength: 2 }),
  pin: fc.constantFrom(null, null, null, 1 as const, "own" as const),
});
const place = fc.record({ role: fc.nat(2), operation: fc.nat(45) });

/** Where a stall does most harm: after a look, and before what was decided by it. */
const TENDER = [/^put checkpoints/, /^put packs/, /^put writers/, /^delete (?:checkpoints|packs)/, /^get/];
const stalls = fc.record({
  role: fc.nat(2),
  before: fc.oneof(fc.nat(45), fc.constantFrom(...TENDER)),
  beyondGrace: fc.boolean(),
});

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  roles: fc.array(role, { minLength: 2, maxLength: 3 }),
  keepLast: fc.constantFrom(1, 2),
  isBranching: fc.constantFrom(false, false, true),
  isAged: fc.boolean(),
  stall: fc.option(stalls, { freq: 2 }),
  troubles: fc.array(
    fc
      .tuple(place, fc.constantFrom("lost answer" as const, "rejected" as const))
      .map(([at, kind]) => ({ ...at, kind })),
    { maxLength: 2 },
  ),
});

export interface Explored {
  readonly interleavings: number;
  readonly operations: number;
  readonly fenced: number;
  readonly commits: number;
  readonly restored: number;
  readonly seconds: number;
  /** Null: nothing went wrong. */
  readonly failure: string | null;
  readonly line: string;
}

/**
 * Plays so many scenarios, each in an order of its own.
 *
 * @param seed - VARVE_SEED goes before it; with VARVE_PATH, as a failure tells it, one order is played again
 */
export async function explore(count: number, seed: number, planted: Planted = {}): Promise<Explored> {
  const startedAt = performance.now();
  const sums = { interleavings: 0, operations: 0, fenced: 0, commits: 0, restored: 0 };
  const path = process.env["VARVE_PATH"];
  const property = fc.asyncProperty(scenarios, fc.scheduler(), async (scenario, scheduler) => {
    const { faults, operations, fenced, commits, restored } = await play(scenario, scheduler, planted);
    sums.interleavings++;
    sums.operations += operations;
    sums.fenced += fenced;
    sums.commits += commits.length;
    sums.restored += restored;
    if (faults.length > 0) throw new Error(faults.join("; "));
  });
  const details = await fc.check(property, {
    ...{ numRuns: count, seed, ...(path === undefined ? {} : { path }) },
    // A planted bug is to be found, not to be made small.
    endOnFailure: Object.keys(planted).length > 0,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { interleavings, operations, fenced, commits, restored } = sums;
  const line = `SUMMARY interleavings: ${interleavings} interleavings of ${operations} requests, ${commits} commits, ${restored} restores, ${fenced} fenced, ${seconds.toFixed(1)} s, 0 skipped, seed ${seed}`;
  return { ...sums, seconds, line, failure: details.failed ? tell(details, seed) : null };
}

function tell(details: fc.RunDetails<[Scenario, fc.Scheduler]>, seed: number): string {
  const { counterexample, counterexamplePath, errorInstance } = details;
  const repeat = `VARVE_SEED=${seed} VARVE_PATH=${counterexamplePath} npx vitest run test/interleavings -t "hold"`;
  const [scenario, scheduler] = counterexample ?? [];
  return `${(errorInstance as Error | null)?.message}\n${inspect(scenario, { depth: 4 })}\n${fc.stringify(scheduler)}\nrepeat: ${repeat}`;
}
