import type { Random } from "../index.ts";
import type { Agent, Mind, Networks } from "./agent.ts";
import type { TrainConfig } from "./contract.ts";
import type { FeatureEncoder } from "./environment.ts";
import type { Kernels } from "./kernels/kernels.ts";
import { adamStep } from "./networks/optimizer.ts";
import type { ActionScale } from "./policy.ts";
import type { Replay } from "./replay.ts";

type Batch = ReturnType<Replay["sample"]>;

export interface LearnerInput {
  readonly kernels: Kernels;
  readonly networks: Networks;
  readonly config: TrainConfig;
  readonly encoder: FeatureEncoder;
  readonly scale: ActionScale;
}

/**
 * Learns from a replay buffer: DDPG, or TD3 with its two critics, target smoothing and delayed actor. One learner
 * serves every agent of a run: it has memory to work in, and all that lasts is the agent's.
 *
 * Sources: Lillicrap et al. 2016; Fujimoto et al. 2018.
 */
export class Learner {
  readonly #kernels: Kernels;
  readonly #networks: Networks;
  readonly #settings: TrainConfig["learner"];
  readonly #smoothing: boolean;
  readonly #encoder: FeatureEncoder;
  readonly #scale: ActionScale;
  readonly #rows: number;
  readonly #observationSize: number;
  /** [rows, features] */
  readonly #features: number;
  readonly #nextFeatures: number;
  /** [rows, features + actions] */
  readonly #criticInput: number;
  readonly #nextCriticInput: number;
  /** [rows] */
  readonly #targets: Float64Array;
  readonly #weights: Float32Array;
  readonly #errors: Float64Array;
  /** [rows, 1] and [rows, actions]: gradients to start from. */
  readonly #valueGradient: number;
  readonly #actionGradient: number;
  readonly #actorGradients: number;
  readonly #criticGradients: number;
  #batch: Batch | undefined;

  constructor({ kernels, networks, config, encoder, scale }: LearnerInput, observationSize: number) {
    const { arena } = kernels;
    this.#kernels = kernels;
    this.#networks = networks;
    this.#settings = config.learner;
    this.#smoothing = config.algorithm === "td3";
    this.#encoder = encoder;
    this.#scale = scale;
    this.#rows = config.learner.batchSize * config.learner.batchesPerStep;
    this.#observationSize = observationSize;
    this.#features = arena.allocate(this.#rows * networks.actor.inputs);
    this.#nextFeatures = arena.allocate(this.#rows * networks.actor.inputs);
    this.#criticInput = arena.allocate(this.#rows * networks.critic.inputs);
    this.#nextCriticInput = arena.allocate(this.#rows * networks.critic.inputs);
    this.#targets = new Float64Array(this.#rows);
    this.#weights = new Float32Array(this.#rows);
    this.#errors = new Float64Array(this.#rows);
    this.#valueGradient = arena.allocate(this.#rows);
    this.#actionGradient = arena.allocate(this.#rows * scale.elements);
    this.#actorGradients = arena.allocate(networks.actor.parameterCount);
    this.#criticGradients = arena.allocate(networks.critic.parameterCount);
  }

  /**
   * Takes one gradient step: draws `batchesPerStep` batches, updates the critics by the mean gradient over all their
   * rows, and every `policyDelay` times the actor and the targets.
   *
   * @param random - for target smoothing; the draws are the buffer's own
   * @returns the first critic's loss, before the step
   */
  step({ mind }: Agent, replay: Replay, random: Random): number {
    if (mind === null) throw new TypeError("This agent does not learn");
    this.#draw(mind, replay, random);
    const loss = this.#updateCritics(mind);
    mind.updates++;
    if (mind.updates % this.#settings.policyDelay === 0) {
      this.#updateActor(mind);
      this.#moveTargets(mind);
    }
    return loss;
  }

  /**
   * Draws the rows of a step. Every batch's gradient is a sum over its rows, in order: going through all rows at once
   * gives the same bits as adding the batches' gradients up one after another.
   */
  #draw(mind: Mind, replay: Replay, random: Random): void {
    const { batchSize, batchesPerStep } = this.#settings;
    for (let index = 0; index < batchesPerStep; index++) {
      const batch = replay.sample(batchSize, this.#batch === undefined ? {} : { out: this.#batch });
      this.#batch = batch;
      const at = index * batchSize;
      this.#encodeRows(batch, at);
      this.#computeTargets(mind, batch, at, random);
      if (batch.weights === undefined) continue;
      this.#weights.set(batch.weights, at);
      // Their priorities are what the critic was wrong by before it learned from them.
      replay.updatePriorities(batch.indices, this.#temporalErrors(mind, at, batchSize));
    }
    if (this.#batch?.weights === undefined) this.#weights.fill(1);
  }

  /** Writes features, and features beside normalised actions, of a batch to the rows from `at` on. */
  #encodeRows({ observation, nextObservation, action }: Batch, at: number): void {
    const { values } = this.#kernels.arena;
    const { actor, critic } = this.#networks;
    const actions = this.#scale.elements;
    for (let row = 0; row < this.#settings.batchSize; row++) {
      const features = this.#features + (at + row) * actor.inputs;
      const next = this.#nextFeatures + (at + row) * actor.inputs;
      const input = this.#criticInput + (at + row) * critic.inputs;
      this.#encoder.encode(observation, row * this.#observationSize, values, features);
      this.#encoder.encode(nextObservation, row * this.#observationSize, values, next);
      values.copyWithin(input, features, features + actor.inputs);
      for (let i = 0; i < actions; i++) {
        values[input + actor.inputs + i] = this.#scale.toUnit(action[row * actions + i] as number, i);
      }
    }
  }

  /** reward + gamma × the least that the target critics expect of the target actor, unless the episode terminated. */
  #computeTargets(mind: Mind, { reward, terminated }: Batch, at: number, random: Random): void {
    const { batchSize, gamma, rewardScale } = this.#settings;
    const { values } = this.#kernels.arena;
    const { actor, critic } = this.#networks;
    const features = this.#nextFeatures + at * actor.inputs;
    const actions = actor.forward(mind.actorTarget, features, batchSize);
    const input = this.#nextCriticInput + at * critic.inputs;
    for (let row = 0; row < batchSize; row++) {
      const to = input + row * critic.inputs;
      values.copyWithin(to, features + row * actor.inputs, features + (row + 1) * actor.inputs);
      for (let i = 0; i < actor.outputs; i++) {
        const action = values[actions + row * actor.outputs + i] as number;
        values[to + actor.inputs + i] = this.#smoothing ? this.#smooth(action, random) : action;
      }
    }
    for (const [index, { target }] of mind.critics.entries()) {
      const expected = critic.forward(target, input, batchSize);
      for (let row = 0; row < batchSize; row++) {
        const value = values[expected + row] as number;
        const least = index === 0 ? value : Math.min(value, this.#errors[at + row] as number);
        this.#errors[at + row] = least;
        const bootstrap = terminated[row] === 1 ? 0 : gamma * least;
        this.#targets[at + row] = (reward[row] as number) * rewardScale + bootstrap;
      }
    }
  }

  #smooth(action: number, random: Random): number {
    const { targetNoise, targetNoiseClip } = this.#settings;
    const noise = Math.max(-targetNoiseClip, Math.min(targetNoiseClip, targetNoise * random.normal()));
    return Math.max(-1, Math.min(1, action + noise));
  }

  #temporalErrors(mind: Mind, at: number, rows: number): Float64Array {
    const { critic } = this.#networks;
    const first = mind.critics[0]?.online.parameters as number;
    const expected = critic.forward(first, this.#criticInput + at * critic.inputs, rows);
    const { values } = this.#kernels.arena;
    return this.#targets.slice(at, at + rows).map((target, row) => (values[expected + row] as number) - target);
  }

  #updateCritics(mind: Mind): number {
    const { critic } = this.#networks;
    const { values } = this.#kernels.arena;
    const { criticLearningRate, weightDecay } = this.#settings;
    let firstLoss = 0;
    for (const [index, { online }] of mind.critics.entries()) {
      const expected = critic.forward(online.parameters, this.#criticInput, this.#rows);
      let loss = 0;
      for (let row = 0; row < this.#rows; row++) {
        const error = (values[expected + row] as number) - (this.#targets[row] as number);
        const weight = this.#weights[row] as number;
        loss += (weight * error * error) / this.#rows;
        values[this.#valueGradient + row] = (2 * weight * error) / this.#rows;
      }
      if (index === 0) firstLoss = loss;
      values.fill(0, this.#criticGradients, this.#criticGradients + online.count);
      const gradient = this.#valueGradient;
      critic.backward(online.parameters, this.#criticInput, this.#rows, gradient, this.#criticGradients, false);
      adamStep(this.#kernels, online, this.#criticGradients, criticLearningRate, weightDecay);
    }
    return firstLoss;
  }

  /** Follows the first critic's gradient by the action uphill. */
  #updateActor(mind: Mind): void {
    const { actor, critic } = this.#networks;
    const { values } = this.#kernels.arena;
    const { actorLearningRate, weightDecay } = this.#settings;
    const first = mind.critics[0]?.online.parameters as number;
    const actions = actor.forward(mind.actor.parameters, this.#features, this.#rows);
    for (let row = 0; row < this.#rows; row++) {
      const to = this.#criticInput + row * critic.inputs + actor.inputs;
      values.copyWithin(to, actions + row * actor.outputs, actions + (row + 1) * actor.outputs);
    }
    critic.forward(first, this.#criticInput, this.#rows);
    values.fill(-1 / this.#rows, this.#valueGradient, this.#valueGradient + this.#rows);
    const byInput = critic.backward(first, this.#criticInput, this.#rows, this.#valueGradient, null, true);
    for (let row = 0; row < this.#rows; row++) {
      const from = byInput + row * critic.inputs + actor.inputs;
      values.copyWithin(this.#actionGradient + row * actor.outputs, from, from + actor.outputs);
    }
    values.fill(0, this.#actorGradients, this.#actorGradients + mind.actor.count);
    const gradient = this.#actionGradient;
    actor.backward(mind.actor.parameters, this.#features, this.#rows, gradient, this.#actorGradients, false);
    adamStep(this.#kernels, mind.actor, this.#actorGradients, actorLearningRate, weightDecay);
  }

  #moveTargets(mind: Mind): void {
    const { tau } = this.#settings;
    this.#kernels.polyak(mind.actorTarget, mind.actor.parameters, mind.actor.count, tau);
    for (const { online, target } of mind.critics) {
      this.#kernels.polyak(target, online.parameters, online.count, tau);
    }
  }
}
