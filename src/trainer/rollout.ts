import { createRandom } from "../index.ts";
import type { Agent } from "./agent.ts";
import type { TrainConfig } from "./contract.ts";
import type { Environment } from "./environment.ts";
import type { Policy } from "./policy.ts";
import type { Replay } from "./replay.ts";

export interface EpisodeResult {
  readonly fitness: number;
  readonly frames: number;
}

/** Gaussian noise on an agent's actions, by random numbers of the episode's own. */
export interface Exploration {
  readonly agent: Agent;
  readonly schedule: TrainConfig["exploration"];
  readonly seed: number;
}

/** Where an episode's transitions go, and the number of the environment that they are said to come from. */
export interface Recording {
  readonly replay: Replay;
  readonly env: number;
}

/** Plays episodes in one environment, allocating nothing on the way. */
export class Rollout {
  readonly #environment: Environment;
  readonly #policy: Policy;
  readonly #observation: Float32Array;
  readonly #action: Float32Array;

  constructor(environment: Environment, policy: Policy) {
    this.#environment = environment;
    this.#policy = policy;
    this.#observation = new Float32Array(environment.observation.length);
    this.#action = new Float32Array(environment.actionSpace.low.length);
  }

  /**
   * Plays one episode to its end.
   *
   * @param actor - index of the actor's parameters
   */
  play(actor: number, seed: number, exploration?: Exploration, recording?: Recording): EpisodeResult {
    const environment = this.#environment;
    const noise = createRandom(exploration?.seed ?? 0);
    environment.reset(seed);
    let returnSum = 0;
    for (let frames = 1; ; frames++) {
      this.#observation.set(environment.observation);
      this.#policy.act(actor, this.#observation, takeNoise(exploration), noise, this.#action);
      const { reward, terminated, truncated } = environment.step(this.#action);
      returnSum += reward;
      if (recording !== undefined) this.#record(recording, reward, terminated, truncated);
      if (terminated || truncated) return { fitness: environment.episodeFitness?.(returnSum) ?? returnSum, frames };
    }
  }

  #record({ replay, env }: Recording, reward: number, terminated: boolean, truncated: boolean): void {
    const transition = {
      observation: this.#observation,
      action: this.#action,
      reward,
      nextObservation: this.#environment.observation,
      terminated,
      truncated,
    };
    replay.add(transition, { env });
  }
}

/** The deviation of the noise for one step; the schedule goes on by that step. */
function takeNoise(exploration: Exploration | undefined): number {
  if (exploration === undefined) return 0;
  const { agent, schedule } = exploration;
  const { noise } = agent;
  agent.noise = Math.max(schedule.floor, noise * schedule.decay);
  return noise;
}
