import { createRandom } from "../../index.ts";
import type { Environment, EnvironmentFactory, StepResult } from "../environment.ts";

const MAX_SPEED = 8;
const MAX_TORQUE = 2;
const STEP_SECONDS = 0.05;
const GRAVITY = 10;
const EPISODE_STEPS = 200;

export interface PendulumState {
  /** Angle from upright, in rad. */
  theta: number;
  /** Angular velocity, in rad/s. */
  thetaDot: number;
}

/**
 * Moves a pendulum of 1 kg and 1 m by one step of 0.05 s, in place.
 *
 * @param torque - in N m; clipped to [-2, 2]
 * @returns the reward of the step, judged by the state before it
 * Source: Gymnasium, Pendulum-v1.
 */
export function stepPendulum(state: PendulumState, torque: number): number {
  const u = Math.max(-MAX_TORQUE, Math.min(MAX_TORQUE, torque));
  const turn = 2 * Math.PI;
  const angle = ((((state.theta + Math.PI) % turn) + turn) % turn) - Math.PI;
  const cost = angle * angle + 0.1 * state.thetaDot * state.thetaDot + 0.001 * u * u;
  const acceleration = ((3 * GRAVITY) / 2) * Math.sin(state.theta) + 3 * u;
  const speed = state.thetaDot + acceleration * STEP_SECONDS;
  state.thetaDot = Math.max(-MAX_SPEED, Math.min(MAX_SPEED, speed));
  state.theta += state.thetaDot * STEP_SECONDS;
  return -cost;
}

class Pendulum implements Environment {
  readonly name = "pendulum";
  readonly observationSpace = { dtype: "float32", shape: [3] } as const;
  readonly actionSpace = {
    shape: [1],
    low: Float32Array.of(-MAX_TORQUE),
    high: Float32Array.of(MAX_TORQUE),
  };
  readonly encoder = {
    featureCount: 3,
    encode(observations: Float32Array, at: number, out: Float32Array, outAt: number): void {
      out[outAt] = observations[at] as number;
      out[outAt + 1] = observations[at + 1] as number;
      out[outAt + 2] = (observations[at + 2] as number) / MAX_SPEED;
    },
  };
  readonly observation: Float32Array = new Float32Array(3);
  readonly #state: PendulumState = { theta: 0, thetaDot: 0 };
  #steps = 0;

  reset(seed: number): void {
    const random = createRandom(seed);
    this.#state.theta = (2 * random.uniform() - 1) * Math.PI;
    this.#state.thetaDot = 2 * random.uniform() - 1;
    this.#steps = 0;
    this.#observe();
  }

  step(action: Float32Array): StepResult {
    const reward = stepPendulum(this.#state, action[0] as number);
    this.#steps++;
    this.#observe();
    return { reward, terminated: false, truncated: this.#steps >= EPISODE_STEPS };
  }

  #observe(): void {
    this.observation[0] = Math.cos(this.#state.theta);
    this.observation[1] = Math.sin(this.#state.theta);
    this.observation[2] = this.#state.thetaDot;
  }
}

/**
 * Makes pendulums to swing up: observation [cos, sin, speed], action [torque], 200 steps an episode.
 *
 * Source: Gymnasium, Pendulum-v1.
 */
export function createPendulumFactory(): EnvironmentFactory {
  return { name: "pendulum", create: () => new Pendulum(), fingerprint: { version: "Pendulum-v1" } };
}
