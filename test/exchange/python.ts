import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/**
 * A Python that has these modules: `VARVE_PYTHON`, the repository's `.venv`, or `python3`. Without one it is said loudly
 * what is skipped.
 */
export function pythonWith(modules: readonly string[], what: string): string | undefined {
  const candidates = [process.env["VARVE_PYTHON"] ?? "", join(root, ".venv/bin/python"), "python3"];
  const imports = `import ${modules.join(", ")}`;
  const found = candidates.find((python) => python !== "" && spawnSync(python, ["-c", imports]).status === 0);
  if (found === undefined) {
    process.stderr.write(`SKIPPED: ${what} (needs python3 with ${modules.join(", ")}; VARVE_PYTHON may name one)\n`);
  }
  return found;
}

/** Runs a program text; returns what it prints as JSON. */
export function runPython(python: string, program: string, args: readonly string[]): unknown {
  return JSON.parse(execFileSync(python, ["-c", program, ...args], { encoding: "utf8" })) as unknown;
}
