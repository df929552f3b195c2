import { ReplayBuffer } from "../../src/index.ts";
import { gameScreen, market, marketFields, marketTable, NoiseRows, noise, SlidingWindows } from "./data.ts";

/** An empty buffer, and what fills it. */
export interface Filler {
  // oxlint-disable-next-line no-explicit-any -- a buffer of any fields
  readonly buffer: ReplayBuffer<any>;
  /** Another such buffer, empty. */
  // oxlint-disable-next-line no-explicit-any -- a buffer of any fields
  readonly createEmpty: () => ReplayBuffer<any>;
  readonly add: (count: number) => void;
}

const OBSERVATION = 48;
const rowFields = {
  observation: { dtype: "float32", shape: [OBSERVATION] },
  action: { dtype: "float32", shape: [2] },
} as const;
/** Both observations, action, reward and the five other columns, as a dense ring would hold them. */
const ROW_BYTES = 2 * 4 * OBSERVATION + 8 + 4 + 2 + 1 + 2;

/** A buffer of rows that share nothing, of so many bytes as plain arrays. */
export function createRows(sizeBytes: number, isPrioritized = false): Filler {
  const capacity = Math.round(sizeBytes / ROW_BYTES);
  const createEmpty = () =>
    new ReplayBuffer({ capacity, fields: rowFields, prioritized: isPrioritized ? {} : undefined });
  const buffer = createEmpty();
  const rows = new NoiseRows(OBSERVATION, 3);
  const action = new Float32Array(2);
  let [observation, nextObservation] = [new Float32Array(OBSERVATION), new Float32Array(OBSERVATION)];
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      [observation, nextObservation] = [nextObservation, observation];
      rows.write(nextObservation);
      buffer.add({ observation, action, reward: i, nextObservation, terminated: false, truncated: false });
    }
  };
  return { buffer, createEmpty, add };
}

/** The original project's windows with random actions: the frames are shared. */
export function createWindows(capacity: number): Filler {
  const createEmpty = () => new ReplayBuffer({ capacity, fields: marketFields });
  const buffer = createEmpty();
  const windows = new SlidingWindows(marketTable(), market.frames, market.frameLength, market.episode, 11);
  const random = noise(37);
  const action = new Float32Array(216);
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const terminated = windows.advance();
      for (let j = 0; j < action.length; j++) action[j] = random();
      const { observation, nextObservation } = windows;
      buffer.add({ observation, action, reward: i, nextObservation, terminated, truncated: false });
    }
  };
  return { buffer, createEmpty, add };
}

/** The original project's windows in which every frame of every observation is new: nothing is shared within them. */
export function createNewWindows(capacity: number): Filler {
  const createEmpty = () => new ReplayBuffer({ capacity, fields: marketFields });
  const buffer = createEmpty();
  const random = noise(41);
  const action = new Float32Array(216);
  const length = market.frames * market.frameLength;
  let [observation, nextObservation] = [new Float32Array(length), new Float32Array(length)];
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      [observation, nextObservation] = [nextObservation, observation];
      for (let j = 0; j < length; j++) nextObservation[j] = random() - 0.5;
      buffer.add({ observation, action, reward: i, nextObservation, terminated: false, truncated: false });
    }
  };
  return { buffer, createEmpty, add };
}

const STACK = 4;
const SCREEN = 84 * 84;
const EPISODE = 500;

/** Stacks of four screens of a game, each moved on by one screen. */
export function createStacks(capacity: number): Filler {
  const fields = {
    observation: { dtype: "uint8", shape: [STACK, 84, 84], frames: STACK },
    action: { dtype: "int32", shape: [] },
  } as const;
  const createEmpty = () => new ReplayBuffer({ capacity, fields });
  const buffer = createEmpty();
  const draw = gameScreen(13);
  const [observation, nextObservation] = [new Uint8Array(STACK * SCREEN), new Uint8Array(STACK * SCREEN)];
  let step = 0;
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) {
      if (step % EPISODE === 0) {
        draw(nextObservation.subarray(0, SCREEN));
        for (let frame = 1; frame < STACK; frame++) nextObservation.copyWithin(frame * SCREEN, 0, SCREEN);
      }
      observation.set(nextObservation);
      nextObservation.copyWithin(0, SCREEN);
      draw(nextObservation.subarray((STACK - 1) * SCREEN));
      const terminated = ++step % EPISODE === 0;
      buffer.add({ observation, action: i & 3, reward: i & 1, nextObservation, terminated, truncated: false });
    }
  };
  return { buffer, createEmpty, add };
}
