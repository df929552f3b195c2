import type { AnyBuffer, BufferStats, Checkpointer } from "../index.ts";
import type { EnvironmentFactory } from "./environment.ts";
import type { Kernels } from "./kernels/kernels.ts";

/** All settings of a training run. JSON; saved with every checkpoint and compared on resume. */
export interface TrainConfig {
  readonly environment: string;
  /** Handed to the environment as it is (`market`: data, instruments, window). JSON. */
  readonly environmentOptions: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly generations: number;
  readonly population: number;
  /** "population": every agent learns (the original). "learner": one does, and enters the population (the paper). */
  readonly learning: "population" | "learner";
  readonly algorithm: "ddpg" | "td3";
  readonly hiddenSizes: readonly number[];
  readonly episodesPerAgent: number;
  readonly buffer: {
    readonly capacity: number;
    /** Learning starts when so many transitions are held. */
    readonly learningStarts: number;
    readonly prioritized: { readonly alpha: number; readonly beta: number } | null;
  };
  readonly learner: {
    readonly batchSize: number;
    /** Batches whose gradients are accumulated into one step. */
    readonly batchesPerStep: number;
    /** Gradient steps a generation and learner; 0: `updateRatio` times the frames of the generation. */
    readonly stepsPerGeneration: number;
    readonly updateRatio: number;
    readonly gamma: number;
    readonly tau: number;
    /** What rewards are multiplied with before the critic sees them. */
    readonly rewardScale: number;
    readonly actorLearningRate: number;
    readonly criticLearningRate: number;
    readonly weightDecay: number;
    /** TD3: critic updates for each actor update, and target smoothing; noise in units of half the action range. */
    readonly policyDelay: number;
    readonly targetNoise: number;
    readonly targetNoiseClip: number;
  };
  /** Gaussian, in units of half the action range; multiplied with `decay` at every exploring step. */
  readonly exploration: { readonly noise: number; readonly decay: number; readonly floor: number };
  readonly evolution: {
    readonly eliteFraction: number;
    readonly offspringFraction: number;
    readonly tournamentSize: number;
    /** "blend": weights a*w1 + (1-a)*w2 (the original). "swap": columns exchanged (the paper). */
    readonly crossover: "blend" | "swap";
    readonly blendLow: number;
    readonly blendHigh: number;
    /** The chance that a weight of a mutant changes (the original), or that an individual mutates (the paper). */
    readonly mutationRate: number;
    readonly mutationStrength: number;
    /**
     * 0: the original's mutation. Above 0: the paper's, which touches up to this fraction of each matrix of offspring
     * and mutants alike, by a factor, with `superMutation` and `resetMutation` as the chances of the strong kinds.
     */
    readonly mutationFraction: number;
    readonly superMutation: number;
    readonly resetMutation: number;
    /** The learner's actor enters the population every so many generations. */
    readonly syncEvery: number;
  };
  readonly validationEpisodes: number;
  /** Fresh episodes on which the champion is evaluated at the end. */
  readonly championEpisodes: number;
  readonly saveEvery: number;
}

/** One generation, as a person wants to see it and as `logs/metrics.jsonl` records it. */
export interface GenerationReport {
  /** Completed generations, this one included: the checkpoint's step. */
  readonly generation: number;
  readonly generations: number;
  readonly frames: number;
  readonly fitnessMean: number;
  readonly fitnessMax: number;
  readonly fitnessSpread: number;
  readonly validation: number | null;
  readonly bufferSize: number;
  readonly bufferCapacity: number;
  readonly learningStarts: number;
  readonly criticLoss: number | null;
  readonly gradientSteps: number;
  readonly evaluateMs: number;
  readonly learnMs: number;
  readonly evolveMs: number;
  readonly generationMs: number;
  /** Time that `save()` blocked training after this generation; 0 where none was made. */
  readonly blockedMs: number;
  readonly saved: boolean;
}

export interface TrainHooks {
  readonly onGeneration?: ((report: GenerationReport, buffer: BufferStats) => void) | undefined;
  /** Everything is set up, and nothing was restored: the first generation begins. */
  readonly onStarted?: (() => void) | undefined;
  readonly onRestored?: ((step: number, sequence: number) => void) | undefined;
  /** Asked between episodes, after yielding to the event loop: true ends training at the end of the generation. */
  readonly shouldStop?: (() => boolean) | undefined;
}

export interface TrainInput {
  readonly config: TrainConfig;
  readonly environment: EnvironmentFactory;
  /** Without one nothing is saved. Not closed by train(). */
  readonly checkpointer?: Checkpointer | undefined;
  readonly resume?: { readonly step?: number | undefined } | undefined;
  readonly hooks?: TrainHooks | undefined;
  /** By default WASM, or its TypeScript twin where it was not built. Not to be shared between runs. */
  readonly kernels?: Kernels | undefined;
}

export interface TrainResult {
  readonly generations: number;
  readonly frames: number;
  /** False if `shouldStop` ended it before the last generation. */
  readonly finished: boolean;
  readonly champion: {
    readonly generation: number;
    /** Mean and standard deviation over `championEpisodes` fresh episodes of a random stream of its own. */
    readonly mean: number;
    readonly deviation: number;
    readonly episodes: number;
    /** The same on data that neither training nor selection saw; null where the environment has none. */
    readonly holdoutMean: number | null;
  };
  readonly reports: readonly GenerationReport[];
  /** SHA-256 over everything: weights, moments, buffer, random streams, fitness history. */
  readonly stateHash: string;
  readonly buffer: AnyBuffer;
}
