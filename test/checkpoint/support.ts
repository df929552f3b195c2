import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  Checkpointer,
  type CheckpointerOptions,
  ReplayBuffer,
  type ReplayBufferOptions,
  type Store,
} from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type FaultStore, withFaults } from "../../src/testing/fault-store.ts";
import { type RecordedStore, withRecording } from "../../src/testing/recording-store.ts";

/** A folder on the real disk for the test that is running; it is removed afterwards. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-checkpoint-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const faultStores: FaultStore[] = [];

/** Opens a run and closes it when the test has ended, however it ended. */
export async function open(options: CheckpointerOptions): Promise<Checkpointer> {
  const checkpointer = await Checkpointer.open(options);
  onTestFinished(async () => {
    for (const { faults } of faultStores) faults.release();
    await checkpointer.close();
  });
  return checkpointer;
}

/** Small inline observations: everything lies in one log. */
export const inlineFields = {
  observation: { dtype: "float32", shape: [3] },
  action: { dtype: "int32", shape: [] },
} as const;

/** Windows of three frames of two values: transitions and frames lie in logs of their own. */
export const windowFields = {
  observation: { dtype: "float32", shape: [3, 2], frames: 3 },
  action: { dtype: "int32", shape: [] },
} as const;

export type InlineBuffer = ReplayBuffer<typeof inlineFields>;
export type WindowBuffer = ReplayBuffer<typeof windowFields>;

/** Blocks of a few rows, so that little data goes round many of them. */
const TINY_BLOCKS = { blockBytes: 256 };

export function inlineBuffer(
  options: Partial<Omit<ReplayBufferOptions<typeof inlineFields>, "fields">> = {},
): InlineBuffer {
  return new ReplayBuffer({ capacity: 64, seed: 7, internal: TINY_BLOCKS, ...options, fields: inlineFields });
}

export function windowBuffer(
  options: Partial<Omit<ReplayBufferOptions<typeof windowFields>, "fields">> = {},
): WindowBuffer {
  return new ReplayBuffer({ capacity: 64, seed: 7, internal: TINY_BLOCKS, ...options, fields: windowFields });
}

/** Adds `count` transitions that can be told from each other; they follow from the number of rows added before. */
export function addInline(buffer: InlineBuffer, count: number): void {
  for (let i = 0; i < count; i++) {
    const row = buffer.totalAdded;
    buffer.add(
      {
        observation: Float32Array.of(row, row + 0.25, -row),
        action: row,
        reward: row / 8,
        nextObservation: Float32Array.of(row + 1, row + 1.25, -row - 1),
        terminated: row % 10 === 9,
        truncated: false,
      },
      { env: row % 3 },
    );
  }
}

/** As `addInline`, for windows that move on by one frame. */
export function addWindows(buffer: WindowBuffer, count: number): void {
  const window = (first: number): Float32Array =>
    Float32Array.from({ length: 6 }, (_, i) => (first + Math.floor(i / 2)) * 10 + (i % 2));
  for (let i = 0; i < count; i++) {
    const row = buffer.totalAdded;
    buffer.add({
      observation: window(row),
      action: row,
      reward: row / 8,
      nextObservation: window(row + 1),
      terminated: row % 16 === 15,
      truncated: false,
    });
  }
}

/** The `action` of every row held, oldest first: `addInline` and `addWindows` number them. */
export function actionsOf(buffer: InlineBuffer | WindowBuffer): number[] {
  const { from, to } = buffer.rowRange();
  return [...(buffer as InlineBuffer).readRows(from, to).action];
}

export function numbersFrom(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** A store in memory whose requests are recorded and can be made to fail; shared by all checkpointers given it. */
export function observedStore(): { readonly store: RecordedStore; readonly faulty: FaultStore; readonly inner: Store } {
  const inner = createMemoryStore();
  const faulty = withFaults(inner);
  // A test that fails must not leave a request stalled for ever.
  faultStores.push(faulty);
  return { store: withRecording(faulty), faulty, inner };
}

export async function namesIn(store: Store, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(store.list(prefix))).map(({ name }) => name);
}

/** The requests since `place`, as lines such as "put packs/". */
export function requestsSince(store: RecordedStore, place: number): string[] {
  return store.operations
    .filter(({ calledAt }) => calledAt >= place)
    .map(({ method, name }) => `${method} ${name.replace(/\/.*/, "/")}`);
}

/** Bytes stored since `place` under a prefix. */
export function bytesPutSince(store: RecordedStore, place: number, prefix = ""): number {
  return store.operations
    .filter(({ calledAt, method, name, result }) => {
      return calledAt >= place && method === "put" && name.startsWith(prefix) && result === true;
    })
    .reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
}
