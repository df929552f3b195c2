import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../index.ts";

/** Where runs live that were given no store: `runs/market-001`, `runs/market-002`, … */
export const RUNS_FOLDER = "runs";

const NUMBER_DIGITS = 3;

/**
 * Makes the folder of a new run: the next number of its environment. Two starts at once get two folders.
 *
 * @param atLeast - numbers below it belong to runs elsewhere
 * @throws ConfigError where none can be made
 */
export function createRunFolder(environment: string, atLeast = 1): string {
  try {
    return makeNextFolder(environment, atLeast);
  } catch (cause) {
    throw new ConfigError(`Cannot make a folder for the run under ${RUNS_FOLDER}/: ${(cause as Error).message}`, {
      cause,
      hint: "Start where this process may write, or name a place with --store.",
    });
  }
}

function makeNextFolder(environment: string, atLeast: number): string {
  mkdirSync(RUNS_FOLDER, { recursive: true });
  let number = Math.max(atLeast - 1, ...numbersOf(environment)) + 1;
  for (;;) {
    const folder = join(RUNS_FOLDER, `${environment}-${String(number).padStart(NUMBER_DIGITS, "0")}`);
    try {
      mkdirSync(folder);
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      number += 1;
    }
  }
}

/**
 * The run to go on with: the one that wrote a checkpoint last, of one environment or of all.
 *
 * @throws ConfigError where no run under `runs/` holds a checkpoint
 */
export function newestRunFolder(environment: string | undefined): string {
  const candidates = readFolder(RUNS_FOLDER)
    .filter((name) => (environment === undefined ? /-\d+$/.test(name) : numberInRun(environment, name) !== null))
    .map((name) => ({ folder: join(RUNS_FOLDER, name), writtenAtMs: lastCheckpointMs(join(RUNS_FOLDER, name)) }))
    .filter((run) => run.writtenAtMs > 0)
    .sort((a, b) => a.writtenAtMs - b.writtenAtMs || (a.folder < b.folder ? -1 : 1));
  const newest = candidates.at(-1);
  if (newest !== undefined) return newest.folder;
  throw new ConfigError(
    `There is no run${environment === undefined ? "" : ` of ${environment}`} to resume under ${RUNS_FOLDER}/`,
    {
      hint: "Leave out --resume to start one, or name the store of one with --store.",
    },
  );
}

function numbersOf(environment: string): number[] {
  return readFolder(RUNS_FOLDER).flatMap((name) => numberInRun(environment, name) ?? []);
}

/** The number of a run of this environment by its name; null where it is none. */
export function numberInRun(environment: string, name: string): number | null {
  if (!name.startsWith(`${environment}-`)) return null;
  const digits = name.slice(environment.length + 1);
  return /^\d+$/.test(digits) ? Number(digits) : null;
}

/** When a checkpoint was last added; 0 where there is none. */
function lastCheckpointMs(folder: string): number {
  const checkpoints = join(folder, "checkpoints");
  const names = readFolder(checkpoints).filter((name) => name.endsWith(".json"));
  return names.length === 0 ? 0 : Math.max(...names.map((name) => statSync(join(checkpoints, name)).mtimeMs));
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
