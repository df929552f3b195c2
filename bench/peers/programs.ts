import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Environment, npmEnvironment, pythonEnvironment } from "./environments.ts";
import type { Measured, Restored } from "./figures.ts";

/** Something that saves a buffer, and the script that measures it. */
export interface Program {
  readonly name: string;
  readonly script: string;
  readonly packages: "none" | "lancedb" | "numpy" | "torch" | "jax";
}

export const programs: readonly Program[] = [
  { name: "Varve", script: "varve-process", packages: "none" },
  { name: "numpy.savez_compressed", script: "numpy_savez", packages: "numpy" },
  { name: "Stable-Baselines3 save_replay_buffer", script: "stable_baselines", packages: "torch" },
  { name: "TorchRL dumps, a copy each", script: "torchrl_dumps", packages: "torch" },
  { name: "TorchRL dumps, in place", script: "torchrl_in_place", packages: "torch" },
  { name: "PyTorch DCP async_save", script: "torch_dcp", packages: "torch" },
  { name: "Orbax CheckpointManager, async", script: "orbax_async", packages: "jax" },
  { name: "Flashbax Vault", script: "flashbax_vault", packages: "jax" },
  { name: "LanceDB append", script: "lancedb-process", packages: "lancedb" },
];

export type Outcome = (Measured & Restored) | { readonly skipped: string };

function environmentOf(source: string, packages: Program["packages"]): Environment {
  if (packages === "none") return { folder: "" };
  return packages === "lancedb" ? npmEnvironment(source, packages) : pythonEnvironment(source, packages);
}

/**
 * Measures a program in processes of its own: one that fills and saves, one that restores and checks.
 *
 * @param data - folder with the rows of shared-data.ts
 * @param scratch - a folder that the program may fill; emptied afterwards
 * @throws Error when a process fails: a program that brings back other rows than it was given must not get a line
 */
export function measureProgram(
  program: Program,
  where: { readonly source: string; readonly data: string; readonly dataName: string; readonly scratch: string },
): Outcome {
  const { source, data, dataName, scratch } = where;
  const environment = environmentOf(source, program.packages);
  if ("skipped" in environment) return environment;
  const work = join(scratch, "work");
  mkdirSync(work);
  try {
    const [measured, restored] = ["measure", "restore"].map((mode) => {
      const result = join(scratch, `${mode}.json`);
      const [command, args] = commandOf(program, environment.folder, source);
      const last = program.packages === "none" ? dataName : environment.folder;
      const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONWARNINGS: "ignore", JAX_PLATFORMS: "cpu" };
      const done = spawnSync(command, [...args, mode, data, work, result, last], {
        env,
        encoding: "utf8",
        stdio: ["ignore", "ignore", "pipe"],
        maxBuffer: 2 ** 28,
      });
      if (done.status !== 0 || !existsSync(result)) {
        throw new Error(
          `${program.name}, ${dataName}, ${mode}: ended with ${done.status}\n${done.stderr.slice(-3000)}`,
        );
      }
      return JSON.parse(readFileSync(result, "utf8")) as unknown;
    });
    return { ...(measured as Measured), ...(restored as Restored) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Scripts in Python run from the sources; those of Node are compiled as this file is, and lie beside it. */
function commandOf(program: Program, environment: string, source: string): [string, readonly string[]] {
  if (program.packages === "none" || program.packages === "lancedb") {
    const extension = import.meta.filename.endsWith(".ts") ? ".ts" : ".js";
    return [process.execPath, ["--expose-gc", join(import.meta.dirname, `${program.script}${extension}`)]];
  }
  return [join(environment, "bin", "python"), [join(source, "peers", `${program.script}.py`)]];
}
