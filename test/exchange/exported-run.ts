import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import { Checkpointer, type CheckpointReader, ReplayBuffer } from "../../src/index.ts";

/** One of each: inline, interned as declared windows and as a whole, extras of every width, priorities. */
export const FIELDS = {
  observation: {
    pose: { dtype: "float64", shape: [3] },
    prices: { dtype: "float32", shape: [6, 2], frames: 3 },
    picture: { dtype: "uint8", shape: [20, 20] },
  },
  action: { dtype: "float32", shape: [2] },
  tag: { dtype: "int64", shape: [] },
  count: { dtype: "uint64", shape: [2] },
  small: { dtype: "int8", shape: [] },
  wide: { dtype: "uint32", shape: [1, 2] },
} as const;

export const CAPACITY = 70;
export const ADDED = 100;

function observationAt(env: number, time: number) {
  return {
    pose: Float64Array.of(env, Math.sin(time), time % 7 === 0 ? Number.NaN : -0),
    prices: Float32Array.from({ length: 12 }, (_, i) => env * 1000 + 2 * time * 2 + i),
    picture: new Uint8Array(400).fill((time + env) % 5),
  };
}

/** The transition that was added as number `row`. */
export function transitionAt(row: number) {
  const [env, time] = [row % 2 === 0 ? 0 : 3, row >> 1];
  const isEnd = time % 10 === 9;
  return {
    transition: {
      observation: observationAt(env, time),
      nextObservation: observationAt(env, isEnd ? 999 : time + 1),
      action: Float32Array.of(time / 3, -0),
      reward: -time,
      terminated: isEnd,
      truncated: false,
      tag: BigInt(time) * -(2n ** 40n),
      count: BigUint64Array.of(2n ** 64n - 1n, BigInt(row)),
      small: -(time % 100),
      wide: Uint32Array.of(2 ** 32 - 1, row),
    },
    env,
  };
}

const STATE = {
  nets: [{ w: Float32Array.of(1.5, -0, Number.NaN) }, { "a/b": Float64Array.of(Math.PI) }],
  $odd: { "": Int16Array.of(-3, 4) },
  "..": BigInt64Array.of(-5n),
  learningRate: Number.POSITIVE_INFINITY,
  none: new Uint8Array(0),
};

/** The state's arrays by the names that exports give them. */
export const STATE_ARRAYS = {
  "state/nets.0.w": STATE.nets[0]?.w as Float32Array,
  "state/nets.1.a=2Fb": STATE.nets[1]?.["a/b"] as Float64Array,
  "state/=24odd.=": STATE.$odd[""],
  "state/=2E=2E": STATE[".."],
  "state/none": STATE.none,
} as const;

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-exchange-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A run of two checkpoints, whose buffer is past its capacity; and the newest of them, opened. */
export async function exportedRun(): Promise<{ store: string; reader: CheckpointReader }> {
  const store = temporaryFolder();
  const buffer = new ReplayBuffer({
    ...{ capacity: CAPACITY, seed: 1, fields: FIELDS, prioritized: { alpha: 1, beta: 1 } },
    internal: { blockBytes: 8192 },
  });
  const checkpointer = await Checkpointer.open({ store });
  onTestFinished(async () => void (await checkpointer.close()));
  for (let row = 0; row < ADDED; row++) {
    const { transition, env } = transitionAt(row);
    buffer.add(transition, { env });
    if (row === 40) await checkpointer.save({ step: 1, buffer }).committed;
  }
  await checkpointer.save({ step: 2, buffer, state: STATE, metrics: { score: 1.5 } }).committed;
  const reader = await checkpointer.openCheckpoint();
  if (reader === null) throw new Error("the run has checkpoints");
  return { store, reader };
}

interface Expected {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of the bytes in C order, little-endian. */
  readonly sha256: string;
}

/** What every reader must find of rows [from, ADDED), from what was added and nothing else. */
export function expectedRows(from: number): Record<string, Expected> {
  const rows = Array.from({ length: ADDED - from }, (_, index) => transitionAt(from + index));
  const column = (
    dtype: string,
    shape: readonly number[],
    valueOf: (row: (typeof rows)[number], index: number) => ArrayBufferView,
  ): Expected => {
    const parts = rows
      .map(valueOf)
      .map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
    return { dtype, shape: [rows.length, ...shape], sha256: sha256Hex(Buffer.concat(parts)) };
  };
  const sides = (["observation", "nextObservation"] as const).flatMap((side) => [
    [`${side}.pose`, column("float64", [3], ({ transition }) => transition[side].pose)] as const,
    [`${side}.prices`, column("float32", [6, 2], ({ transition }) => transition[side].prices)] as const,
    [`${side}.picture`, column("uint8", [20, 20], ({ transition }) => transition[side].picture)] as const,
  ]);
  const flag = (value: boolean): Uint8Array => Uint8Array.of(value ? 1 : 0);
  return {
    ...Object.fromEntries(sides),
    action: column("float32", [2], ({ transition }) => transition.action),
    reward: column("float32", [], ({ transition }) => Float32Array.of(transition.reward)),
    terminated: column("uint8", [], ({ transition }) => flag(transition.terminated)),
    truncated: column("uint8", [], () => flag(false)),
    episodeStart: column("uint8", [], (_, index) => flag(((from + index) >> 1) % 10 === 0)),
    env: column("uint16", [], ({ env }) => Uint16Array.of(env)),
    tag: column("int64", [], ({ transition }) => BigInt64Array.of(transition.tag)),
    count: column("uint64", [2], ({ transition }) => transition.count),
    small: column("int8", [], ({ transition }) => Int8Array.of(transition.small)),
    wide: column("uint32", [1, 2], ({ transition }) => transition.wide),
    "priority.scaled": column("float64", [], () => Float64Array.of(1)),
  };
}

export function expectedState(): Record<string, Expected> {
  return Object.fromEntries(
    Object.entries(STATE_ARRAYS).map(([name, array]) => {
      const dtype = array.constructor.name.replace("Array", "").replace("Big", "").toLowerCase();
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      return [name, { dtype, shape: [array.length], sha256: sha256Hex(bytes) }];
    }),
  );
}
