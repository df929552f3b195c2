import { ReplayBuffer } from "../index.ts";
import type { TrainConfig } from "./contract.ts";
import type { Environment, ObservationSpace } from "./environment.ts";

/** What the trainer keeps of a step: an observation (a window of frames, where declared so) and an action. */
type TransitionFields = {
  readonly observation: ObservationSpace;
  readonly action: { readonly dtype: "float32"; readonly shape: readonly number[] };
};

/** The replay buffer that a population shares. */
export type Replay = ReplayBuffer<TransitionFields>;

/** Makes the empty buffer of a run. */
export function createReplay(config: TrainConfig, environment: Environment): Replay {
  const { capacity, prioritized } = config.buffer;
  const { observationSpace, actionSpace } = environment;
  return new ReplayBuffer<TransitionFields>({
    capacity,
    seed: config.seed,
    fields: {
      observation: observationSpace,
      action: { dtype: "float32", shape: actionSpace.shape },
    },
    ...(prioritized === null ? {} : { prioritized }),
  });
}
