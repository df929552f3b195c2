import { describe, expect, it } from "vitest";
import { generationAt, phaseBars, phaseShares, visibleGenerations } from "../../../src/dashboard/page/training-time.ts";
import { generation } from "./records.ts";

/** Ten, one after another from 0 to 1000 ms. */
const ten = Array.from({ length: 10 }, (_, index) => generation(index + 1, (index + 1) * 100));

describe("the time of generations", () => {
  it("is evaluate, learn and evolve up to what its save blocked", () => {
    expect(phaseBars(generation(1, 1000, { blockedMs: 5 }))).toEqual([
      { phase: "evaluate", fromMs: 895, toMs: 915 },
      { phase: "learn", fromMs: 915, toMs: 985 },
      { phase: "evolve", fromMs: 985, toMs: 995 },
    ]);
  });

  it("is found by a range, those that it cuts included", () => {
    expect(visibleGenerations(ten, { fromMs: 250, toMs: 450 })).toEqual([2, 5]);
    expect(visibleGenerations(ten, { fromMs: 0, toMs: 1000 })).toEqual([0, 10]);
    expect(visibleGenerations(ten, { fromMs: 2000, toMs: 3000 })).toEqual([10, 10]);
    expect(visibleGenerations([], { fromMs: 0, toMs: 1 })).toEqual([0, 0]);
  });

  it("is found by an instant", () => {
    expect(generationAt(ten, 350)?.generation).toBe(4);
    expect(generationAt(ten, 5000)).toBeNull();
  });

  it("is shared out to columns, in the order of the phases", () => {
    const shares = phaseShares(ten, { fromMs: 0, toMs: 1000 }, 2);
    expect([...shares].map((share) => Math.round(share * 100))).toEqual([20, 70, 10, 20, 70, 10]);
  });

  it("leaves columns without training empty", () => {
    const shares = phaseShares(ten, { fromMs: 0, toMs: 2000 }, 4);
    expect([...shares].slice(6)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("fills columns that lie within one phase", () => {
    const shares = phaseShares(ten, { fromMs: 30, toMs: 90 }, 3);
    for (const column of [0, 1, 2]) expect(shares[column * 3 + 1]).toBeCloseTo(1, 5);
  });
});
