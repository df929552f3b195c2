import { createHash } from "node:crypto";

/** What an episode, or a stream of random numbers, is for: no two purposes share numbers. */
export type Purpose =
  | "episode"
  | "exploration"
  | "validation"
  | "champion"
  | "holdout"
  | "initial"
  | "evolution"
  | "learning";

/**
 * The seed of one episode or stream, from what it is and not from what ran before it: so that results depend neither on
 * the order of evaluation nor on where a run was interrupted.
 *
 * @returns a 32-bit integer
 */
export function seedFor(seed: number, purpose: Purpose, generation = 0, agent = 0, episode = 0): number {
  const text = `${purpose}/${seed}/${generation}/${agent}/${episode}`;
  return createHash("sha256").update(text).digest().readInt32LE(0);
}
