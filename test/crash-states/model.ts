import { sha256Hex } from "../../src/base/hash.ts";

/** Objects that are written once; markers, pins and the like may be written again. */
const IMMUTABLE = /^(varve\.json|writers\/\d{8}\.json|packs\/.*|checkpoints\/.*)$/;

function isImmutable(name: string): boolean {
  return IMMUTABLE.test(name);
}

/** Which of two tiers; a single store is the first. */
export type Tier = "first" | "second";

/** What became known to whoever trained, at some moment. */
export interface Acknowledged {
  readonly durable: readonly number[];
  readonly committed: readonly number[];
  readonly pinned: readonly number[];
}

/** What was done to a run, whatever became of it: the truth that states are compared with. */
export class Model {
  /** By step: every save of a run has its own. */
  readonly hashes = new Map<number, string>();
  /** What went wrong while it was done, without any crash. */
  readonly violations: string[] = [];
  readonly #contents = new Map<string, Set<string>>();
  readonly #acknowledged = new Map<string, string>();

  /** An object is about to be put. */
  willPut(tier: Tier, name: string, bytes: Uint8Array): void {
    const key = `${tier} ${name}`;
    const contents = this.#contents.get(key) ?? new Set();
    this.#contents.set(key, contents.add(sha256Hex(bytes)));
  }

  /** A put was acknowledged as having created or replaced the object. */
  didPut(tier: Tier, name: string, bytes: Uint8Array): void {
    if (!isImmutable(name)) return;
    const key = `${tier} ${name}`;
    const hash = sha256Hex(bytes);
    const before = this.#acknowledged.get(key);
    if (before !== undefined && before !== hash) this.violations.push(`${name} was used again with another content`);
    this.#acknowledged.set(key, hash);
  }

  /** A machine is gone: what was on its disk binds nobody who begins on another one. */
  forgetDisk(): void {
    for (const key of this.#acknowledged.keys()) if (key.startsWith("first ")) this.#acknowledged.delete(key);
  }

  /** Whether anybody ever put this content under this name. */
  knows(tier: Tier, name: string, hash: string): boolean {
    return !isImmutable(name) || this.#contents.get(`${tier} ${name}`)?.has(hash) === true;
  }
}

/** Notes such as "durable 3" as what they say. */
export function acknowledgedBy(notes: readonly string[]): Acknowledged {
  const stepsOf = (word: string): number[] =>
    notes.filter((note) => note.startsWith(`${word} `)).map((note) => Number(note.slice(word.length + 1)));
  return { durable: stepsOf("durable"), committed: stepsOf("committed"), pinned: stepsOf("pinned") };
}
