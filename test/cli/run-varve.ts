import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const MAIN = join(import.meta.dirname, "..", "..", "src", "cli", "main.ts");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `varve` with these arguments to its end, as a process of its own. */
export async function runVarve(args: readonly string[], options: Options): Promise<Finished> {
  return startVarve(args, options).finished;
}

/** Starts `varve`; what it prints can be waited for while it runs. */
export function startVarve(args: readonly string[], { cwd, env = {} }: Options) {
  const { VARVE_DEBUG: _debug, npm_lifecycle_event: _npm, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
      for (const watcher of watchers) watcher();
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...printed }));
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const hasSeen = (text: string): boolean => (printed.stdout + printed.stderr).includes(text);
  return { child: child as ChildProcess, finished, hasSeen, saw: (text: string) => waitFor(text) };

  async function waitFor(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const watcher = () => {
        if (hasSeen(text)) resolve();
      };
      watchers.add(watcher);
      watcher();
      child.on("close", () => reject(new Error(`ended without printing "${text}": ${JSON.stringify(printed)}`)));
    });
  }
}

/** An empty folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Settings with which a generation of pendulum takes a few milliseconds. */
export const QUICK = {
  environment: "pendulum",
  population: 4,
  hiddenSizes: [8, 8],
  buffer: { learningStarts: 300 },
  learner: { batchSize: 16, stepsPerGeneration: 5 },
  validationEpisodes: 1,
  championEpisodes: 2,
};

/** A folder with a `varve.config.json`. */
export function folderWith(config: unknown): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "varve.config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return folder;
}

/** Flips one byte in every pack that the newest checkpoint of a run names and no other does. */
export function damageNewestPacks(run: string): void {
  const checkpoints = join(run, "checkpoints");
  const packsOf = (name: string): string[] =>
    JSON.parse(readFileSync(join(checkpoints, name), "utf8")).packs.map((pack: { name: string }) => pack.name);
  const names = readdirSync(checkpoints).sort();
  const others = new Set(names.slice(0, -1).flatMap(packsOf));
  for (const pack of packsOf(names.at(-1) as string).filter((name) => !others.has(name))) {
    const bytes = readFileSync(join(run, pack));
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] as number) ^ 1;
    writeFileSync(join(run, pack), bytes);
  }
}

/** Makes the newest checkpoint of a run unreadable. */
export function damageNewest(run: string): void {
  const checkpoints = join(run, "checkpoints");
  const names = readdirSync(checkpoints).sort();
  writeFileSync(join(checkpoints, names.at(-1) as string), "{}");
}
