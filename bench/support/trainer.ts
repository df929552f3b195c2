import { ReplayBuffer } from "../../src/index.ts";
import { NoiseRows } from "./data.ts";

const OBSERVATION = 256;
const CAPACITY = 100_000;
const LAYER = 96;
const fields = {
  observation: { dtype: "float32", shape: [OBSERVATION] },
  action: { dtype: "float32", shape: [2] },
} as const;

/** Fills one core: a layer of a network and one add() a step. */
export class Trainer {
  readonly buffer = new ReplayBuffer({ capacity: CAPACITY, fields });
  readonly weights: Float32Array = new Float32Array(LAYER * LAYER).fill(0.01);
  readonly #input = new Float32Array(LAYER).fill(1);
  readonly #output = new Float32Array(LAYER);
  readonly #rows = new NoiseRows(OBSERVATION, 5);
  readonly #action = new Float32Array(2);
  #observation = new Float32Array(OBSERVATION);
  #nextObservation = new Float32Array(OBSERVATION);

  step(): void {
    const { weights } = this;
    const [input, output] = [this.#input, this.#output];
    for (let i = 0; i < LAYER; i++) {
      let sum = 0;
      for (let j = 0; j < LAYER; j++) sum += (weights[i * LAYER + j] as number) * (input[j] as number);
      output[i] = sum;
    }
    input[0] = output[0] as number;
    [this.#observation, this.#nextObservation] = [this.#nextObservation, this.#observation];
    this.#rows.write(this.#nextObservation);
    const [observation, nextObservation, action] = [this.#observation, this.#nextObservation, this.#action];
    this.buffer.add({ observation, action, reward: 0, nextObservation, terminated: false, truncated: false });
  }
}

export interface Window {
  readonly stepsPerSecond: number;
  /** By the time that the training thread ran: what other processes take from it does not count. */
  readonly stepsPerCpuSecond: number;
  readonly longestGapMs: number;
}

export interface WindowOptions {
  readonly durationMs: number;
  /** Whether the trainer lets the event loop run, every millisecond. */
  readonly yields: boolean;
  /** Called after every step. */
  readonly between: () => void;
}

/** Trains for a while and tells how fast, and how long the longest step took. */
export async function trainFor(trainer: Trainer, { durationMs, yields, between }: WindowOptions): Promise<Window> {
  const startedMs = performance.now();
  const startedCpu = process.threadCpuUsage();
  let [steps, longestGapMs, lastMs, yieldedMs] = [0, 0, startedMs, startedMs];
  while (lastMs - startedMs < durationMs) {
    trainer.step();
    steps += 1;
    between();
    if (yields && lastMs - yieldedMs >= 1) {
      await new Promise(setImmediate);
      yieldedMs = performance.now();
    }
    const nowMs = performance.now();
    longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
    lastMs = nowMs;
  }
  const { user, system } = process.threadCpuUsage(startedCpu);
  const stepsPerSecond = (1000 * steps) / (lastMs - startedMs);
  return { stepsPerSecond, stepsPerCpuSecond: (1e6 * steps) / (user + system), longestGapMs };
}
