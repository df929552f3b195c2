import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** A program that is there to be started, or why it is not. */
export type Tool = { readonly path: string } | { readonly missing: string };

const run = promisify(execFile);
export const TOOLS: string = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "varve-clouds");
/** A first installation downloads and compiles. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** `moto_server` of moto 5.2, in a Python environment of its own. */
export async function findMoto(): Promise<Tool> {
  const environment = join(TOOLS, "moto-5.2");
  return findOrInstall("moto[server]", join(environment, "bin", "moto_server"), [
    ["python3", "-m", "venv", environment],
    [join(environment, "bin", "python"), "-m", "pip", "install", "--quiet", "moto[server]==5.2.*"],
  ]);
}

export async function findVersitygw(): Promise<Tool> {
  return findOrInstall("versitygw", join(TOOLS, "go", "versitygw"), [
    ["go", "install", "github.com/versity/versitygw/cmd/versitygw@latest"],
  ]);
}

/** Runs the steps where the program is not there; programs of Go go to the folder `go`. */
export async function findOrInstall(name: string, path: string, steps: readonly (readonly string[])[]): Promise<Tool> {
  if (existsSync(path)) return { path };
  await mkdir(TOOLS, { recursive: true });
  console.warn(`Installing ${name} …`);
  const env = { ...process.env, GOBIN: join(TOOLS, "go") };
  for (const [command = "", ...args] of steps) {
    try {
      await run(command, args, { env, timeout: INSTALL_TIMEOUT_MS });
    } catch (error) {
      const { code, stderr = "", message } = error as NodeJS.ErrnoException & { stderr?: string };
      const why = code === "ENOENT" ? `${command} is not installed` : lastLine(stderr) || message;
      return skipped(name, `\`${[command, ...args].join(" ")}\` failed: ${why}`);
    }
  }
  return existsSync(path) ? { path } : skipped(name, `${path} is not there after its installation`);
}

function skipped(name: string, why: string): Tool {
  console.warn(`\n*** SKIPPED: nothing is tested against ${name}: ${why} ***\n`);
  return { missing: why };
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
