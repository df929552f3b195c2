import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { InvalidArgumentError } from "../errors.ts";

/** Everything that decides the next numbers of a {@link Random}, as JSON. */
export interface RandomState {
  readonly generator: readonly number[];
  /** The second value of the last pair of Gaussians, if it was not handed out yet. */
  readonly spareNormal: number | null;
}

/** A seeded source of random numbers whose state can be saved and restored exactly. */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform integer in [0, bound); 1 <= bound <= 2^31. */
  int(bound: number): number;
  /** Standard normal (Marsaglia's polar method; pairs, the second one kept). */
  normal(): number;
  state(): RandomState;
  setState(state: RandomState): void;
}

const STATE_WORDS = 4;

/** Whether something read from a file is the state of a generator. */
export function isRandomState(state: unknown): state is RandomState {
  if (typeof state !== "object" || state === null) return false;
  const { generator, spareNormal } = state as Partial<RandomState>;
  const areWords = Array.isArray(generator) && generator.length === STATE_WORDS && generator.every(isWord);
  return areWords && (spareNormal === null || (typeof spareNormal === "number" && Number.isFinite(spareNormal)));
}

function isWord(value: unknown): boolean {
  return typeof value === "number" && (value | 0) === value;
}

class SeededRandom implements Random {
  #generator: RandomGenerator;
  #spareNormal: number | null = null;

  constructor(seed: number) {
    this.#generator = xoroshiro128plusFromState(scrambledState(seed));
  }

  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  int(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }

  normal(): number {
    if (this.#spareNormal !== null) {
      const spare = this.#spareNormal;
      this.#spareNormal = null;
      return spare;
    }
    for (;;) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const square = x * x + y * y;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spareNormal = y * scale;
      return x * scale;
    }
  }

  state(): RandomState {
    return { generator: [...this.#generator.getState()], spareNormal: this.#spareNormal };
  }

  setState(state: RandomState): void {
    if (!isRandomState(state)) throw new InvalidArgumentError("state", "that of a generator", state);
    this.#generator = xoroshiro128plusFromState(state.generator);
    this.#spareNormal = state.spareNormal;
  }
}

/**
 * Four words from one seed by SplitMix32: the generator's own seeding copies the seed into its state, and then the first
 * numbers of seeds 0, 1, 2, … are all but equal.
 *
 * Source: Steele et al. 2014, with the finaliser of MurmurHash3.
 */
function scrambledState(seed: number): number[] {
  let counter = seed | 0;
  return Array.from({ length: 4 }, () => {
    counter = (counter + 0x9e3779b9) | 0;
    let word = counter ^ (counter >>> 16);
    word = Math.imul(word, 0x85ebca6b);
    word ^= word >>> 13;
    word = Math.imul(word, 0xc2b2ae35);
    return word ^ (word >>> 16);
  });
}

/**
 * Makes a seeded generator (xoroshiro128+) with savable state.
 *
 * @param seed - any 32-bit integer; equal seeds give equal numbers on every platform
 */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new InvalidArgumentError("seed", "an integer", seed);
  return new SeededRandom(seed);
}
