import { describe, expect, it } from "vitest";
import { COMPARISON_COLUMNS, comparisonCells, comparisonColumns } from "../../../src/dashboard/page/comparison-rows.ts";
import { describeFitness, fitnessColumns } from "../../../src/dashboard/page/plot-columns.ts";
import { recordsIn } from "../../../src/dashboard/page/run-model.ts";
import { summaryOf } from "../../../src/dashboard/page/summary.ts";
import {
  describeGeneration,
  describeRange,
  describeSave,
  describeWait,
} from "../../../src/dashboard/page/time-line-text.ts";
import { generationUnderWay, waitAt } from "../../../src/dashboard/page/training-time.ts";
import { blockedTimeOf } from "../../../src/record/blocked-time.ts";
import { committed, durable, failed, generation, modelOf, queued, resume, start, status, waited } from "./records.ts";

const run = { id: "0", name: "a", store: "s3://runs/a", isLive: true, isListed: true, error: null };

describe("the time-line in words", () => {
  const model = modelOf(
    ...[start(0), queued(1, 100, 2), durable(1, 160), committed(1, 600, 200), generation(1, 102, { blockedMs: 2 })],
    ...[queued(2, 5000), failed(2, 5100)],
  );

  it("counts what lies in its range", () => {
    const text = describeRange(model, { fromMs: 0, toMs: 1000 });
    expect(text).toContain("1 generation (evaluate 2 %, learn 7 %, evolve 1 %)");
    expect(text).toContain("blocked 2 ms · 1 checkpoint durable, 1 committed");
    expect(describeRange(model, { fromMs: 4000, toMs: 6000 })).toContain(
      "0 checkpoints durable, 0 committed, 1 failed",
    );
  });

  it("adds waits for memory between saves to what the saves blocked, as the head does", () => {
    const waits = [waited(3000, 3400, 300, 2), waited(9000, 9100, 100)];
    const waiting = modelOf(start(0), queued(1, 100, 2), ...waits, generation(1, 9200));
    expect(describeRange(waiting, { fromMs: 0, toMs: 5000 })).toContain(
      "blocked 302 ms, 300 ms of it waiting for memory between saves ·",
    );
    expect(blockedTimeOf(waiting.view)).toMatchObject({ totalMs: 402, longestMs: 150 });
    const resumed = modelOf(start(0), ...waits, resume(9500, 1), status(9600, { blockedMs: 5 }));
    expect(blockedTimeOf(resumed.view).totalMs).toBe(405);
  });

  it("tells a wait that is pointed at", () => {
    const waits = [waited(3000, 3400, 300, 2), waited(9000, 9100, 100)];
    const at = (atMs: number) => waitAt(waits, atMs, 50);
    expect([at(2900), at(2960), at(3450), at(9000)]).toEqual([null, waits[0], waits[0], waits[1]]);
    expect(waits.map(describeWait)).toEqual([
      "Training waited 300 ms for memory, 2 × within 400 ms",
      "Training waited 100 ms for memory",
    ]);
  });

  it("tells a save's way as far as it came", () => {
    const [first, second] = model.view.saves;
    expect(first === undefined ? "" : describeSave(first, model, false)).toBe(
      "Checkpoint 1 (step 5) · blocked 2 ms · encode 20 ms · write 30 ms · 4.00 kB new · upload 400 ms · committed",
    );
    expect(second === undefined ? "" : describeSave(second, model, false)).toBe(
      "Checkpoint 2 (step 10) · blocked 0.5 ms · failed: refused",
    );
  });

  it("tells a generation", () => {
    expect(describeGeneration(generation(7, 100, { saved: true, blockedMs: 0.25 }))).toBe(
      "Generation 7 · evaluate 20 ms · learn 70 ms · evolve 10 ms · blocked by its save 0.25 ms",
    );
  });

  it("has a generation under way since the last one, or since its process began", () => {
    expect(generationUnderWay(modelOf(start(50)).view, { fromMs: 0, toMs: 80 })).toEqual({ fromMs: 50, toMs: 80 });
    expect(generationUnderWay(model.view, { fromMs: 0, toMs: 200 })).toEqual({ fromMs: 102, toMs: 200 });
    const resumed = modelOf(start(50), generation(1, 150), resume(900, 1));
    expect(generationUnderWay(resumed.view, { fromMs: 0, toMs: 950 })).toEqual({ fromMs: 900, toMs: 950 });
    expect(generationUnderWay(modelOf().view, { fromMs: 0, toMs: 80 })).toBeNull();
  });
});

describe("the figures at the head", () => {
  it("say what to do about waits for memory", () => {
    const longest = summaryOf(modelOf(start(0), status(5, { memoryWaits: 3 })), false)[1];
    expect(longest).toMatchObject({ isBad: true, detail: expect.stringMatching(/3 ×; save less .* maxPinnedBytes/) });
  });
});

describe("fitness", () => {
  const generations = [generation(1, 100), generation(2, 200, { fitnessMax: 2, validation: 1.5 })];

  it("is drawn as mean, its spread, max and validation", () => {
    expect(fitnessColumns(generations)).toEqual({
      ...{
        generation: [1, 2],
        mean: [1, 1],
        high: [1.5, 1.5],
        low: [0.5, 0.5],
        max: [3, 2],
        validation: [null, 1.5],
        spread: [0.5, 0.5],
      },
    });
  });

  it("has words for who cannot see it", () => {
    expect(describeFitness(generations)).toBe(
      "Generation 2: mean 1.00, max 2.00, spread 0.50. Validation 1.50. Best max so far 3.00.",
    );
    expect(describeFitness([])).toBe("No generation has ended yet.");
  });
});

describe("a fitness that is not a number", () => {
  const nan = { fitnessMean: Number.NaN, fitnessMax: Number.NaN, fitnessSpread: Number.NaN };
  // As it goes over the wire, where JSON makes null of it.
  const received = recordsIn(JSON.stringify([start(0), generation(1, 100), generation(2, 200, nan)]));
  const model = modelOf(...received);

  it("is a gap in plots, and no best of a run", () => {
    expect(fitnessColumns(model.view.generations)).toMatchObject({
      ...{ mean: [1, null], high: [1.5, null], low: [0.5, null], max: [3, null], spread: [0.5, null] },
    });
    expect(comparisonColumns([model]).maxByRun).toEqual([[3, null]]);
    expect(describeFitness(model.view.generations)).toBe(
      "Generation 2: mean NaN, max NaN, spread NaN. Best max so far 3.00.",
    );
    expect(describeFitness(model.view.generations.slice(1))).toBe("Generation 2: mean NaN, max NaN, spread NaN.");
  });

  it("is called so in figures", () => {
    const cells = Object.fromEntries(COMPARISON_COLUMNS.map((name, at) => [name, comparisonCells(run, model, 0)[at]]));
    expect(cells).toMatchObject({ "Fitness max": "NaN", Mean: "NaN" });
    const fitness = summaryOf(model, false).find(({ label }) => label === "Fitness, max");
    expect(fitness).toMatchObject({ value: "NaN", detail: "mean NaN" });
  });
});

describe("runs side by side", () => {
  it("have a cell for each column, and none that is made up", () => {
    const model = modelOf(start(0), queued(1, 100, 2), durable(1, 160), generation(1, 102), failed(2, 300));
    const cells = Object.fromEntries(COMPARISON_COLUMNS.map((name, at) => [name, comparisonCells(run, model, 0)[at]]));
    expect(cells).toEqual({
      ...{ State: "training", Generation: "1 of 40", "Fitness max": "3.00", Mean: "1.00", Validation: "–" },
      ...{ Blocked: "2 ms", Longest: "2 ms", Checkpoints: "1", Behind: "–", Failed: "1" },
    });
    expect(comparisonCells({ ...run, isLive: false }, modelOf(), 0)).toEqual([
      ...["empty", "–", "–", "–", "–", "–", "–", "0", "–", "–"],
    ]);
  });

  it("share one axis of generations, with gaps where a run has none", () => {
    const a = modelOf(start(0), generation(1, 100), generation(2, 200, { fitnessMax: 4 }));
    const b = modelOf(start(0), generation(2, 100, { fitnessMax: 5 }), generation(3, 200, { fitnessMax: 6 }));
    expect(comparisonColumns([a, b])).toEqual({
      ...{
        generation: [1, 2, 3],
        maxByRun: [
          [3, 4, null],
          [null, 5, 6],
        ],
      },
    });
  });
});
