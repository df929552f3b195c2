import type { Agent } from "./agent.ts";
import type { TrainResult } from "./contract.ts";
import type { EnvironmentFactory, Split } from "./environment.ts";
import { rankByFitness } from "./evolution.ts";
import { Rollout } from "./rollout.ts";
import { type Purpose, seedFor } from "./seeds.ts";
import type { Pause } from "./stages.ts";
import type { Trainer } from "./trainer.ts";

/**
 * Chooses the champion.
 *
 * ```
 *  fittest of the generation, and the learner's actor
 *      -> mean over `validationEpisodes` episodes, the same for every candidate of the run
 *      -> champion, if better than the one before
 * ```
 *
 * Without validation episodes fitness itself decides, which favours the lucky.
 */
export class Selection {
  readonly #trainer: Trainer;
  readonly #rollout: Rollout;

  constructor(trainer: Trainer, factory: EnvironmentFactory) {
    this.#trainer = trainer;
    this.#rollout = new Rollout(factory.create("validation"), trainer.policy);
  }

  /** Takes the fittest by its fitness: before it learns on, as it was evaluated. Only without validation. */
  considerFitness(fitness: Float64Array): void {
    if (this.#trainer.config.validationEpisodes > 0) return;
    const fittest = rankByFitness(fitness)[0] as number;
    this.#consider(this.#trainer.population[fittest] as Agent, fitness[fittest] as number);
  }

  /** Returns the score of the generation's best candidate, or null without validation. */
  async validate(fitness: Float64Array, pause: Pause): Promise<number | null> {
    const { config, population, apprentice } = this.#trainer;
    if (config.validationEpisodes === 0) return null;
    const fittest = population[rankByFitness(fitness)[0] as number] as Agent;
    let best = Number.NEGATIVE_INFINITY;
    for (const agent of apprentice === null ? [fittest] : [fittest, apprentice]) {
      const scores = await play(
        this.#rollout,
        agent.actor,
        config.seed,
        "validation",
        config.validationEpisodes,
        pause,
      );
      const score = mean(scores);
      best = Math.max(best, score);
      this.#consider(agent, score);
    }
    return best;
  }

  #consider(agent: Agent, score: number): void {
    const { champion, kernels, progress } = this.#trainer;
    if (!(score > champion.score)) return;
    champion.generation = progress.generation + 1;
    champion.score = score;
    champion.actor.set(kernels.arena.view(agent.actor, champion.actor.length));
  }
}

/**
 * Judges the champion by episodes that had no part in its choice: of the training data with a random stream of its own,
 * and of the hold-out data where the environment has some.
 */
export async function judgeChampion(
  trainer: Trainer,
  factory: EnvironmentFactory,
  pause: Pause,
): Promise<TrainResult["champion"]> {
  const { champion, kernels, config, policy } = trainer;
  const { arena } = kernels;
  const actor = arena.allocate(champion.actor.length);
  arena.view(actor, champion.actor.length).set(champion.actor);
  const judge = (split: Split, purpose: Purpose) => {
    const rollout = new Rollout(factory.create(split), policy);
    return play(rollout, actor, config.seed, purpose, config.championEpisodes, pause);
  };
  const scores = await judge("training", "champion");
  const average = mean(scores);
  return {
    generation: champion.generation,
    mean: average,
    deviation: Math.sqrt(mean(scores.map((score) => (score - average) ** 2))),
    episodes: config.championEpisodes,
    holdoutMean: factory.hasHoldout === true ? mean(await judge("holdout", "holdout")) : null,
  };
}

async function play(
  rollout: Rollout,
  actor: number,
  seed: number,
  purpose: Purpose,
  episodes: number,
  pause: Pause,
): Promise<readonly number[]> {
  const scores: number[] = [];
  for (let episode = 0; episode < episodes; episode++) {
    scores.push(rollout.play(actor, seedFor(seed, purpose, 0, 0, episode)).fitness);
    await pause();
  }
  return scores;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
