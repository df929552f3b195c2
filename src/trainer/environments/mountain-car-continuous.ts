import { createRandom } from "../../index.ts";
import type { Environment, EnvironmentFactory, StepResult } from "../environment.ts";

const MIN_POSITION = -1.2;
const MAX_POSITION = 0.6;
const MAX_SPEED = 0.07;
const GOAL_POSITION = 0.45;
const POWER = 0.0015;
const EPISODE_STEPS = 999;

export interface CarState {
  position: number;
  velocity: number;
}

/**
 * Moves the car by one step, in place.
 *
 * @param push - force, clipped to [-1, 1]
 * @returns the reward, and whether the car has reached the goal
 * Source: Gymnasium, MountainCarContinuous-v0 (which rounds its state to 32 bits; this one does not).
 */
export function stepCar(state: CarState, push: number): { readonly reward: number; readonly reached: boolean } {
  const force = Math.max(-1, Math.min(1, push));
  const speed = state.velocity + force * POWER - 0.0025 * Math.cos(3 * state.position);
  state.velocity = Math.max(-MAX_SPEED, Math.min(MAX_SPEED, speed));
  state.position = Math.max(MIN_POSITION, Math.min(MAX_POSITION, state.position + state.velocity));
  if (state.position === MIN_POSITION && state.velocity < 0) state.velocity = 0;
  const reached = state.position >= GOAL_POSITION && state.velocity >= 0;
  return { reward: (reached ? 100 : 0) - 0.1 * force * force, reached };
}

class MountainCarContinuous implements Environment {
  readonly name = "mountain-car-continuous";
  readonly observationSpace = { dtype: "float32", shape: [2] } as const;
  readonly actionSpace = { shape: [1], low: Float32Array.of(-1), high: Float32Array.of(1) };
  /** Both features within about [-1, 1], centred on the valley: velocities as they are would be lost in the sum. */
  readonly encoder = {
    featureCount: 2,
    encode(observations: Float32Array, at: number, out: Float32Array, outAt: number): void {
      out[outAt] = ((observations[at] as number) + 0.3) / 0.9;
      out[outAt + 1] = (observations[at + 1] as number) / MAX_SPEED;
    },
  };
  readonly observation: Float32Array = new Float32Array(2);
  readonly #state: CarState = { position: 0, velocity: 0 };
  #steps = 0;

  reset(seed: number): void {
    this.#state.position = -0.6 + 0.2 * createRandom(seed).uniform();
    this.#state.velocity = 0;
    this.#steps = 0;
    this.#observe();
  }

  step(action: Float32Array): StepResult {
    const { reward, reached } = stepCar(this.#state, action[0] as number);
    this.#steps++;
    this.#observe();
    return { reward, terminated: reached, truncated: this.#steps >= EPISODE_STEPS };
  }

  #observe(): void {
    this.observation[0] = this.#state.position;
    this.observation[1] = this.#state.velocity;
  }
}

/**
 * Makes cars that must swing up a valley to a goal: observation [position, velocity], action [force], at most 999
 * steps an episode.
 *
 * Source: Gymnasium, MountainCarContinuous-v0.
 */
export function createMountainCarContinuousFactory(): EnvironmentFactory {
  return {
    name: "mountain-car-continuous",
    create: () => new MountainCarContinuous(),
    fingerprint: { version: "MountainCarContinuous-v0" },
  };
}
