import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench, Case, Context, Row } from "./bench.ts";
import { makeCertificate } from "./certificate.ts";

const IN_CHILD = "--in-child";

/** The arguments after `--in-child`, or null in the parent. */
export function childArguments(argv: readonly string[]): readonly string[] | null {
  return argv[0] === IN_CHILD ? argv.slice(1) : null;
}

/** Runs one case in a process of its own, started from the compiled `main`: memory, compiled code and threads of another case never count. */
export async function runInChild(main: string, bench: Bench, item: Case, quick: boolean): Promise<readonly Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), "varve-bench-"));
  try {
    const args = [IN_CHILD, bench.name, item.name, quick ? "quick" : "full", scratch];
    const env = { ...process.env, ...makeCertificate(scratch) };
    const child = fork(main, args, { env, execArgv: ["--expose-gc"], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    let rows: readonly Row[] | null = null;
    child.on("message", (message: readonly Row[]) => {
      rows = message;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    if (rows === null) throw new Error(`${bench.name}, ${item.name}: the child ended with ${code} and no rows`);
    return rows;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The child's side. */
export async function measureHere(benches: readonly Bench[], args: readonly string[]): Promise<void> {
  const [benchName, caseName, size, scratch] = args as [string, string, string, string];
  const item = benches.find(({ name }) => name === benchName)?.cases.find(({ name }) => name === caseName);
  if (item === undefined) throw new Error(`There is no case ${caseName} of ${benchName}`);
  const context: Context = {
    quick: size === "quick",
    scratch,
    progress: (text) => console.error(`${benchName}, ${caseName}: ${text}`),
  };
  const rows = await item.measure(context);
  await new Promise((resolve) => process.send?.(rows, resolve));
  process.disconnect();
}
