import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clipCoverage, coveredRows, findCoverageFault } from "../../src/manifest/coverage.ts";

const pack = (...covers: [from: number, to: number][]) => ({
  name: "packs/x",
  bytes: 1,
  covers: covers.map(([from, to]) => ({ log: "default/transitions", from, to })),
});

const range = fc.tuple(fc.nat(20), fc.nat(20)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);

describe("coverage", () => {
  it("finds a fault exactly where a live row is not in one pack", () => {
    fc.assert(
      fc.property(fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 4 }), range, (covers, [tail, head]) => {
        const packs = covers.map((ranges) => pack(...ranges));
        const counts = Array.from({ length: head - tail }, (_, i) => {
          const row = tail + i;
          return covers.flat().filter(([from, to]) => from <= row && row < to).length;
        });
        const fault = findCoverageFault(coveredRows(packs, "default/transitions", tail, head), tail, head);
        expect(fault === null).toBe(counts.every((count) => count === 1));
      }),
      { numRuns: 5000 },
    );
  });

  it("says which pack gives which rows, in order, clipped to the live ones", () => {
    const packs = [pack([50, 90]), pack([0, 50], [90, 200])];
    expect(coveredRows(packs, "default/transitions", 10, 100)).toEqual([
      { pack: 1, from: 10, to: 50 },
      { pack: 0, from: 50, to: 90 },
      { pack: 1, from: 90, to: 100 },
    ]);
    expect(coveredRows(packs, "other/transitions", 10, 100)).toEqual([]);
  });

  it("of a parent is clipped for a branch, so that rows of the abandoned future are left out (rule 4)", () => {
    const { covers } = pack([0, 50], [90, 200], [200, 300]);
    expect(clipCoverage(covers, "default/transitions", 20, 120)).toEqual([
      { log: "default/transitions", from: 20, to: 50 },
      { log: "default/transitions", from: 90, to: 120 },
    ]);
  });
});
