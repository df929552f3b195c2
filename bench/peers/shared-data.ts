import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FieldsDeclaration } from "../../src/schema/fields.ts";
import { gameFrames, market, marketTable, noise, SlidingWindows } from "../support/data.ts";

/*
 * The rows that every program saves, in files of raw numbers, one a field: equal to the bit for all of them, whatever
 * language it is written in. `capacity` rows fill the buffer, `added` come after the first save.
 */

const FRAME = 84 * 84;

/** One kind of data, and how Varve is told of it. */
export interface PeerData {
  readonly name: string;
  readonly about: string;
  readonly dtype: "float32" | "uint8";
  readonly shape: readonly number[];
  readonly action: number;
  /** Frames in a window, for observations that are windows. */
  readonly frames?: number;
  readonly capacity: { readonly full: number; readonly quick: number };
  /** Rows that come after those that fill the buffer, as a part of it; 1 % unless said otherwise. */
  readonly addedPart?: number;
  /** Returns what writes the next transition's two observations, and tells whether its episode ends there. */
  readonly source: (rows: number) => Source;
}

interface Source {
  readonly observation: Float32Array | Uint8Array;
  readonly nextObservation: Float32Array | Uint8Array;
  advance(): boolean;
}

/** Stacks of four frames of a game, in episodes of 1,000 steps one after another: no frame comes in two of them. */
class Stacks implements Source {
  readonly #frames: Uint8Array;
  #step = 0;
  #at = -4;

  constructor(rows: number) {
    this.#frames = gameFrames(rows + 4 * Math.ceil(rows / 1000) + 4);
  }

  get observation(): Uint8Array {
    return this.#stack(this.#at);
  }

  get nextObservation(): Uint8Array {
    return this.#stack(this.#at + 1);
  }

  advance(): boolean {
    this.#at += this.#step % 1000 === 0 ? 4 : 1;
    this.#step += 1;
    return this.#step % 1000 === 0;
  }

  #stack(from: number): Uint8Array {
    return this.#frames.subarray(from * FRAME, (from + 4) * FRAME);
  }
}

/** Sensors: 24 oscillations of which each has its own speed, with some noise, in episodes of 1,000 steps. */
class Sensors implements Source {
  readonly observation: Float32Array = new Float32Array(24);
  readonly nextObservation: Float32Array = new Float32Array(24);
  readonly #random = noise(17);
  #step = 0;

  advance(): boolean {
    if (this.#step % 1000 === 0) this.#write(this.nextObservation);
    this.observation.set(this.nextObservation);
    this.#step += 1;
    this.#write(this.nextObservation);
    return this.#step % 1000 === 0;
  }

  #write(target: Float32Array): void {
    const random = this.#random;
    for (let i = 0; i < target.length; i++)
      target[i] = Math.sin(this.#step * 0.003 * (i + 1)) + 0.05 * (random() - 0.5);
  }
}

export const peerData: readonly PeerData[] = [
  {
    name: "stacks",
    about: "4 × 84 × 84 u8, frames of a game",
    dtype: "uint8",
    shape: [4, 84, 84],
    action: 1,
    frames: 4,
    capacity: { full: 17_700, quick: 600 },
    source: (rows) => new Stacks(rows),
  },
  {
    name: "floats",
    about: "24 f32, noisy sensors",
    dtype: "float32",
    shape: [24],
    action: 4,
    capacity: { full: 4_690_000, quick: 150_000 },
    source: () => new Sensors(),
  },
  {
    name: "windows",
    about: "504 × 108 × 9 f32, sliding over 3,000 days of prices",
    dtype: "float32",
    shape: market.shape,
    action: 216,
    frames: market.frames,
    capacity: { full: 255, quick: 20 },
    source: () => new SlidingWindows(marketTable(), market.frames, market.frameLength, market.episode, 11),
  },
];

/** How the rows lie in the files, as the other programs read it. */
export interface Meta {
  readonly capacity: number;
  readonly added: number;
  readonly fields: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
}

function metaOf({ dtype, shape, action, capacity, addedPart = 0.01 }: PeerData, quick: boolean): Meta {
  const rows = quick ? capacity.quick : capacity.full;
  return {
    capacity: rows,
    added: Math.ceil(rows * addedPart),
    fields: {
      observation: { dtype, shape },
      next_observation: { dtype, shape },
      action: { dtype: "float32", shape: [action] },
      reward: { dtype: "float32", shape: [] },
      terminated: { dtype: "uint8", shape: [] },
    },
  };
}

/** How Varve's buffer is declared for it. */
export function varveFields({ dtype, shape, action, frames }: PeerData): FieldsDeclaration {
  const observation = frames === undefined ? { dtype, shape } : { dtype, shape, frames };
  return { observation, action: { dtype: "float32", shape: [action] } };
}

/** Collects small writes: a call of the system for each row would take minutes. */
class RawFile {
  readonly #handle: number;
  readonly #block = Buffer.alloc(1 << 22);
  #used = 0;

  constructor(path: string) {
    this.#handle = openSync(path, "w");
  }

  write(values: Float32Array | Uint8Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (this.#used + bytes.length > this.#block.length) this.#flush();
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** On disk too, so that no program's fsync has to wait for it. */
  close(): void {
    this.#flush();
    fsyncSync(this.#handle);
    closeSync(this.#handle);
  }

  #flush(): void {
    writeSync(this.#handle, this.#block, 0, this.#used);
    this.#used = 0;
  }
}

/** Writes the rows and `meta.json` into a folder. */
export function writeData(data: PeerData, quick: boolean, folder: string): Meta {
  const meta = metaOf(data, quick);
  const open = (name: string): RawFile => new RawFile(join(folder, `${name}.raw`));
  const files = ["observation", "next_observation", "action", "reward", "terminated"].map(open);
  const [source, random] = [data.source(meta.capacity + meta.added), noise(29)];
  const [action, reward, terminated] = [new Float32Array(data.action), new Float32Array(1), new Uint8Array(1)];
  for (let row = 0; row < meta.capacity + meta.added; row++) {
    terminated[0] = source.advance() ? 1 : 0;
    for (let i = 0; i < action.length; i++) action[i] = random();
    reward[0] = action[0] as number;
    [source.observation, source.nextObservation, action, reward, terminated].forEach((values, i) => {
      (files[i] as RawFile).write(values);
    });
  }
  for (const file of files) file.close();
  writeFileSync(join(folder, "meta.json"), JSON.stringify(meta));
  return meta;
}
