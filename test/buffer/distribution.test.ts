import { describe, expect, it } from "vitest";
import { addNumbers, inlineStore } from "./small-buffers.ts";

/** Pearson's statistic of observed counts against expected shares. */
function chiSquare(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  return counts.reduce((sum, count, i) => {
    const expected = ((shares[i] ?? 0) / whole) * total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

// 19 degrees of freedom: 43.82 is passed by chance once in a thousand. Seeds are fixed, so each test is one case.
const CRITICAL_19 = 43.82;
const ROWS = 20;

function countRows(draw: () => Float64Array, batches: number, first: number): number[] {
  const counts = new Array<number>(ROWS).fill(0);
  for (let i = 0; i < batches; i++) for (const row of draw()) counts[row - first] = (counts[row - first] ?? 0) + 1;
  return counts;
}

const equal = new Array<number>(ROWS).fill(1);

describe("uniform sampling", () => {
  it("draws every row equally often, with replacement, also after the buffer has wrapped", () => {
    const store = inlineStore(ROWS);
    addNumbers(store, 33);
    expect(
      chiSquare(
        countRows(() => store.sample(10).indices, 2000, 13),
        equal,
      ),
    ).toBeLessThan(CRITICAL_19);
  });

  it("draws every row equally often without replacement, at every place of the batch", () => {
    const store = inlineStore(ROWS);
    addNumbers(store, ROWS);
    for (const place of [0, 3, 6]) {
      const draw = () => store.sample(7, { replace: false }).indices.slice(place, place + 1);
      expect(chiSquare(countRows(draw, 8000, 0), equal)).toBeLessThan(CRITICAL_19);
    }
  });

  it("is caught by the test where one row in twenty comes a fifth too often", () => {
    const store = inlineStore(ROWS);
    addNumbers(store, ROWS);
    let draws = 0;
    const biased = () => {
      const { indices } = store.sample(10);
      draws += 1;
      if (draws % 10 === 0) indices[0] = 4;
      return indices;
    };
    expect(chiSquare(countRows(biased, 4000, 0), equal)).toBeGreaterThan(CRITICAL_19);
  });
});

describe("prioritised sampling", () => {
  // With alpha 0.5 and |TD error| k² the chance of row k is proportional to k.
  const shares = Array.from({ length: ROWS }, (_, i) => i + 1);

  function prioritised() {
    const store = inlineStore(ROWS, { alpha: 0.5, beta: 1 });
    addNumbers(store, ROWS + 5);
    const rows = Float64Array.from({ length: ROWS }, (_, i) => i + 5);
    store.updatePriorities(
      rows,
      shares.map((share) => share ** 2),
    );
    return store;
  }

  it("draws rows in proportion to priority^alpha", () => {
    const store = prioritised();
    expect(
      chiSquare(
        countRows(() => store.sample(8).indices, 4000, 5),
        shares,
      ),
    ).toBeLessThan(CRITICAL_19);
  });

  it("draws the first of a batch without replacement in proportion as well, and no row twice", () => {
    const store = prioritised();
    const firsts = () => {
      const { indices } = store.sample(6, { replace: false });
      expect(new Set(indices).size).toBe(6);
      return indices.slice(0, 1);
    };
    expect(chiSquare(countRows(firsts, 8000, 5), shares)).toBeLessThan(CRITICAL_19);
  });

  it("is caught by the test where alpha is not what was declared", () => {
    const store = prioritised();
    const counts = countRows(() => store.sample(8).indices, 4000, 5);
    const sharesOfAnotherAlpha = shares.map((share) => share ** 1.1);
    expect(chiSquare(counts, sharesOfAnotherAlpha)).toBeGreaterThan(CRITICAL_19);
  });

  it("weighs rows by (1 / probability)^beta, divided by the largest of the batch", () => {
    const store = prioritised();
    const { indices, weights } = store.sample(64, { beta: 1 });
    const smallest = Math.min(...indices) - 4;
    expect([...(weights ?? [])]).toEqual([...indices].map((row) => expect.closeTo(smallest / (row - 4), 4)));
    expect(Math.max(...(weights ?? []))).toBe(1);
    expect([...(store.sample(8, { beta: 0 }).weights ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it("gives new rows the largest priority so far", () => {
    const store = inlineStore(8, { alpha: 1 });
    addNumbers(store, 2);
    store.updatePriorities([0, 1], [9 - 1e-6, 0.5 - 1e-6]);
    addNumbers(store, 1);
    store.updatePriorities([0], [0]);
    addNumbers(store, 1);
    expect([...(store.readLeaves(0, 4) ?? [])]).toEqual([1e-6, 0.5, 9, 9]);
  });

  it("ignores and counts updates of rows that are gone, and leaves their successors alone", () => {
    const store = inlineStore(4, { alpha: 1 });
    addNumbers(store, 6);
    store.updatePriorities([0, 1, 2], [5, 5, 3 - 1e-6]);
    expect([...(store.readLeaves(2, 6) ?? [])]).toEqual([3, 1, 1, 1]);
    expect(store.stats().ignoredPriorityUpdates).toBe(2);
  });
});
