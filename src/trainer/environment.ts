/** Turns an observation into the numbers that a network takes: a fixed, parameter-free encoder. */
export interface FeatureEncoder {
  readonly featureCount: number;
  /** Reads the observation that starts at element `at` of `observations`, writes `featureCount` numbers to `out`. */
  encode(observations: Float32Array, at: number, out: Float32Array, outAt: number): void;
}

export interface ObservationSpace {
  readonly dtype: "float32";
  readonly shape: readonly number[];
  /** For windows: how many frames the leading axis is divided into. */
  readonly frames?: number;
}

/** A box: every action element lies in [low, high] of its own. */
export interface ActionSpace {
  readonly shape: readonly number[];
  /** [elements] */
  readonly low: Float32Array;
  /** [elements] */
  readonly high: Float32Array;
}

export interface StepResult {
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/**
 * One environment, by Gymnasium's conventions, with an observation that lives in the environment: `observation` is
 * overwritten by the next `reset` or `step`, so that an episode allocates nothing.
 */
export interface Environment {
  readonly name: string;
  readonly observationSpace: ObservationSpace;
  readonly actionSpace: ActionSpace;
  readonly encoder: FeatureEncoder;
  /** [elements of observationSpace]; valid until the next reset or step. */
  readonly observation: Float32Array;
  /** Starts an episode. Equal seeds give equal episodes. */
  reset(seed: number): void;
  /** Takes one step. `action` has the elements of actionSpace; values outside the box are clipped. */
  step(action: Float32Array): StepResult;
  /**
   * The fitness of the episode that just ended; by default the sum of its rewards.
   * (`market`: -10,000 for an episode without a trade.)
   */
  episodeFitness?(returnSum: number): number;
}

/** Which part of an environment's data an episode is drawn from; environments without data ignore it. */
export type Split = "training" | "validation" | "holdout";

/** Makes the environments of one kind. */
export interface EnvironmentFactory {
  readonly name: string;
  create(split: Split): Environment;
  /** Whether "holdout" episodes come from data that neither training nor selection sees. */
  readonly hasHoldout?: boolean | undefined;
  /** What of the environment a resumed run must share (data hash, settings): compared on resume. JSON. */
  readonly fingerprint: Readonly<Record<string, unknown>>;
}
