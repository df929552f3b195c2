import { TransitionStore, type TransitionStoreOptions } from "../../src/buffer/transition-store.ts";

const windowFields = {
  observation: { dtype: "float32", shape: [3, 2], frames: 3 },
  action: { dtype: "int32", shape: [] },
} as const;

const numberFields = {
  observation: { dtype: "float32", shape: [1] },
  action: { dtype: "int32", shape: [] },
} as const;

type WindowOptions = Partial<Omit<TransitionStoreOptions<typeof windowFields>, "fields">>;

/** A small buffer of windows of three frames, with blocks of a few rows. */
export function windowStore(options: WindowOptions = {}): TransitionStore<typeof windowFields> {
  return new TransitionStore({
    capacity: 20,
    fields: windowFields,
    seed: 1,
    internal: { blockBytes: 120 },
    ...options,
  });
}

/** Three frames; the frame of a moment m is [m, m + 0.5]. */
export function windowAt(moments: readonly [number, number, number]): Float32Array {
  return Float32Array.from(moments.flatMap((moment) => [moment, moment + 0.5]));
}

/** Adds rows whose windows move by one; the action of a row is its number among all rows. */
export function addMoments(store: TransitionStore<typeof windowFields>, from: number, count: number): void {
  for (let at = from; at < from + count; at++) {
    store.add({
      observation: windowAt([at, at + 1, at + 2]),
      nextObservation: windowAt([at + 1, at + 2, at + 3]),
      action: store.totalAdded,
      reward: at,
      terminated: false,
      truncated: false,
    });
  }
}

/** A buffer of inline observations of one number. */
export function inlineStore(
  capacity: number,
  prioritized?: { alpha?: number; beta?: number },
): TransitionStore<typeof numberFields> {
  return new TransitionStore({ capacity, seed: 5, prioritized, fields: numberFields });
}

export function addNumbers(store: ReturnType<typeof inlineStore>, count: number): void {
  for (let i = 0; i < count; i++) {
    const at = store.totalAdded;
    const observation = Float32Array.of(at);
    const nextObservation = Float32Array.of(at + 1);
    store.add({ observation, nextObservation, action: at, reward: at, terminated: false, truncated: false });
  }
}
