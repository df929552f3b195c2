import { afterEach, describe, expect, it } from "vitest";
import { Checkpointer, ConfigError } from "../../src/index.ts";
import { parseConfig } from "../../src/trainer/config.ts";
import type { TrainConfig, TrainHooks, TrainResult } from "../../src/trainer/contract.ts";
import { createTypeScriptKernels } from "../../src/trainer/kernels/typescript-kernels.ts";
import { createEnvironmentFactory } from "../../src/trainer/registry.ts";
import { train } from "../../src/trainer/train.ts";

const GENERATIONS = 4;

const small = {
  generations: GENERATIONS,
  population: 3,
  hiddenSizes: [8, 8],
  validationEpisodes: 1,
  championEpisodes: 1,
};
const quickLearner = { batchSize: 16, updateRatio: 0.05 };

/** 4 agents × 200 steps a generation: a capacity of 1,000 wraps in the second. */
const pendulum = (overrides: object = {}) =>
  parseConfig(
    "pendulum",
    small,
    { buffer: { capacity: 10_000, learningStarts: 500 }, learner: quickLearner },
    overrides,
  );

const CASES: Readonly<Record<string, TrainConfig>> = {
  pendulum: pendulum(),
  "pendulum with a buffer that wraps": pendulum({ buffer: { capacity: 1_000 } }),
  "pendulum with priorities, wrapping": pendulum({
    buffer: { capacity: 1_000, prioritized: { alpha: 0.6, beta: 0.4 } },
  }),
  "a pendulum population that learns, its noise decaying": pendulum({
    learning: "population",
    algorithm: "ddpg",
    exploration: { noise: 0.3, decay: 0.999, floor: 0.01 },
    evolution: { crossover: "blend", eliteFraction: 0.4, offspringFraction: 0.3, mutationFraction: 0 },
  }),
  "mountain-car-continuous": parseConfig("mountain-car-continuous", small, { learner: { batchSize: 16 } }),
  market: parseConfig("market", small, {
    environmentOptions: { window: 60, tradingDays: 30, holdingDays: 5 },
    buffer: { capacity: 300, learningStarts: 100 },
    learner: { stepsPerGeneration: 4 },
  }),
};

const open: Checkpointer[] = [];

let stores = 0;
const newStore = () => `memory://resume-${++stores}`;

async function openRun(store: string): Promise<Checkpointer> {
  const checkpointer = await Checkpointer.open({ store, onBacklog: "queue" });
  open.push(checkpointer);
  return checkpointer;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((checkpointer) => checkpointer.close()));
});

interface Run {
  readonly checkpointer?: Checkpointer;
  readonly resume?: { readonly step?: number };
  readonly hooks?: TrainHooks;
}

async function run(config: TrainConfig, { checkpointer, resume, hooks }: Run = {}): Promise<TrainResult> {
  const environment = await createEnvironmentFactory(config.environment, config.environmentOptions);
  const result = await train({ config, environment, checkpointer, resume, hooks });
  const waited = await checkpointer?.waitUntilFinished();
  expect(waited?.errors ?? []).toEqual([]);
  return result;
}

describe("a resumed run", () => {
  it.each(Object.entries(CASES))(
    "of %s ends, from any generation, with the hash of one never interrupted",
    async (_name, config) => {
      const uninterrupted = await run(config);
      expect(uninterrupted.generations).toBe(GENERATIONS);
      expect(uninterrupted.reports.at(-1)?.gradientSteps).toBeGreaterThan(0);
      const saved = await openRun(newStore());
      expect((await run(config, { checkpointer: saved })).stateHash).toBe(uninterrupted.stateHash);
      for (let step = 1; step <= GENERATIONS; step++) {
        const resumed = await run(config, { checkpointer: saved, resume: { step } });
        expect(resumed.reports.map(({ generation }) => generation)).toEqual(
          Array.from({ length: GENERATIONS - step }, (_, i) => step + 1 + i),
        );
        expect(resumed.stateHash).toBe(uninterrupted.stateHash);
        expect(resumed.champion).toEqual(uninterrupted.champion);
        expect(resumed.frames).toBe(uninterrupted.frames);
      }
    },
  );

  it("ends with the same hash when a checkpointer is opened for every generation", async () => {
    const config = CASES["pendulum with priorities, wrapping"] as TrainConfig;
    const store = newStore();
    let last: TrainResult | undefined;
    for (let generations = 1; generations <= GENERATIONS; generations++) {
      const checkpointer = await openRun(store);
      last = await run({ ...config, generations }, { checkpointer, resume: {} });
      await checkpointer.close();
    }
    expect(last?.stateHash).toBe((await run(config)).stateHash);
  });
});

it("saves how long a run is to be beside the state that is hashed", async () => {
  const checkpointer = await openRun(newStore());
  await run(pendulum({ generations: 1, saveEvery: 3 }), { checkpointer });
  const { state } = (await checkpointer.restore()) as { state: unknown };
  expect(state).toMatchObject({ schedule: { generations: 1, saveEvery: 3, championEpisodes: 1 } });
  const extended = await run(pendulum({ generations: 2 }), { checkpointer, resume: {} });
  expect(extended.stateHash).toBe((await run(pendulum({ generations: 2 }))).stateHash);
});

describe("the schedule of checkpoints", () => {
  const steps = async (checkpointer: Checkpointer) => (await checkpointer.list()).map(({ step }) => step);

  it("does not change what is computed", async () => {
    const config = pendulum({ saveEvery: 3 });
    const checkpointer = await openRun(newStore());
    const { stateHash } = await run(config, { checkpointer });
    expect(await steps(checkpointer)).toEqual([3, 4]);
    expect(stateHash).toBe((await run(pendulum())).stateHash);
  });

  it("saves the generation that first fills the buffer, unless a checkpoint holds one already", async () => {
    const filling = await openRun(newStore());
    await run(pendulum({ saveEvery: 100, buffer: { capacity: 1_000 } }), { checkpointer: filling });
    expect(await steps(filling)).toEqual([2, 4]);
    const already = await openRun(newStore());
    await run(pendulum({ saveEvery: 100, generations: 1, buffer: { capacity: 1_000 } }), { checkpointer: already });
    await run(pendulum({ saveEvery: 100, buffer: { capacity: 1_000 } }), { checkpointer: already, resume: {} });
    expect(await steps(already)).toEqual([1, 4]);
  });

  it("saves and ends after the generation in which it was asked to stop", async () => {
    const checkpointer = await openRun(newStore());
    let generation = 0;
    const hooks: TrainHooks = {
      onGeneration: (report) => {
        generation = report.generation;
      },
      shouldStop: () => generation === 1,
    };
    const stopped = await run(pendulum({ saveEvery: 100 }), { checkpointer, hooks });
    expect(stopped).toMatchObject({ generations: 2, finished: false });
    expect(await steps(checkpointer)).toEqual([2]);
    const resumed = await run(pendulum({ saveEvery: 100 }), { checkpointer, resume: {} });
    expect(resumed).toMatchObject({ generations: GENERATIONS, finished: true });
    expect(resumed.stateHash).toBe((await run(pendulum())).stateHash);
  });

  it("tells what each save cost, and which generations were saved", async () => {
    const checkpointer = await openRun(newStore());
    const { reports } = await run(pendulum({ saveEvery: 2 }), { checkpointer });
    expect(reports.map(({ saved }) => saved)).toEqual([false, true, false, true]);
    for (const { saved, blockedMs } of reports) expect(blockedMs > 0).toBe(saved);
  });
});

describe("resuming", () => {
  it("refuses another configuration, naming what differs", async () => {
    const checkpointer = await openRun(newStore());
    await run(pendulum({ generations: 1 }), { checkpointer });
    const other = pendulum({ seed: 2, learner: { gamma: 0.9 }, buffer: { capacity: 2_000 } });
    await expect(run(other, { checkpointer, resume: {} })).rejects.toThrow(ConfigError);
    await expect(run(other, { checkpointer, resume: {} })).rejects.toThrow(
      /seed: 1 in the checkpoint, 2 now; buffer\.capacity: 10000 .* 2000 now; learner\.gamma: 0\.98 .* 0\.9 now/,
    );
    await expect(run(CASES["mountain-car-continuous"] as TrainConfig, { checkpointer, resume: {} })).rejects.toThrow(
      /environment: "pendulum" in the checkpoint, "mountain-car-continuous" now/,
    );
  });

  it("starts from the beginning where nothing was saved", async () => {
    const checkpointer = await openRun(newStore());
    const { reports } = await run(pendulum({ generations: 1 }), { checkpointer, resume: {} });
    expect(reports.map(({ generation }) => generation)).toEqual([1]);
  });

  it("goes on without WASM, to the same hash", async () => {
    const config = pendulum();
    const checkpointer = await openRun(newStore());
    const { stateHash } = await run(config, { checkpointer });
    const environment = await createEnvironmentFactory("pendulum");
    const kernels = createTypeScriptKernels();
    const twin = await train({ config, environment, checkpointer, resume: { step: 2 }, kernels });
    expect(twin.stateHash).toBe(stateHash);
  });
});
