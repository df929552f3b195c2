import { ReplayBuffer, stateHash } from "../../src/index.ts";

/** What a run of the crash tests holds at each step: it follows from the step alone, whatever happened in between. */

const fields = {
  observation: { dtype: "float32", shape: [4] },
  action: { dtype: "int32", shape: [] },
} as const;

const ROWS_PER_STEP = 40;

export type CrashBuffer = ReplayBuffer<typeof fields>;

/** Blocks of a few rows, so that the buffer turns over within a few steps. */
export function createCrashBuffer(): CrashBuffer {
  return new ReplayBuffer({ capacity: 100, seed: 3, fields, prioritized: {}, internal: { blockBytes: 512 } });
}

/** Trains up to that step: adds the rows that a run has then and this buffer lacks. */
export function trainTo(buffer: CrashBuffer, step: number): void {
  while (buffer.totalAdded < step * ROWS_PER_STEP) {
    const row = buffer.totalAdded;
    buffer.add({
      observation: Float32Array.of(row, row / 8, -row, 1 / (row + 1)),
      action: row,
      reward: Math.sin(row),
      nextObservation: Float32Array.of(row + 1, (row + 1) / 8, -row - 1, 1 / (row + 2)),
      terminated: row % 10 === 9,
      truncated: false,
    });
  }
}

export interface CrashState {
  readonly step: number;
  readonly weights: Float32Array;
}

export function stateAt(step: number): CrashState {
  return { step, weights: Float32Array.from({ length: 300 }, (_, i) => step * 1000 + i) };
}

/** The hash of buffer and state as they have to be at a step. */
export function hashAt(step: number): string {
  const buffer = createCrashBuffer();
  trainTo(buffer, step);
  return stateHash({ buffer, state: stateAt(step) });
}
