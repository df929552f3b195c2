import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { useCompileCache } from "./compile-cache.ts";

const MAIN = join(import.meta.dirname, "..", "..", "src", "cli", "main.ts");

/** A run of 15 ms a generation: two agents with 8 hidden units, and a buffer that is full after a few generations. */
const TINY = {
  environment: "pendulum",
  population: 2,
  hiddenSizes: [8],
  validationEpisodes: 0,
  championEpisodes: 1,
  buffer: { capacity: 700, learningStarts: 100, prioritized: { alpha: 0.6, beta: 0.4 } },
  learner: { batchSize: 16, updateRatio: 0.05 },
  checkpoints: { keepLast: 3, gracePeriodMs: 0 },
};

/** When a process is killed: so long after it printed the words for the n-th time; after its start for no words. */
export interface KillMoment {
  readonly words: string;
  readonly count: number;
  readonly delayMs: number;
}

export interface TrainRun {
  readonly folder: string;
  readonly store: string;
  readonly seed: number;
  readonly generations: number;
  readonly resume: boolean;
  readonly kill?: KillMoment | undefined;
}

export interface TrainEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The highest sequence that it printed to be durable; 0 for none. */
  readonly acknowledged: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `varve train`, a tiny one, to its end or until it is killed. */
export async function trainOnce({ folder, store, seed, generations, resume, kill }: TrainRun): Promise<TrainEnd> {
  const config = join(folder, "tiny.json");
  await writeFile(config, JSON.stringify(TINY));
  const what = ["train", "pendulum", "--store", store, "--config", config, ...(resume ? ["--resume"] : [])];
  const numbers = ["--seed", String(seed), "--generations", String(generations), "--json"];
  const env = { ...process.env, NODE_COMPILE_CACHE: useCompileCache() };
  const child = spawn(process.execPath, [MAIN, ...what, ...numbers], { env, stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  let [stdout, stderr, isArmed] = ["", "", false];
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (kill === undefined || isArmed || (kill.words !== "" && stderr.split(kill.words).length <= kill.count)) return;
    isArmed = true;
    timer = setTimeout(() => child.kill("SIGKILL"), kill.delayMs);
  };
  look();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    look();
  });
  const [code, signal] = await closed;
  clearTimeout(timer);
  const acknowledged = [...stderr.matchAll(/save (\d+) durable/g)].map(([, sequence]) => Number(sequence));
  return { code, signal, acknowledged: Math.max(0, ...acknowledged), stdout, stderr };
}
