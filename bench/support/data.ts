/** A fast generator for data that nothing should recognise (mulberry32). Not for anything that must be uniform. */
export function noise(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The original project's shape: windows of 504 days of 108 shares with 9 columns each. */
export const market: {
  readonly frames: number;
  readonly shape: readonly [number, number, number];
  readonly frameLength: number;
  readonly days: number;
  readonly episode: number;
} = { frames: 504, shape: [504, 108, 9], frameLength: 972, days: 3000, episode: 145 };
export const marketFields: {
  readonly observation: { readonly dtype: "float32"; readonly shape: readonly number[]; readonly frames: number };
  readonly action: { readonly dtype: "float32"; readonly shape: readonly [108, 2] };
} = {
  observation: { dtype: "float32", shape: market.shape, frames: market.frames },
  action: { dtype: "float32", shape: [108, 2] },
};

/** Random walks, as prices are: 3,000 days, one frame each. */
export function marketTable(): Float32Array<ArrayBuffer> {
  const random = noise(1);
  const { days, frameLength } = market;
  const table = new Float32Array(days * frameLength);
  const level = Float64Array.from({ length: frameLength }, () => random() - 0.5);
  for (let day = 0; day < days; day++) {
    for (let i = 0; i < frameLength; i++) {
      level[i] = 0.99 * (level[i] as number) + 0.3 * (random() - 0.5);
      table[day * frameLength + i] = level[i] as number;
    }
  }
  return table;
}

/** Two observations that slide over a table of frames, written into the same two arrays again and again. */
export class SlidingWindows<A extends Float32Array | Uint8Array> {
  readonly observation: A;
  readonly nextObservation: A;
  readonly #table: A;
  readonly #length: number;
  readonly #frameLength: number;
  readonly #episode: number;
  readonly #random: () => number;
  #start = 0;
  #step: number;

  constructor(table: A, frames: number, frameLength: number, episode: number, seed: number) {
    this.#table = table;
    this.#frameLength = frameLength;
    this.#length = frames * frameLength;
    this.#episode = episode;
    this.#step = episode;
    this.#random = noise(seed);
    this.observation = table.slice(0, this.#length) as unknown as A;
    this.nextObservation = table.slice(0, this.#length) as unknown as A;
  }

  /** Goes on by one frame; at the end of an episode, on to another that starts anywhere. True at an episode's end. */
  advance(): boolean {
    if (this.#step === this.#episode) {
      const frames = (this.#table.length - this.#length) / this.#frameLength;
      this.#start = Math.floor(this.#random() * (frames - this.#episode));
      this.#step = 0;
    }
    const from = (this.#start + this.#step) * this.#frameLength;
    const { observation, nextObservation } = this;
    (observation as Uint8Array).set((this.#table as Uint8Array).subarray(from, from + this.#length));
    const next = from + this.#frameLength;
    (nextObservation as Uint8Array).set((this.#table as Uint8Array).subarray(next, next + this.#length));
    this.#step += 1;
    return this.#step === this.#episode;
  }
}

/** Observations that share nothing but that each next observation is the following observation. */
export class NoiseRows {
  readonly #pool: Float32Array;
  readonly #length: number;
  #at = 0;

  constructor(length: number, seed: number) {
    const random = noise(seed);
    this.#length = length;
    this.#pool = Float32Array.from({ length: 1 << 20 }, () => random() - 0.5);
  }

  /** Fills an observation from a place that never comes at the same offset again for a long time. */
  write(observation: Float32Array): void {
    this.#at = (this.#at + this.#length + 1) % (this.#pool.length - this.#length);
    observation.set(this.#pool.subarray(this.#at, this.#at + this.#length));
  }
}

/** Frames of 84 × 84 pixels in which a ball and a bar move over a background, as in the Atari games. */
export function gameFrames(count: number): Uint8Array {
  const size = 84;
  const frames = new Uint8Array(count * size * size);
  const next = gameScreen(13);
  for (let frame = 0; frame < count; frame++) next(frames.subarray(frame * size * size, (frame + 1) * size * size));
  return frames;
}

/** The same, one frame a call. */
export function gameScreen(seed: number): (target: Uint8Array) => void {
  const size = 84;
  const random = noise(seed);
  const background = Uint8Array.from({ length: size * size }, (_, i) => (Math.floor(i / size / 12) * 30) & 255);
  let [x, y, bar, score] = [10, 10, 40, 0];
  return (target) => {
    target.set(background);
    x = (x + 1 + Math.floor(3 * random())) % (size - 4);
    y = (y + 1 + Math.floor(3 * random())) % (size - 4);
    bar = Math.min(size - 12, Math.max(0, bar + Math.floor(7 * random()) - 3));
    for (let row = 0; row < 4; row++) target.fill(255, (y + row) * size + x, (y + row) * size + x + 4);
    target.fill(200, 80 * size + bar, 80 * size + bar + 12);
    // The score, in binary: as in the games, a screen hardly ever comes again.
    for (let bit = 0; bit < 32; bit++) target[bit] = (score >>> bit) & 1 ? 255 : 0;
    score++;
  };
}
