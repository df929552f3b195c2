// `npm run test:long -- --minutes 120`: the random parts of the crash and fault tests, in turns and each time with a new
// seed, until the time is up; then what they counted, added up. Ends at the first failure, with how to repeat it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { SCENARIOS } from "../test/crash-states/scenarios.ts";
import { addUp, type SummaryLine, summaryLines } from "./summary-lines.ts";

const USAGE = `npm run test:long -- [--minutes <number>] [--seed <number>] [--only <part>,<part>]`;
const MINUTE_MS = 60_000;
const root = join(import.meta.dirname, "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");

interface Turn {
  readonly script: "crash" | "faults";
  readonly files: string;
  /** Of full names of tests. */
  readonly only?: string;
  readonly env: Readonly<Record<string, string>>;
}

/** @param round - how many turns the part has had */
type Part = (seed: number, round: number) => Turn;

/** A turn takes a minute or so: the last one may begin just before the time is up. */
function partsFor(minutes: number): ReadonlyMap<string, Part> {
  const soakSeconds = Math.round(Math.min(600, Math.max(18, minutes * 3)));
  const env = (seed: number, more: Readonly<Record<string, string>>) => ({ VARVE_SEED: String(seed), ...more });
  return new Map<string, Part>([
    ["states", statesTurn],
    ["kills", (seed) => ({ script: "crash", files: "test-crash/kills/random", env: env(seed, { VARVE_KILLS: "12" }) })],
    ["fuzz", (seed) => ({ script: "faults", files: "test-faults/fuzz", env: env(seed, { VARVE_FUZZ_TIMES: "0.2" }) })],
    [
      "interleavings",
      (seed) => {
        const only = "hold every promise";
        const files = "test-faults/interleavings";
        return { script: "faults", files, only, env: env(seed, { VARVE_FUZZ_TIMES: "0.1" }) };
      },
    ],
    [
      "soak",
      (seed) => {
        const only = "slower than what is saved";
        const seconds = { VARVE_SOAK_SECONDS: String(soakSeconds) };
        return { script: "faults", files: "test-faults/soak", only, env: env(seed, seconds) };
      },
    ],
  ]);
}

/** One kind of history after another, and then the damages. */
function statesTurn(seed: number, round: number): Turn {
  // Contents are made of ten times the seed, which must be exact in 32 bits, as a float too.
  const env = { VARVE_CRASH_SEED: String(seed % 1_000_000) };
  const scenario = SCENARIOS[round % (SCENARIOS.length + 1)];
  if (scenario === undefined) return { script: "crash", files: "test-crash/states/damage", only: "is noticed", env };
  const files = `test-crash/states/${scenario.place === "disk" ? "folder" : "stores"}`;
  return { script: "crash", files, only: `keeps every promise: ${scenario.name}$`, env };
}

function commandOf({ script, files, only, env }: Turn): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const filter = only === undefined ? "" : ` -t "${only}"`;
  return `${variables.join(" ")} npm run test:${script} -- ${files}${filter} --testTimeout 0`;
}

interface TurnEnd {
  readonly passed: boolean;
  readonly output: string;
}

async function play({ script, files, only, env }: Turn): Promise<TurnEnd> {
  const filter = only === undefined ? [] : ["-t", only];
  const options = ["run", "--config", `vitest.${script}.config.ts`, "--testTimeout", "0", files, ...filter];
  const child = spawn(process.execPath, [vitest, ...options], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { passed: code === 0, output: stripVTControlCharacters(output + errors) };
}

function options(): { readonly minutes: number; readonly seed: number; readonly only: readonly string[] } {
  const { values } = parseArgs({
    options: { minutes: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
  });
  const minutes = Number(values.minutes ?? 60);
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const known = [...partsFor(minutes).keys()];
  const only = values.only?.split(",") ?? known;
  const unknown = only.filter((name) => !known.includes(name));
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || unknown.length > 0) {
    console.error(`${USAGE}\nExpected a number of minutes, a whole seed, and parts of: ${known.join(", ")}.`);
    process.exit(64);
  }
  return { minutes, seed, only };
}

/** @returns whether every turn went well */
async function run(): Promise<boolean> {
  const { minutes, seed, only } = options();
  const parts = [...partsFor(minutes)].filter(([name]) => only.includes(name));
  const spent = parts.map(([name, part]) => ({ name, part, ms: 0, turns: 0 }));
  const lines: SummaryLine[] = [];
  const startedAtMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedAtMs;
  console.log(`${minutes} minutes of ${only.join(", ")}, from seed ${seed}`);
  let hasPassed = true;
  for (let turn = 0; hasPassed && elapsedMs() < minutes * MINUTE_MS; turn++) {
    // Whoever had least of the time so far.
    const next = spent.reduce((least, each) => (each.ms < least.ms ? each : least));
    const planned = next.part((seed + turn * 7919) % 2 ** 31, next.turns);
    const beganAtMs = elapsedMs();
    const { passed, output } = await play(planned);
    next.ms += elapsedMs() - beganAtMs;
    next.turns++;
    hasPassed = passed;
    const told = summaryLines(output);
    // A turn in which nothing was counted has shown nothing.
    if (told.length === 0) hasPassed = false;
    lines.push(...told);
    for (const line of output.split("\n")) if (/^(?:SUMMARY|SKIPPED)/.test(line)) console.log(line);
    if (!hasPassed) console.log(`${output}\nFAILED; repeat: ${commandOf(planned)}`);
  }
  console.log(`\nTOTAL after ${(elapsedMs() / MINUTE_MS).toFixed(1)} minutes, from seed ${seed}:`);
  for (const line of addUp(lines)) console.log(line);
  return hasPassed;
}

process.exit((await run()) ? 0 : 1);
