import type { Random } from "../../src/index.ts";

export interface QNetworkState {
  readonly weights: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly updates: number;
}

/** A network with one hidden layer (tanh) that values actions, trained by Adam. Plain loops, for reading. */
export class QNetwork {
  readonly #inputs: number;
  readonly #hidden: number;
  readonly #actions: number;
  /** Hidden weights, hidden biases, output weights, output biases, one after another. */
  readonly #weights: Float32Array;
  readonly #mean: Float32Array;
  readonly #variance: Float32Array;
  readonly #gradient: Float32Array;
  readonly #activation: Float32Array;
  readonly #values: Float32Array;
  #updates = 0;

  constructor([inputs, hidden, actions]: readonly [number, number, number], random: Random) {
    this.#inputs = inputs;
    this.#hidden = hidden;
    this.#actions = actions;
    const size = (inputs + 1) * hidden + (hidden + 1) * actions;
    this.#weights = new Float32Array(size);
    const outputs = (inputs + 1) * hidden;
    for (let i = 0; i < inputs * hidden; i++) this.#weights[i] = random.normal() / Math.sqrt(inputs);
    for (let i = 0; i < hidden * actions; i++) this.#weights[outputs + i] = random.normal() / Math.sqrt(hidden);
    [this.#mean, this.#variance, this.#gradient] = [
      new Float32Array(size),
      new Float32Array(size),
      new Float32Array(size),
    ];
    this.#activation = new Float32Array(hidden);
    this.#values = new Float32Array(actions);
  }

  /** The action with the highest value. */
  best(observation: Float32Array): number {
    this.#forward(observation);
    return this.#values.indexOf(Math.max(...this.#values));
  }

  /** The value of that action. */
  highest(observation: Float32Array): number {
    this.#forward(observation);
    return Math.max(...this.#values);
  }

  /** Moves the values of the actions taken towards their targets; errors beyond 1 count as 1 (Mnih et al. 2015). */
  learn(observations: Float32Array, actions: ArrayLike<number>, targets: Float32Array, rate: number): void {
    this.#gradient.fill(0);
    for (let row = 0; row < targets.length; row++) {
      const observation = observations.subarray(row * this.#inputs, (row + 1) * this.#inputs);
      const action = actions[row] ?? 0;
      this.#forward(observation);
      const error = (this.#values[action] ?? 0) - (targets[row] ?? 0);
      this.#backward(observation, action, Math.min(1, Math.max(-1, error)) / targets.length);
    }
    this.#update(rate);
  }

  copyFrom(other: QNetwork): void {
    this.#weights.set(other.#weights);
  }

  state(): QNetworkState {
    const [weights, mean, variance] = [this.#weights.slice(), this.#mean.slice(), this.#variance.slice()];
    return { weights, mean, variance, updates: this.#updates };
  }

  setState(state: QNetworkState): void {
    this.#weights.set(state.weights);
    this.#mean.set(state.mean);
    this.#variance.set(state.variance);
    this.#updates = state.updates;
  }

  #forward(observation: Float32Array): void {
    const weights = this.#weights;
    const [inputs, hidden, actions] = [this.#inputs, this.#hidden, this.#actions];
    for (let h = 0; h < hidden; h++) {
      let sum = weights[inputs * hidden + h] as number;
      for (let i = 0; i < inputs; i++) sum += (weights[h * inputs + i] as number) * (observation[i] as number);
      this.#activation[h] = Math.tanh(sum);
    }
    const outputs = (inputs + 1) * hidden;
    for (let a = 0; a < actions; a++) {
      let sum = weights[outputs + hidden * actions + a] as number;
      for (let h = 0; h < hidden; h++)
        sum += (weights[outputs + a * hidden + h] as number) * (this.#activation[h] as number);
      this.#values[a] = sum;
    }
  }

  /** Adds the gradient of one row, whose forward pass was the last. */
  #backward(observation: Float32Array, action: number, error: number): void {
    const [gradient, weights] = [this.#gradient, this.#weights];
    const [inputs, hidden, actions] = [this.#inputs, this.#hidden, this.#actions];
    const output = (inputs + 1) * hidden + action * hidden;
    const bias = (inputs + 1) * hidden + hidden * actions + action;
    gradient[bias] = (gradient[bias] as number) + error;
    for (let h = 0; h < hidden; h++) {
      const activation = this.#activation[h] as number;
      gradient[output + h] = (gradient[output + h] as number) + error * activation;
      const before = error * (weights[output + h] as number) * (1 - activation * activation);
      gradient[inputs * hidden + h] = (gradient[inputs * hidden + h] as number) + before;
      for (let i = 0; i < inputs; i++) {
        const at = h * inputs + i;
        gradient[at] = (gradient[at] as number) + before * (observation[i] as number);
      }
    }
  }

  /** Adam (Kingma and Ba 2015). */
  #update(rate: number): void {
    this.#updates += 1;
    const scale = (rate * Math.sqrt(1 - 0.999 ** this.#updates)) / (1 - 0.9 ** this.#updates);
    for (let i = 0; i < this.#weights.length; i++) {
      const slope = this.#gradient[i] as number;
      const mean = 0.9 * (this.#mean[i] as number) + 0.1 * slope;
      const variance = 0.999 * (this.#variance[i] as number) + 0.001 * slope * slope;
      this.#mean[i] = mean;
      this.#variance[i] = variance;
      this.#weights[i] = (this.#weights[i] as number) - (scale * mean) / (Math.sqrt(variance) + 1e-8);
    }
  }
}
