import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { createRandom, type Random } from "../../src/base/random.ts";
import { isVarveError } from "../../src/errors.ts";
import { watchAllocations } from "./allocations.ts";
import { startWatchdog } from "./watchdog.ts";

export type Verdict = "accepted" | "refused";

/** A parser under test. One attempt makes a hostile input, feeds it to the parser, and judges what comes of it. */
export interface FuzzTarget {
  readonly name: string;
  /** The largest array that the parser may ask for at once. */
  readonly mostAllocatedBytes: number;
  /** @throws whatever the parser must not do; `input` is told what is shown of it then */
  readonly attempt: (random: Random, input: (shown: unknown) => void) => Verdict | Promise<Verdict>;
}

export interface FuzzReport {
  readonly name: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly refused: number;
  readonly seed: number;
  readonly line: string;
}

const MEBIBYTE = 1024 * 1024;
/** Beyond what the garbage of as many inputs takes: real memory, whoever asked for it. */
const MOST_GROWTH_BYTES = 512 * MEBIBYTE;
const PROTOTYPES: readonly object[] = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const ownKeyCounts = (): number => PROTOTYPES.reduce((sum, each) => sum + Reflect.ownKeys(each).length, 0);

/** The seed of this run: VARVE_SEED, or the given one. */
export function seedOfRun(otherwise: number): number {
  const asked = process.env["VARVE_SEED"];
  return asked === undefined ? otherwise : Number(asked);
}

/**
 * Feeds a parser so many hostile inputs. Every input follows from (seed, number) alone; VARVE_CASE repeats one.
 *
 * @throws Error with seed, number and command for the first input that makes the parser do what it must not
 */
export async function fuzz(target: FuzzTarget, count: number, seed: number): Promise<FuzzReport> {
  const only = process.env["VARVE_CASE"];
  const [from, to] = only === undefined ? [0, count] : [Number(only), Number(only) + 1];
  const prototypeKeys = ownKeyCounts();
  const watchdog = startWatchdog(`fuzz ${target.name}, seed ${seed}`);
  const allocations = watchAllocations();
  const before = process.resourceUsage().maxRSS * 1024;
  const startedAt = performance.now();
  const verdicts = { accepted: 0, refused: 0 };
  try {
    for (let index = from; index < to; index++) {
      watchdog.begin(index);
      allocations.reset();
      let shown: unknown;
      try {
        const outcome = target.attempt(randomOf(seed, index), (input) => (shown = input));
        verdicts[typeof outcome === "string" ? outcome : await outcome]++;
        if (ownKeyCounts() !== prototypeKeys) throw new Error("a prototype that all objects share was changed");
        allocations.assertAtMost(target.mostAllocatedBytes);
      } catch (error) {
        throw failure(target, seed, index, shown, error);
      }
      // Timers of the runner itself have their turn.
      if (index % 1000 === 999) await turn();
    }
    const grownBytes = process.resourceUsage().maxRSS * 1024 - before;
    if (grownBytes > MOST_GROWTH_BYTES) {
      throw new Error(`fuzz ${target.name}, seed ${seed}: memory grew by ${Math.round(grownBytes / MEBIBYTE)} MiB`);
    }
  } finally {
    allocations.stop();
    watchdog.stop();
  }
  return report(target.name, to - from, verdicts, seed, (performance.now() - startedAt) / 1000);
}

function report(
  name: string,
  inputs: number,
  verdicts: Readonly<Record<Verdict, number>>,
  seed: number,
  seconds: number,
): FuzzReport {
  const rate = Math.round(inputs / seconds);
  const { accepted, refused } = verdicts;
  const line = `SUMMARY fuzz ${name}: ${inputs} inputs, ${accepted} accepted, ${refused} refused, ${seconds.toFixed(1)} s, ${rate}/s, seed ${seed}`;
  return { name, inputs, ...verdicts, seed, line };
}

function randomOf(seed: number, index: number): Random {
  return createRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 0);
}

function failure(target: FuzzTarget, seed: number, index: number, shown: unknown, error: unknown): Error {
  const input = Buffer.isBuffer(shown) ? shown.toString("latin1") : shown;
  const text = typeof input === "string" ? JSON.stringify(input) : inspect(input, { depth: 6 });
  const repeat = `VARVE_SEED=${seed} VARVE_CASE=${index} npx vitest run test/fuzz -t "fuzz ${target.name}"`;
  return new Error(
    `fuzz ${target.name}: input ${index} of seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n` +
      `input: ${text.slice(0, 2000)}\nrepeat: ${repeat}`,
    { cause: error },
  );
}

export interface Refusal {
  readonly codes: readonly string[];
  /** What the error must say: the object's name. */
  readonly names?: string | undefined;
}

/** Whether an error is one that a parser may refuse its input with; anything else is thrown on. */
export function assertRefusal(error: unknown, { codes, names }: Refusal): "refused" {
  if (!isVarveError(error, ...codes)) throw error;
  if (names !== undefined && !error.message.includes(names)) {
    throw new Error(`the error does not name ${names}: ${error.message}`, { cause: error });
  }
  if (error.message.length > 20_000) throw new Error(`the error's text is ${error.message.length} characters long`);
  return "refused";
}

/** Whether `part` says nothing that `whole` does not say: properties may be missing from it, and nothing else. */
export function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part !== "object" || part === null) return Object.is(part, whole) || part === whole;
  if (typeof whole !== "object" || whole === null || Array.isArray(part) !== Array.isArray(whole)) return false;
  if (Array.isArray(part) && part.length !== (whole as unknown[]).length) return false;
  return Object.entries(part).every(
    ([key, value]) => Object.hasOwn(whole, key) && isPartOf(value, (whole as Record<string, unknown>)[key]),
  );
}
