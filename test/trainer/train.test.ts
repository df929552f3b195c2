import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/trainer/config.ts";
import type { TrainConfig } from "../../src/trainer/contract.ts";
import { createEnvironmentFactory } from "../../src/trainer/registry.ts";
import { train } from "../../src/trainer/train.ts";

async function run(config: TrainConfig) {
  const environment = await createEnvironmentFactory(config.environment, config.environmentOptions);
  return train({ config, environment });
}

const tiny = { generations: 2, population: 3, hiddenSizes: [8], validationEpisodes: 1, championEpisodes: 2 };

describe("train", () => {
  // A pendulum that hangs gets about -1,200, one that balances -150.
  it("learns to swing the pendulum up within 7,200 frames", async () => {
    const result = await run(parseConfig("pendulum", { generations: 12, population: 2, seed: 1 }));
    expect(result.frames).toBe(7_200);
    expect(result.champion).toMatchObject({ episodes: 10, holdoutMean: null });
    expect(result.champion.mean).toBeGreaterThan(-250);
  });

  it("finds the flag of the mountain car", async () => {
    const result = await run(parseConfig("mountain-car-continuous", { generations: 12, seed: 1 }));
    expect(result.champion.mean).toBeGreaterThan(90);
  });

  it("gives equal results for equal seeds, others for others", async () => {
    const config = parseConfig("pendulum", tiny);
    const [first, second, other] = [await run(config), await run(config), await run({ ...config, seed: 2 })];
    expect(second.stateHash).toBe(first.stateHash);
    expect(second.champion).toEqual(first.champion);
    expect(other.stateHash).not.toBe(first.stateHash);
  });

  it("judges the champion by more or fewer episodes without changing the run", async () => {
    const config = parseConfig("pendulum", tiny);
    const [two, three] = [await run(config), await run({ ...config, championEpisodes: 3 })];
    expect(three.stateHash).toBe(two.stateHash);
    expect(three.champion.episodes).toBe(3);
    expect(three.champion.mean).not.toBe(two.champion.mean);
  });

  it("reports every generation", async () => {
    const result = await run(parseConfig("pendulum", tiny, { buffer: { learningStarts: 1_000 } }));
    expect(result.reports).toHaveLength(2);
    const [first, second] = result.reports;
    expect(first).toMatchObject({
      ...{ generation: 1, generations: 2, frames: 800, bufferSize: 800, bufferCapacity: 50_000 },
      ...{ learningStarts: 1_000, criticLoss: null, gradientSteps: 0, blockedMs: 0, saved: false },
    });
    expect(second).toMatchObject({ generation: 2, frames: 1_600, bufferSize: 1_600, gradientSteps: 800 });
    expect(second?.criticLoss).toBeGreaterThan(0);
    expect(second?.fitnessMax).toBeGreaterThanOrEqual(second?.fitnessMean as number);
    expect(second?.generationMs).toBeGreaterThan(second?.learnMs as number);
  });

  it("chooses the champion by fitness where there is no validation", async () => {
    const result = await run(parseConfig("pendulum", { ...tiny, validationEpisodes: 0 }));
    const best = Math.max(...result.reports.map(({ fitnessMax }) => fitnessMax));
    const generation = result.reports.find(({ fitnessMax }) => fitnessMax === best)?.generation;
    expect(result.reports.map(({ validation }) => validation)).toEqual([null, null]);
    expect(result.champion.generation).toBe(generation);
  });

  it("lets the event loop run between episodes, and asks there whether to stop", async () => {
    const config = parseConfig("pendulum", tiny, {
      generations: 1,
      buffer: { learningStarts: 500 },
      learner: { updateRatio: 0.01 },
    });
    const environment = await createEnvironmentFactory("pendulum");
    let turns = 0;
    let asked = 0;
    let isDone = false;
    const turn = () => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const shouldStop = () => {
      asked++;
      return false;
    };
    const result = await train({ config, environment, hooks: { shouldStop } });
    isDone = true;
    // 4 episodes, the learner's steps, 2 validation episodes, and 2 of the champion.
    expect(asked).toBe(9);
    expect(turns).toBeGreaterThanOrEqual(9);
    expect(result.finished).toBe(true);
  });
});
