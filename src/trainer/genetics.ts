import type { Random } from "../index.ts";
import type { TrainConfig } from "./contract.ts";
import type { Layer } from "./networks/network.ts";

/** The parameters that an agent passes on. */
export interface Genome {
  readonly actor: Float32Array;
  /** None where the population does not learn. */
  readonly critics: readonly Float32Array[];
}

type Settings = Pick<TrainConfig["evolution"], "mutationRate" | "mutationStrength">;
type FactorSettings = Pick<
  TrainConfig["evolution"],
  "mutationStrength" | "mutationFraction" | "superMutation" | "resetMutation"
>;

/** Beyond this a weight that grew by factors is cut off, so that no infinity arises. */
const WEIGHT_LIMIT = 1e6;
const SUPER_MUTATION_FACTOR = 10;

/** share × first + (1 - share) × second, weight by weight (the original's crossover). */
export function blend(first: Float32Array, second: Float32Array, share: number): Float32Array {
  return first.map((weight, i) => share * weight + (1 - share) * (second[i] as number));
}

/**
 * Takes the first parent's weights, with some neurons' incoming weights and biases from the second: in each layer up to
 * twice as many draws as it has neurons, each of which takes one over with probability 1/2 (the paper's crossover).
 */
export function swapColumns(
  first: Float32Array,
  second: Float32Array,
  layers: readonly Layer[],
  random: Random,
): Float32Array {
  const child = first.slice();
  for (const { inputs, outputs, weights, biases } of layers) {
    const draws = random.int(2 * outputs);
    for (let draw = 0; draw < draws; draw++) {
      if (random.uniform() >= 0.5) continue;
      const neuron = random.int(outputs);
      for (let i = 0; i < inputs; i++) {
        const at = weights + i * outputs + neuron;
        child[at] = second[at] as number;
      }
      child[biases + neuron] = second[biases + neuron] as number;
    }
  }
  return child;
}

/** Adds a Gaussian to each weight with probability `mutationRate`, in place (the original's mutation). */
export function mutateByNoise(weights: Float32Array, settings: Settings, random: Random): void {
  for (let i = 0; i < weights.length; i++) {
    if (random.uniform() >= settings.mutationRate) continue;
    weights[i] = (weights[i] as number) + random.normal() * settings.mutationStrength;
  }
}

/**
 * Changes up to `mutationFraction` of each weight matrix in proportion to the weights themselves, in place; some by ten
 * times as much, and some are drawn anew (the paper's mutation, which leaves biases alone).
 */
export function mutateByFactor(
  genome: Float32Array,
  layers: readonly Layer[],
  settings: FactorSettings,
  random: Random,
): void {
  const { mutationStrength, mutationFraction, superMutation, resetMutation } = settings;
  for (const { inputs, outputs, weights } of layers) {
    const count = inputs * outputs;
    const draws = random.int(Math.max(1, Math.ceil(mutationFraction * count)));
    for (let draw = 0; draw < draws; draw++) {
      const at = weights + random.int(count);
      const weight = genome[at] as number;
      const kind = random.uniform();
      const factor = kind < superMutation ? SUPER_MUTATION_FACTOR * mutationStrength : mutationStrength;
      const reset = kind >= superMutation && kind < superMutation + resetMutation;
      const mutated = reset ? random.normal() : weight + random.normal() * factor * weight;
      genome[at] = Math.max(-WEIGHT_LIMIT, Math.min(WEIGHT_LIMIT, mutated));
    }
  }
}
