import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { CheckpointerStatus, MemoryPolicy } from "../../src/index.ts";
import { useCompileCache } from "../../test-crash/support/compile-cache.ts";

export interface SoakTask {
  readonly store: string;
  readonly local: string | null;
  readonly policy: MemoryPolicy;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** A planted bug: whatever saves hold is held without a limit. It kills itself when training is over. */
  readonly isUnlimited?: boolean;
}

interface Counts {
  readonly rows: number;
  /** Of the newest save. */
  readonly step: number;
  readonly durable: number;
  readonly committed: number;
  readonly degraded: number;
  readonly recovered: number;
  /** Saves not made because too much was behind; and saves given up for want of memory. */
  readonly unsaved: number;
  readonly given: number;
  readonly status: Omit<CheckpointerStatus, "lastError" | "upload"> & { readonly lastError: string | null };
}

type Told =
  | { readonly phase: "full" | "ending" }
  | ({ readonly phase: "trains"; readonly ms: number } & Counts)
  | ({ readonly phase: "ended" } & Counts);

export interface MemorySample {
  readonly ms: number;
  readonly bytes: number;
}

export interface Soaked {
  /** With a full buffer and a run that is open, before the first save. */
  readonly baseBytes: number;
  /** While it trained. */
  readonly memory: readonly MemorySample[];
  readonly trained: readonly Extract<Told, { phase: "trains" }>[];
  readonly end: Extract<Told, { phase: "ended" }>;
}

const PROGRAM = join(import.meta.dirname, "soak-process.ts");
const SAMPLE_EVERY_MS = 200;
/** Of V8's heaps, which nothing of the data lies in. */
const HEAP_MEBIBYTES = 64;

/** @param onEnding - training is over, and what is left is to be sent */
export async function soak(task: SoakTask, onEnding: () => void): Promise<Soaked> {
  const program = [`--max-old-space-size=${HEAP_MEBIBYTES}`, PROGRAM, JSON.stringify(task)];
  const env = { ...process.env, NODE_COMPILE_CACHE: useCompileCache() };
  const child = spawn(process.execPath, program, { env, stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const exited = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const memory: MemorySample[] = [];
  const trained: Soaked["trained"][number][] = [];
  let [baseBytes, end, timer]: [number, Soaked["end"] | null, NodeJS.Timeout | undefined] = [0, null, undefined];
  for await (const line of createInterface({ input: child.stdout })) {
    const told = JSON.parse(line) as Told;
    if (told.phase === "full") {
      baseBytes = residentBytes(child);
      const startedAtMs = performance.now();
      timer = setInterval(() => {
        memory.push({ ms: performance.now() - startedAtMs, bytes: residentBytes(child) });
      }, SAMPLE_EVERY_MS);
    }
    if (told.phase === "trains") trained.push(told);
    if (told.phase === "ending") {
      clearInterval(timer);
      onEnding();
    }
    if (told.phase === "ended") end = told;
    if (told.phase === "full" || told.phase === "ending") child.stdin.write("\n");
  }
  clearInterval(timer);
  const [code, signal] = await exited;
  if ((code !== 0 && !task.isUnlimited) || end === null)
    throw new Error(`The process ended with ${code ?? `died of ${signal}`}: ${errors}`);
  return { baseBytes, memory, trained, end };
}

function residentBytes({ pid }: ChildProcess): number {
  const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status says nothing of VmRSS`);
  return Number(kibibytes) * 1024;
}

/** How much a straight line through the samples grows from the first to the last. */
export function fittedGrowth(samples: readonly MemorySample[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanMs, meanBytes] = [mean(samples.map(({ ms }) => ms)), mean(samples.map(({ bytes }) => bytes))];
  const spread = mean(samples.map(({ ms }) => (ms - meanMs) ** 2));
  const common = mean(samples.map(({ ms, bytes }) => (ms - meanMs) * (bytes - meanBytes)));
  return (common / spread) * ((samples.at(-1)?.ms ?? 0) - (samples[0]?.ms ?? 0));
}
