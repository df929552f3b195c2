import { createRandom } from "../../index.ts";
import type { ActionSpace, Environment, FeatureEncoder, ObservationSpace, StepResult } from "../environment.ts";
import { INDICATORS } from "./indicators.ts";
import { Positions } from "./positions.ts";
import type { PriceTable } from "./price-table.ts";
import type { DayRange } from "./splits.ts";
import { createWindowEncoder } from "./window-encoder.ts";

const IDLE_PENALTY = 2;
const FITNESS_WITHOUT_A_TRADE = -10_000;
const LOWEST_TARGET_PERCENT = 10;
const HIGHEST_TARGET_PERCENT = 50;

export interface MarketEnvironmentInput {
  readonly prices: PriceTable;
  /** [days × instruments × 9], normalised */
  readonly frames: Float32Array;
  /** First days of episodes. */
  readonly starts: DayRange;
  readonly window: number;
  readonly tradingDays: number;
  /** The longest time that a position is held, and the number of settlement days. */
  readonly holdingDays: number;
  readonly maxCoefficient: number;
}

/**
 * Trades daily prices by the rules of the original task.
 *
 * One step is one day. The observation ends with the day's close, and the action trades at that close:
 *
 * ```
 *  day d: observation -> action -> open at the close of d   reward: -2 if nothing was held all day
 *  day d+1:                        close what is due        reward: coefficient × gain
 *          observation -> ...
 * ```
 *
 * Both rewards belong to the step of day d: what a close pays depends on positions opened up to that step, and on no
 * later action. So the reward of a trade comes as many steps after its action as the position was held.
 *
 * Trading days are followed by as many settlement days as a position is held at most: actions are ignored there, and
 * every position is closed when the episode terminates.
 */
export class MarketEnvironment implements Environment {
  readonly name = "market";
  readonly observationSpace: ObservationSpace;
  readonly actionSpace: ActionSpace;
  readonly encoder: FeatureEncoder;
  readonly observation: Float32Array;
  readonly #input: MarketEnvironmentInput;
  readonly #positions: Positions;
  readonly #columns: number;
  readonly #clipped: Float32Array;
  #firstDay = 0;
  #day = 0;
  #heldInTheMorning = false;

  constructor(input: MarketEnvironmentInput) {
    const instruments = input.prices.instruments.length;
    this.#input = input;
    this.#columns = instruments * INDICATORS.length;
    this.#positions = new Positions(input.prices, input.holdingDays);
    const shape = [input.window, instruments, INDICATORS.length];
    this.observationSpace = { dtype: "float32", shape, frames: input.window };
    this.actionSpace = createActionSpace(instruments, input.maxCoefficient);
    this.encoder = createWindowEncoder(input.window, this.#columns);
    this.observation = new Float32Array(input.window * this.#columns);
    this.#clipped = new Float32Array(instruments * 2);
  }

  reset(seed: number): void {
    const { from, to } = this.#input.starts;
    this.startAt(from + drawInt(seed, to - from));
  }

  /** Starts an episode on a day of the calendar. */
  startAt(day: number): void {
    this.#firstDay = day;
    this.#day = day;
    this.#heldInTheMorning = false;
    this.#positions.clear();
    this.#observe();
  }

  step(action: Float32Array): StepResult {
    const { tradingDays, holdingDays } = this.#input;
    const daysDone = this.#day - this.#firstDay;
    if (daysDone < tradingDays) this.#positions.open(this.#day, this.#clip(action));
    const idle = !this.#heldInTheMorning && this.#positions.count === 0;
    this.#day += 1;
    this.#heldInTheMorning = this.#positions.count > 0;
    const closed = this.#positions.close(this.#day);
    this.#observe();
    return {
      reward: closed - (idle ? IDLE_PENALTY : 0),
      terminated: daysDone + 1 === tradingDays + holdingDays,
      truncated: false,
    };
  }

  episodeFitness(returnSum: number): number {
    return this.#positions.trades === 0 ? FITNESS_WITHOUT_A_TRADE : returnSum;
  }

  #observe(): void {
    const { frames, window } = this.#input;
    const end = (this.#day + 1) * this.#columns;
    this.observation.set(frames.subarray(end - window * this.#columns, end));
  }

  #clip(action: Float32Array): Float32Array {
    const { low, high } = this.actionSpace;
    for (let index = 0; index < this.#clipped.length; index += 1) {
      const value = action[index] as number;
      this.#clipped[index] = Math.min(high[index] as number, Math.max(low[index] as number, value));
    }
    return this.#clipped;
  }
}

function createActionSpace(instruments: number, maxCoefficient: number): ActionSpace {
  const low = new Float32Array(instruments * 2);
  const high = new Float32Array(instruments * 2);
  for (let instrument = 0; instrument < instruments; instrument += 1) {
    low.set([0, LOWEST_TARGET_PERCENT], 2 * instrument);
    high.set([maxCoefficient, HIGHEST_TARGET_PERCENT], 2 * instrument);
  }
  return { shape: [instruments, 2], low, high };
}

/** An integer in [0, bound) from a seed alone. */
function drawInt(seed: number, bound: number): number {
  const random = createRandom(seed);
  // The first numbers of neighbouring seeds resemble each other.
  for (let discarded = 0; discarded < 16; discarded += 1) random.uniform();
  return random.int(bound);
}
