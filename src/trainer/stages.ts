import type { Agent } from "./agent.ts";
import { evolve, rankByFitness } from "./evolution.ts";
import { seedFor } from "./seeds.ts";
import type { Trainer } from "./trainer.ts";

/** Lets the event loop run: signals are heard, listeners called. Nothing that training computes may depend on it. */
export type Pause = () => Promise<void>;

/** Gradient steps between two pauses: some 60 ms of TD3 with 64 × 64. */
const STEPS_BETWEEN_PAUSES = 100;

/**
 * Plays every agent's episodes and records them. Agents that learn explore; with a learner beside the population, only
 * the learner does.
 *
 * @returns the fitness of every agent of the population, the mean over its episodes
 */
export async function evaluate(trainer: Trainer, pause: Pause): Promise<Float64Array> {
  const { population, apprentice, config } = trainer;
  const fitness = new Float64Array(population.length);
  for (const [place, agent] of population.entries()) {
    fitness[place] = await playEpisodes(trainer, agent, place, pause);
  }
  if (apprentice !== null) await playEpisodes(trainer, apprentice, config.population, pause);
  return fitness;
}

async function playEpisodes(trainer: Trainer, agent: Agent, place: number, pause: Pause): Promise<number> {
  const { config, progress, rollout, replay } = trainer;
  let sum = 0;
  for (let episode = 0; episode < config.episodesPerAgent; episode++) {
    const seed = seedFor(config.seed, "episode", progress.generation, place, episode);
    const noiseSeed = seedFor(config.seed, "exploration", progress.generation, place, episode);
    const exploration = agent.mind === null ? undefined : { agent, schedule: config.exploration, seed: noiseSeed };
    const result = rollout.play(agent.actor, seed, exploration, { replay, env: place });
    sum += result.fitness;
    progress.frames += result.frames;
    await pause();
  }
  return sum / config.episodesPerAgent;
}

export interface LearnReport {
  /** Mean over all steps; null where none was taken. */
  readonly criticLoss: number | null;
  readonly gradientSteps: number;
}

/** Takes the generation's gradient steps with everyone who learns, once the buffer holds enough. */
export async function learn(trainer: Trainer, frames: number, pause: Pause): Promise<LearnReport> {
  const { config, replay, learner, streams, population, apprentice } = trainer;
  const { batchSize, stepsPerGeneration, updateRatio } = config.learner;
  if (replay.size < Math.max(batchSize, config.buffer.learningStarts)) return { criticLoss: null, gradientSteps: 0 };
  const steps = stepsPerGeneration > 0 ? stepsPerGeneration : Math.round(updateRatio * frames);
  const learners = apprentice === null ? population : [apprentice];
  let lossSum = 0;
  for (const agent of learners) {
    for (let step = 1; step <= steps; step++) {
      lossSum += learner.step(agent, replay, streams.learning);
      if (step % STEPS_BETWEEN_PAUSES === 0) await pause();
    }
    await pause();
  }
  const gradientSteps = steps * learners.length;
  return { criticLoss: gradientSteps === 0 ? null : lossSum / gradientSteps, gradientSteps };
}

/** Replaces the less fit; every `syncEvery` generations the learner's actor takes the place of the least fit. */
export function evolvePopulation(trainer: Trainer, fitness: Float64Array): void {
  const { kernels, networks, population, apprentice, config, streams, progress } = trainer;
  const { layers, parameterCount } = networks.actor;
  evolve(kernels, population, layers, parameterCount, fitness, config.evolution, streams.evolution);
  const isSync = (progress.generation + 1) % config.evolution.syncEvery === 0;
  if (apprentice === null || !isSync || population.length === 1) return;
  const weakest = population[rankByFitness(fitness).at(-1) as number] as Agent;
  kernels.arena.values.copyWithin(weakest.actor, apprentice.actor, apprentice.actor + parameterCount);
}
