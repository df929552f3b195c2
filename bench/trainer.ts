import { join } from "node:path";
import { Checkpointer } from "../src/index.ts";
import type { Agent } from "../src/trainer/agent.ts";
import { defaultConfig } from "../src/trainer/config.ts";
import type { TrainConfig } from "../src/trainer/contract.ts";
import type { EnvironmentFactory } from "../src/trainer/environment.ts";
import type { Kernels } from "../src/trainer/kernels/kernels.ts";
import { createTypeScriptKernels } from "../src/trainer/kernels/typescript-kernels.ts";
import { loadWasmKernels } from "../src/trainer/kernels/wasm-kernels.ts";
import { createEnvironmentFactory } from "../src/trainer/registry.ts";
import { evaluate } from "../src/trainer/stages.ts";
import { train } from "../src/trainer/train.ts";
import { createTrainer } from "../src/trainer/trainer.ts";
import { atLeast, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { noise } from "./support/data.ts";
import { figure, ratios } from "./support/figure.ts";
import { timeInTurns } from "./support/turns.ts";

/*
 * The trainer that comes with Varve: its kernels against their twin without WASM, its environments, and whole
 * generations with and without a save after each.
 */

const ENVIRONMENTS = ["pendulum", "mountain-car-continuous", "market"] as const;
const noPause = async (): Promise<void> => undefined;

/** Events a second, of every time. */
function rates(count: number, timesMs: readonly number[]): number[] {
  return timesMs.map((timeMs) => (1000 * count) / timeMs);
}

/** A few agents, so that there is something to learn from soon. */
function smallConfig(environment: string): TrainConfig {
  const config = defaultConfig(environment);
  return { ...config, population: 4, episodesPerAgent: 1 };
}

/** Gradient steps of one agent, from a buffer that holds an evaluation's transitions. */
async function learning(environment: EnvironmentFactory, kernels: Kernels, steps: number): Promise<() => void> {
  const trainer = createTrainer({ config: smallConfig(environment.name), environment, kernels });
  await evaluate(trainer, noPause);
  const agent = (trainer.apprentice ?? trainer.population[0]) as Agent;
  return () => {
    for (let i = 0; i < steps; i++) trainer.learner.step(agent, trainer.replay, trainer.streams.learning);
  };
}

async function measureUpdates({ quick, progress }: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ["pendulum", "market"] as const) {
    progress(name);
    const environment = await createEnvironmentFactory(name);
    const steps = quick ? 10 : 100;
    const tasks = {
      own: await learning(environment, loadWasmKernels(), steps),
      twin: await learning(environment, createTypeScriptKernels(), steps),
    };
    await timeInTurns(tasks, 2);
    const times = await timeInTurns(tasks, quick ? 3 : 7);
    const { algorithm, learner } = defaultConfig(name);
    const shape = `${algorithm.toUpperCase()}, ${learner.batchSize * learner.batchesPerStep} rows`;
    rows.push({
      quantity: `updates a second, ${name} (${shape}); speed`,
      varve: figure(rates(steps, times.own), "/s"),
      control: { ...figure(rates(steps, times.twin), "/s"), name: "TypeScript kernels" },
      ratio: ratios(times.twin, times.own),
    });
  }
  return rows;
}

/** Steps of the environment alone, with random actions. */
function stepping(factory: EnvironmentFactory, steps: number): () => void {
  const environment = factory.create("training");
  const { low, high } = environment.actionSpace;
  const random = noise(7);
  const actions = Array.from({ length: 64 }, () =>
    low.map((least, i) => least + random() * ((high[i] as number) - least)),
  );
  let [episode, isOver] = [0, true];
  return () => {
    for (let i = 0; i < steps; i++) {
      if (isOver) environment.reset(++episode);
      const { terminated, truncated } = environment.step(actions[i & 63] as Float32Array);
      isOver = terminated || truncated;
    }
  };
}

async function measureEnvironments({ quick, progress }: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ENVIRONMENTS) {
    progress(name);
    const factory = await createEnvironmentFactory(name);
    const trainer = createTrainer({ config: smallConfig(name), environment: factory });
    await evaluate(trainer, noPause);
    const { frames } = trainer.progress;
    const steps = quick ? frames : 20 * frames;
    const rollouts = quick ? 1 : 5;
    const tasks = {
      alone: stepping(factory, steps),
      rollout: async () => {
        for (let i = 0; i < rollouts; i++) await evaluate(trainer, noPause);
      },
    };
    await timeInTurns(tasks, 1);
    const before = trainer.progress.frames;
    const times = await timeInTurns(tasks, quick ? 3 : 7);
    const played = (trainer.progress.frames - before) / times.rollout.length;
    rows.push(
      { quantity: `steps a second, ${name} alone`, varve: figure(rates(steps, times.alone), "/s") },
      {
        quantity: `steps a second, ${name} with actor and add()`,
        varve: figure(rates(played, times.rollout), "/s"),
      },
    );
  }
  return rows;
}

/** Trains as `npm start` does; returns what a generation took in the middle, once learning had begun. */
async function generationMs(config: TrainConfig, environment: EnvironmentFactory, store: string | null) {
  const checkpointer = store === null ? undefined : await Checkpointer.open({ store, log: false });
  const { reports, stateHash } = await train({ config, environment, checkpointer });
  await checkpointer?.close();
  const learned = reports.filter(({ gradientSteps }) => gradientSteps > 0).map((report) => report.generationMs);
  return { meanMs: learned.reduce((sum, ms) => sum + ms, 0) / learned.length, stateHash };
}

async function measureGenerations({ quick, scratch, progress }: Context): Promise<Row[]> {
  const environment = await createEnvironmentFactory("pendulum");
  const defaults = defaultConfig("pendulum");
  const config: TrainConfig = {
    ...defaults,
    generations: quick ? 2 : 6,
    championEpisodes: 1,
    ...(quick && { population: 5, validationEpisodes: 2, learner: { ...defaults.learner, updateRatio: 0.2 } }),
  };
  const times = { own: [] as number[], control: [] as number[] };
  await generationMs(config, environment, null);
  for (let round = 0; round < (quick ? 3 : 5); round++) {
    const store = join(scratch, `run-${round}`);
    const one = await generationMs(config, environment, round % 2 === 0 ? store : null);
    const other = await generationMs(config, environment, round % 2 === 0 ? null : store);
    if (one.stateHash !== other.stateHash) throw new Error("A run with saves trained otherwise than one without");
    const [own, control] = round % 2 === 0 ? [one, other] : [other, one];
    times.own.push(own.meanMs);
    times.control.push(control.meanMs);
    progress(`round ${round + 1}`);
  }
  const throughput = ratios(times.control, times.own);
  return [
    {
      quantity: "a generation of pendulum with a save after it; speed",
      varve: figure(times.own, "ms"),
      control: { ...figure(times.control, "ms"), name: "no saves" },
      ratio: throughput,
      target: atLeast(throughput.median, 0.97, "0.97 ×"),
    },
  ];
}

const cases: readonly Case[] = [
  { name: "updates", measure: measureUpdates },
  { name: "environments", measure: measureEnvironments },
  { name: "generations", measure: measureGenerations },
];

export const trainer: Bench = {
  name: "trainer",
  about: "the trainer's kernels, environments and generations",
  cases,
};
