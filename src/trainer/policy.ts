import type { Random } from "../index.ts";
import type { ActionSpace, Environment, FeatureEncoder } from "./environment.ts";
import type { Kernels } from "./kernels/kernels.ts";
import type { Network } from "./networks/network.ts";

/** The middle and half the width of an action's box: networks act in [-1, 1]. */
export class ActionScale {
  readonly elements: number;
  readonly #middle: Float32Array;
  readonly #half: Float32Array;

  constructor({ low, high }: ActionSpace) {
    this.elements = low.length;
    this.#middle = low.map((value, i) => (value + (high[i] as number)) / 2);
    this.#half = low.map((value, i) => ((high[i] as number) - value) / 2);
  }

  toAction(unit: number, element: number): number {
    return (this.#middle[element] as number) + unit * (this.#half[element] as number);
  }

  toUnit(action: number, element: number): number {
    return (action - (this.#middle[element] as number)) / (this.#half[element] as number);
  }
}

/** Acts for any actor of a population: encodes an observation, runs the actor, scales its output to the action's box. */
export class Policy {
  readonly scale: ActionScale;
  readonly #kernels: Kernels;
  readonly #network: Network;
  readonly #encoder: FeatureEncoder;
  readonly #features: number;

  constructor(kernels: Kernels, network: Network, environment: Environment) {
    this.scale = new ActionScale(environment.actionSpace);
    this.#kernels = kernels;
    this.#network = network;
    this.#encoder = environment.encoder;
    this.#features = kernels.arena.allocate(network.inputs);
  }

  /**
   * Chooses an action.
   *
   * @param actor - index of the actor's parameters
   * @param noise - deviation of Gaussian noise, in units of half the action range; 0 draws nothing
   * @param action - [elements], written
   */
  act(actor: number, observation: Float32Array, noise: number, random: Random, action: Float32Array): void {
    const { values } = this.#kernels.arena;
    this.#encoder.encode(observation, 0, values, this.#features);
    const y = this.#network.forward(actor, this.#features, 1);
    for (let i = 0; i < action.length; i++) {
      let unit = values[y + i] as number;
      if (noise > 0) unit = Math.max(-1, Math.min(1, unit + noise * random.normal()));
      action[i] = this.scale.toAction(unit, i);
    }
  }
}
