import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { OriginalFigures } from "./original/figures.ts";
import { type Environment, pythonEnvironment } from "./peers/environments.ts";
import { type PeerData, peerData, writeData } from "./peers/shared-data.ts";
import type { Bench, Context, ProgramRow } from "./support/bench.ts";
import { figure } from "./support/figure.ts";

/*
 * The design that Varve replaces (a deque, pickle, gzip-6, a pool of threads), in the language that it was written in,
 * beside Varve: one save of the same windows while a trainer goes on through its generations.
 */

const variants: readonly { readonly name: string; readonly variant: string }[] = [
  { name: "Varve", variant: "varve" },
  { name: "saved in the loop, before the design", variant: "blocking" },
  { name: "the design as described: pickles the live deque", variant: "live" },
  { name: "list(deque) first, then in the pool", variant: "list" },
  { name: "ring overwritten in place, pickled live", variant: "ring" },
];

/** What the original's five saves hold: 10,000 to 50,000 transitions of 3.74 MiB. */
const ORIGINAL_ROWS = 150_000;
const DOLLARS_AN_HOUR = [1.5, 2.5] as const;

/** What saves take from training in a run of the original: in Python by the rows, in Varve the same for each save. */
function costOf(variant: string, lostMs: number, rows: number): string {
  const hours = ((variant === "varve" ? 5 : ORIGINAL_ROWS / rows) * Math.max(0, lostMs)) / 3_600_000;
  const [least, most] = DOLLARS_AN_HOUR.map((price) => price * hours) as [number, number];
  const time = hours < 0.1 ? `${(hours * 3600).toFixed(1)} s` : `${hours.toFixed(1)} h`;
  return most < 0.01 ? `${time}: < $0.01` : `${time}: $${least.toFixed(2)} to ${most.toFixed(2)}`;
}

function outcomeOf({ failure, restoreFailure, tornRows, mixedRows }: OriginalFigures, rows: number): string {
  if (failure !== undefined && failure !== null) return `${failure}; loading: ${restoreFailure ?? "?"}`;
  return `${tornRows ?? "?"} of ${rows}${(mixedRows ?? 0) > 0 ? `, ${mixedRows} mixed` : ""}`;
}

function rowOf(name: string, variant: string, figures: OriginalFigures, rows: number): ProgramRow {
  const { withoutS, generationsS, blockedMs, extraRssBytes, writtenBytes, restoreMs, version } = figures;
  const without = figure(
    withoutS.map((s) => Math.round(1000 * s)),
    "ms",
  );
  const during = figure(
    generationsS.map((s) => Math.round(1000 * s)),
    "ms",
  );
  const total = 1000 * generationsS.reduce((sum, s) => sum + s, 0);
  const usual = generationsS.length * without.median;
  return {
    program: variant === "varve" ? `${name} ${version}` : name,
    cells: {
      "a generation": without,
      "with a save": during,
      slowdown: figure([total / usual], "×"),
      "lost to the save": figure([Math.round(total - usual)], "ms"),
      "save blocks": figure([blockedMs < 10 ? blockedMs : Math.round(blockedMs)], "ms"),
      "extra memory": figure([extraRssBytes / 1e6], "MB"),
      written: figure([writtenBytes / 1e6], "MB"),
      restore: restoreMs === undefined ? "fails" : figure([Math.round(restoreMs)], "ms"),
      "torn rows": outcomeOf(figures, rows),
      "lost in a run of the original": figures.failure ? "nothing is saved" : costOf(variant, total - usual, rows),
    },
  };
}

/** One variant in a process of its own. */
function measureVariant(variant: string, folder: string, { scratch, source, quick }: Context): OriginalFigures {
  const work = join(scratch, "work");
  mkdirSync(work);
  const result = join(scratch, `${variant}.json`);
  const python = join(source, "peers", ".venv", "numpy", "bin", "python");
  const extension = import.meta.filename.endsWith(".ts") ? ".ts" : ".js";
  const [command, args] =
    variant === "varve"
      ? [process.execPath, ["--expose-gc", join(import.meta.dirname, "original", `varve-process${extension}`)]]
      : [python, [join(source, "original", "python_original.py"), variant]];
  // One thread multiplies, as one does in Node: the cores that are left belong to the save.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
  const done = spawnSync(command, [...args, folder, work, result, quick ? "0.5" : "4"], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  rmSync(work, { recursive: true, force: true });
  if (done.status === 0 && existsSync(result)) return JSON.parse(readFileSync(result, "utf8")) as OriginalFigures;
  throw new Error(`${variant}: ended with ${done.status}\n${done.stderr.slice(-3000)}`);
}

async function measure(context: Context): Promise<ProgramRow[]> {
  const { quick, scratch, source, progress } = context;
  const windows = peerData.find(({ name }) => name === "windows") as PeerData;
  const folder = join(scratch, "data");
  mkdirSync(folder);
  const { capacity } = writeData({ ...windows, capacity: { full: 128, quick: 25 }, addedPart: 1 }, quick, folder);
  progress(`${capacity} transitions with ${windows.about}`);
  const environment: Environment = pythonEnvironment(source, "numpy");
  return variants.map(({ name, variant }) => {
    if (variant !== "varve" && "skipped" in environment) {
      return { program: `${name}: SKIPPED, ${environment.skipped}`, cells: {} };
    }
    progress(name);
    return rowOf(name, variant, measureVariant(variant, folder, context), capacity);
  });
}

export const pythonOriginal: Bench = {
  name: "python-original",
  about: "one save of 0.5 GB of windows beside a trainer: the original's design in Python, and Varve",
  cases: [{ name: "the original's design", measure }],
  isOptional: true,
};
