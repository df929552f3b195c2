import { ReplayBuffer } from "../../src/index.ts";

/** What a soaked run holds: every row follows from its number, and no codec makes it much smaller. */

const VALUES = 60;
const fields = {
  observation: { dtype: "float32", shape: [VALUES] },
  action: { dtype: "int32", shape: [] },
} as const;

/** About 10 MB of rows, 5 MB of them stored. */
const CAPACITY = 20_000;
export const SOAK_PINNED_BYTES: number = 4 * 1024 * 1024;

export type SoakBuffer = ReplayBuffer<typeof fields>;

export function createSoakBuffer(): SoakBuffer {
  return new ReplayBuffer({ capacity: CAPACITY, seed: 5, fields, internal: { blockBytes: 256 * 1024 } });
}

function fillObservation(values: Float32Array, row: number): Float32Array {
  let mixed = Math.imul(row + 1, 0x9e3779b1);
  for (let index = 0; index < VALUES; index++) {
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) + index;
    values[index] = mixed / 2 ** 31;
  }
  return values;
}

const [now, next] = [new Float32Array(VALUES), new Float32Array(VALUES)];

export function addRows(buffer: SoakBuffer, count: number): void {
  for (let added = 0; added < count; added++) {
    const row = buffer.totalAdded;
    const observation = fillObservation(now, row);
    const nextObservation = fillObservation(next, row + 1);
    buffer.add({ observation, action: row, reward: row / 8, nextObservation, terminated: false, truncated: false });
  }
}

/** What is wrong with the rows of a restored buffer; null if they are those that were added before that one. */
export function wrongRows(buffer: SoakBuffer, rowsAdded: number): string | null {
  const { from, to } = buffer.rowRange();
  if (to !== rowsAdded || to - from !== Math.min(CAPACITY, rowsAdded)) return `rows ${from} to ${to} of ${rowsAdded}`;
  const { action, observation, nextObservation } = buffer.readRows(from, to);
  for (let row = from; row < to; row++) {
    const at = (row - from) * VALUES;
    const isRight =
      action[row - from] === row &&
      isEqual(observation.subarray(at, at + VALUES), fillObservation(now, row)) &&
      isEqual(nextObservation.subarray(at, at + VALUES), fillObservation(next, row + 1));
    if (!isRight) return `row ${row} is another than was added`;
  }
  return null;
}

function isEqual(values: Float32Array, expected: Float32Array): boolean {
  return values.every((value, index) => value === expected[index]);
}
