import { createRandom, type Random } from "../index.ts";
import { type Agent, createActor, createLearningAgent, type Networks } from "./agent.ts";
import type { TrainConfig, TrainInput } from "./contract.ts";
import type { Environment } from "./environment.ts";
import { kernelFingerprint } from "./kernels/fingerprint.ts";
import type { Kernels } from "./kernels/kernels.ts";
import { loadKernels } from "./kernels/load-kernels.ts";
import { Learner } from "./learner.ts";
import { Network } from "./networks/network.ts";
import { Policy } from "./policy.ts";
import { createReplay, type Replay } from "./replay.ts";
import { Rollout } from "./rollout.ts";
import { seedFor } from "./seeds.ts";

/** The best actor so far, and when and how well it did. */
export interface Champion {
  /** The generation that it comes from; 0 before the first. */
  generation: number;
  score: number;
  readonly actor: Float32Array;
}

/** What grows as training goes on, beside the networks. */
export interface Progress {
  /** Completed generations. */
  generation: number;
  frames: number;
  /** Of every generation, the fitness of every agent. */
  readonly fitness: Float64Array[];
  /** Of every generation; NaN where none was made. */
  readonly validation: number[];
}

/** The random streams that run through a whole training; episodes have their own, by `seedFor`. */
export interface Streams {
  readonly evolution: Random;
  /** Target smoothing. What is sampled is drawn by the buffer's own. */
  readonly learning: Random;
}

/** Everything that a run consists of. All that lasts of it is in `trainer-state.ts`. */
export interface Trainer {
  readonly config: TrainConfig;
  /** What a checkpoint must agree with to be resumed, beside the configuration. */
  readonly fingerprints: { readonly environment: Readonly<Record<string, unknown>>; readonly kernels: string };
  readonly kernels: Kernels;
  readonly networks: Networks;
  readonly replay: Replay;
  readonly learner: Learner;
  readonly rollout: Rollout;
  readonly policy: Policy;
  readonly population: readonly Agent[];
  /** The one that learns beside the population (the paper); null where the population itself learns. */
  readonly apprentice: Agent | null;
  readonly streams: Streams;
  readonly progress: Progress;
  readonly champion: Champion;
}

/** Sets a run up from its configuration and seed alone. */
export function createTrainer({ config, environment: factory, kernels = loadKernels() }: TrainInput): Trainer {
  const environment = factory.create("training");
  const networks = createNetworks(kernels, config, environment);
  const policy = new Policy(kernels, networks.actor, environment);
  const random = createRandom(seedFor(config.seed, "initial"));
  const { noise } = config.exploration;
  const newLearner = () => createLearningAgent(kernels, networks, noise, random);
  const population = Array.from({ length: config.population }, () =>
    config.learning === "population" ? newLearner() : createActor(kernels, networks, random),
  );
  const apprentice = config.learning === "learner" ? newLearner() : null;
  const learnerInput = { kernels, networks, config, encoder: environment.encoder, scale: policy.scale };
  const learner = new Learner(learnerInput, environment.observation.length);
  const fingerprints = { environment: factory.fingerprint, kernels: kernelFingerprint(kernels) };
  const first = (population[0] as Agent).actor;
  return {
    config,
    fingerprints,
    kernels,
    networks,
    policy,
    learner,
    population,
    apprentice,
    rollout: new Rollout(environment, policy),
    replay: createReplay(config, environment),
    streams: {
      evolution: createRandom(seedFor(config.seed, "evolution")),
      learning: createRandom(seedFor(config.seed, "learning")),
    },
    progress: { generation: 0, frames: 0, fitness: [], validation: [] },
    champion: {
      generation: 0,
      score: Number.NEGATIVE_INFINITY,
      actor: kernels.arena.view(first, networks.actor.parameterCount).slice(),
    },
  };
}

function createNetworks(kernels: Kernels, config: TrainConfig, environment: Environment): Networks {
  const { featureCount } = environment.encoder;
  const actions = environment.actionSpace.low.length;
  const rows = config.learner.batchSize * config.learner.batchesPerStep;
  const actorSizes = [featureCount, ...config.hiddenSizes, actions];
  const criticSizes = [featureCount + actions, ...config.hiddenSizes, 1];
  return {
    actor: new Network(kernels, actorSizes, "tanh", rows),
    critic: new Network(kernels, criticSizes, "linear", rows),
    criticCount: config.algorithm === "td3" ? 2 : 1,
  };
}
