import type { Random } from "../../index.ts";
import type { Kernels } from "../kernels/kernels.ts";

/** Where a layer's tensors lie, as offsets from the start of the parameters. */
export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** [inputs, outputs] */
  readonly weights: number;
  /** [outputs] */
  readonly biases: number;
}

export type OutputActivation = "linear" | "tanh";

/**
 * A multilayer perceptron with rectified hidden layers: its shape, and the memory to work in, but no parameters.
 * These are runs of `parameterCount` floats in the arena, handed to each call, so that a whole population shares one
 * network. Results stay valid until the next forward or backward pass.
 */
export class Network {
  readonly layers: readonly Layer[];
  readonly inputs: number;
  readonly outputs: number;
  readonly parameterCount: number;
  readonly #kernels: Kernels;
  readonly #output: OutputActivation;
  /** Of each layer: [maxRows, outputs] */
  readonly #activations: readonly number[];
  /** Of the loss by each layer's input: [maxRows, inputs] */
  readonly #gradients: readonly number[];
  readonly #scratch: number;

  constructor(kernels: Kernels, sizes: readonly number[], output: OutputActivation, maxRows: number) {
    this.#kernels = kernels;
    this.#output = output;
    this.layers = layOut(sizes);
    this.inputs = sizes[0] as number;
    this.outputs = sizes.at(-1) as number;
    this.parameterCount = this.layers.reduce((sum, { inputs, outputs }) => sum + (inputs + 1) * outputs, 0);
    const { arena } = kernels;
    this.#activations = this.layers.map(({ outputs }) => arena.allocate(maxRows * outputs));
    this.#gradients = this.layers.map(({ inputs }) => arena.allocate(maxRows * inputs));
    this.#scratch = arena.allocate(Math.max(...this.layers.map(({ inputs, outputs }) => inputs * outputs)));
  }

  /** Draws parameters uniformly within ±1/sqrt(inputs) of each layer: PyTorch's default. */
  initialize(parameters: number, random: Random): void {
    const { values } = this.#kernels.arena;
    for (const { inputs, outputs, weights, biases } of this.layers) {
      const bound = 1 / Math.sqrt(inputs);
      const draw = () => (2 * random.uniform() - 1) * bound;
      for (let i = 0; i < inputs * outputs; i++) values[parameters + weights + i] = draw();
      for (let i = 0; i < outputs; i++) values[parameters + biases + i] = draw();
    }
  }

  /** Computes the outputs [rows, outputs] of x [rows, inputs]; returns their index. */
  forward(parameters: number, x: number, rows: number): number {
    const kernels = this.#kernels;
    let from = x;
    for (const [index, { inputs, outputs, weights, biases }] of this.layers.entries()) {
      const y = this.#activations[index] as number;
      kernels.affine(from, parameters + weights, parameters + biases, y, rows, inputs, outputs);
      if (index < this.layers.length - 1) kernels.relu(y, rows * outputs);
      else if (this.#output === "tanh") kernels.tanh(y, rows * outputs);
      from = y;
    }
    return from;
  }

  /**
   * Goes back through the last forward pass, which had these parameters, x and rows.
   *
   * @param dy - of the loss by the outputs, [rows, outputs]; used up
   * @param gradients - the gradient by the parameters is added here; null leaves it out
   * @param wantInput - whether the gradient by x is wanted
   * @returns the index of the gradient by x, [rows, inputs], or -1
   */
  backward(
    parameters: number,
    x: number,
    rows: number,
    dy: number,
    gradients: number | null,
    wantInput: boolean,
  ): number {
    const kernels = this.#kernels;
    let gradient = dy;
    for (let index = this.layers.length - 1; index >= 0; index--) {
      const { inputs, outputs, weights, biases } = this.layers[index] as Layer;
      const y = this.#activations[index] as number;
      if (index < this.layers.length - 1) kernels.reluGradient(y, gradient, rows * outputs);
      else if (this.#output === "tanh") kernels.tanhGradient(y, gradient, rows * outputs);
      if (gradients !== null) {
        const from = index === 0 ? x : (this.#activations[index - 1] as number);
        kernels.addWeightGradient(from, gradient, gradients + weights, rows, inputs, outputs);
        kernels.addColumnSums(gradient, gradients + biases, rows, outputs);
      }
      if (index === 0 && !wantInput) return -1;
      const dx = this.#gradients[index] as number;
      kernels.inputGradient(gradient, parameters + weights, this.#scratch, dx, rows, inputs, outputs);
      gradient = dx;
    }
    return gradient;
  }
}

function layOut(sizes: readonly number[]): readonly Layer[] {
  let at = 0;
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] as number;
    const weights = at;
    const biases = weights + inputs * outputs;
    at = biases + outputs;
    return { inputs, outputs, weights, biases };
  });
}
