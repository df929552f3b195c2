import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bench, Case, Context, ProgramRow, Row } from "./bench.ts";
import { makeCertificate } from "./certificate.ts";

const IN_CHILD = "--in-child";
// The parent is run from its source; a child's own files are compiled ones in a folder of their own.
const source = join(import.meta.dirname, "..");

/** The arguments after `--in-child`, or null in the parent. */
export function childArguments(argv: readonly string[]): readonly string[] | null {
  return argv[0] === IN_CHILD ? argv.slice(1) : null;
}

/** Runs one case in a process of its own, started from the compiled `main`: memory, compiled code and threads of another case never count. */
export async function runInChild(
  main: string,
  bench: Bench,
  item: Case,
  quick: boolean,
): Promise<readonly (Row | ProgramRow)[]> {
  const scratch = mkdtempSync(join(tmpdir(), "varve-bench-"));
  try {
    const args = [IN_CHILD, bench.name, item.name, quick ? "quick" : "full", scratch, source];
    const env = { ...process.env, ...makeCertificate(scratch) };
    const child = fork(main, args, { env, execArgv: ["--expose-gc"], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    let rows: readonly (Row | ProgramRow)[] | null = null;
    child.on("message", (message: readonly (Row | ProgramRow)[]) => {
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
export async function measureHere(
  benches: Readonly<Record<string, () => Promise<Bench>>>,
  args: readonly string[],
): Promise<void> {
  const [benchName, caseName, size, scratch, source] = args as [string, string, string, string, string];
  const item = (await benches[benchName]?.())?.cases.find(({ name }) => name === caseName);
  if (item === undefined) throw new Error(`There is no case ${caseName} of ${benchName}`);
  const context: Context = {
    quick: size === "quick",
    scratch,
    source,
    progress: (text) => console.error(`${benchName}, ${caseName}: ${text}`),
  };
  const rows = await item.measure(context);
  await new Promise((resolve) => process.send?.(rows, resolve));
  process.disconnect();
}
