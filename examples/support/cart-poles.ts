import type { Random, RandomState } from "../../src/index.ts";

/** What a step of all environments led to; each [n]. */
export interface Steps {
  readonly reward: Float32Array;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
  /** What the action led to, also where an episode ended with it; [n, 4]. */
  readonly finalObservation: Float32Array;
  /** 0 where the step only reset an environment. */
  readonly mask: Uint8Array;
}

export interface CartPolesState {
  readonly observation: Float32Array;
  readonly steps: Float64Array;
  readonly isOver: Uint8Array;
  readonly lengths: readonly number[];
  readonly random: RandomState;
}

export type AutoresetMode = "same-step" | "next-step";

const LIMIT_STEPS = 200;
const WIDTH = 4;

/** CartPole (Barto, Sutton and Anderson 1983) several times side by side, restarting by itself as in Gymnasium. */
export class CartPoles {
  /** What the policy sees next, [n, 4]. */
  readonly observation: Float32Array;
  readonly #autoreset: AutoresetMode;
  readonly #random: Random;
  readonly #steps: Float64Array;
  /** 1: the episode is over, and the next step only resets. */
  readonly #isOver: Uint8Array;
  readonly #lengths: number[] = [];

  constructor(count: number, autoreset: AutoresetMode, random: Random) {
    this.#autoreset = autoreset;
    this.#random = random;
    this.observation = new Float32Array(count * WIDTH);
    this.#steps = new Float64Array(count);
    this.#isOver = new Uint8Array(count);
    for (let env = 0; env < count; env++) this.#reset(env);
  }

  /** Moves every environment on. */
  step(actions: Uint8Array): Steps {
    const count = actions.length;
    const reward = new Float32Array(count).fill(1);
    const [terminated, truncated] = [new Uint8Array(count), new Uint8Array(count)];
    const mask = new Uint8Array(count).fill(1);
    const finalObservation = this.observation.slice();
    for (let env = 0; env < count; env++) {
      if (this.#isOver[env] === 1) {
        mask[env] = 0;
        reward[env] = 0;
        this.#reset(env);
        finalObservation.set(this.#of(env), env * WIDTH);
        continue;
      }
      terminated[env] = this.#move(env, actions[env] ?? 0) ? 1 : 0;
      truncated[env] = terminated[env] === 0 && this.#steps[env] === LIMIT_STEPS ? 1 : 0;
      finalObservation.set(this.#of(env), env * WIDTH);
      if (terminated[env] === 1 || truncated[env] === 1) this.#end(env);
    }
    return { reward, terminated, truncated, finalObservation, mask };
  }

  /** Steps an episode lasted, on average over a part of all episodes: 0 is the first, 1 the last. */
  meanLength(from: number, to: number): number {
    const part = this.#lengths.slice(Math.floor(from * this.#lengths.length), Math.ceil(to * this.#lengths.length));
    return part.reduce((sum, length) => sum + length, 0) / part.length;
  }

  state(): CartPolesState {
    const { observation } = this;
    return {
      ...{ observation: observation.slice(), steps: this.#steps.slice(), isOver: this.#isOver.slice() },
      ...{ lengths: [...this.#lengths], random: this.#random.state() },
    };
  }

  setState(state: CartPolesState): void {
    this.observation.set(state.observation);
    this.#steps.set(state.steps);
    this.#isOver.set(state.isOver);
    this.#lengths.splice(0, this.#lengths.length, ...state.lengths);
    this.#random.setState(state.random);
  }

  #of(env: number): Float32Array {
    return this.observation.subarray(env * WIDTH, (env + 1) * WIDTH);
  }

  #end(env: number): void {
    this.#lengths.push(this.#steps[env] ?? 0);
    if (this.#autoreset === "same-step") this.#reset(env);
    else this.#isOver[env] = 1;
  }

  #reset(env: number): void {
    const observation = this.#of(env);
    for (let i = 0; i < WIDTH; i++) observation[i] = 0.1 * this.#random.uniform() - 0.05;
    this.#steps[env] = 0;
    this.#isOver[env] = 0;
  }

  /** One fiftieth of a second; true if the pole has fallen or the cart has left the track. */
  #move(env: number, action: number): boolean {
    const observation = this.#of(env);
    const [x = 0, speed = 0, angle = 0, turn = 0] = observation;
    const force = action === 1 ? 10 : -10;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const push = (force + 0.05 * turn * turn * sin) / 1.1;
    const turnChange = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos * cos) / 1.1));
    const speedChange = push - (0.05 * turnChange * cos) / 1.1;
    observation.set([x + 0.02 * speed, speed + 0.02 * speedChange, angle + 0.02 * turn, turn + 0.02 * turnChange]);
    this.#steps[env] = (this.#steps[env] ?? 0) + 1;
    return Math.abs(observation[0] ?? 0) > 2.4 || Math.abs(observation[2] ?? 0) > 0.2095;
  }
}
