import { createPendulumFactory } from "../../src/trainer/environments/pendulum.ts";
import { measureFrames, normalizeFrames } from "../../src/trainer/market/frames.ts";
import { computeIndicators, INDICATORS, WARM_UP_DAYS } from "../../src/trainer/market/indicators.ts";
import { createSyntheticPrices } from "../../src/trainer/market/synthetic.ts";
import { noise } from "./data.ts";

/** Days of 108 shares with the trainer's nine indicators each, normalised: what the frames of market windows hold. */
export function marketFrames(days: number): Float32Array {
  const prices = createSyntheticPrices({ instruments: 108, days: days + WARM_UP_DAYS, seed: 1 });
  const columns = 108 * INDICATORS.length;
  const indicators = computeIndicators(prices);
  const statistics = measureFrames(indicators, columns, WARM_UP_DAYS, prices.dates.length);
  return normalizeFrames(indicators, columns, statistics).subarray(WARM_UP_DAYS * columns);
}

export interface PendulumRow {
  readonly observation: Float32Array;
  readonly action: Float32Array;
  readonly reward: number;
  readonly nextObservation: Float32Array;
  readonly truncated: boolean;
}

/** The trainer's pendulum under random torques; the arrays of a row are used again by the next. */
export function* pendulumRows(seed: number): Generator<PendulumRow, never> {
  const environment = createPendulumFactory().create("training");
  const random = noise(seed);
  const [observation, action] = [new Float32Array(3), new Float32Array(1)];
  for (let episode = 1; ; episode++) {
    environment.reset(episode);
    for (let isOver = false; !isOver; ) {
      observation.set(environment.observation);
      action[0] = 4 * random() - 2;
      const { reward, terminated, truncated } = environment.step(action);
      isOver = terminated || truncated;
      yield { observation, action, reward, nextObservation: environment.observation, truncated };
    }
  }
}
