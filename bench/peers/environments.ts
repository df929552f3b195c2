import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where a set of packages is, or why it is not there: said in the table, never passed over. */
export type Environment = { readonly folder: string } | { readonly skipped: string };

/** A registry that does not answer must not hold up the programs that need none. */
const INSTALL_LIMIT_MS = 600_000;

/** Runs an installer; null, or the last line of what went wrong. */
function run(command: string, args: readonly string[], cwd?: string): string | null {
  const done = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: INSTALL_LIMIT_MS,
  });
  if (done.error !== undefined) return done.error.message;
  if (done.status === 0) return null;
  const lines = done.stderr.split("\n").filter((line) => /error/i.test(line));
  return (lines.at(-1) ?? done.stderr.trim().split("\n").at(-1) ?? "").slice(0, 120) || `status ${done.status}`;
}

/** Installs into `.venv/<name>`, unless what was asked for is there already. */
function install(source: string, name: string, wanted: string, steps: (folder: string) => string | null): Environment {
  const folder = join(source, "peers", ".venv", name);
  const stamp = join(folder, "installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return { folder };
  console.error(`installing the packages of ${name} …`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const failure = steps(folder);
  if (failure !== null) {
    console.error(`SKIPPED, ${name} cannot be installed: ${failure}`);
    return { skipped: failure };
  }
  writeFileSync(stamp, wanted);
  return { folder };
}

/** A virtual environment of Python with the packages of `requirements-<name>.txt`, all pinned, and no others. */
export function pythonEnvironment(source: string, name: string): Environment {
  const requirements = join(source, "peers", `requirements-${name}.txt`);
  return install(source, name, readFileSync(requirements, "utf8"), (folder) => {
    const failure = run("python3", ["-m", "venv", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirements];
    return failure ?? run(join(folder, "bin", "python"), pip);
  });
}

/**
 * Packages of npm in a folder of their own. What a package brings for one platform is named: npm leaves it out together
 * with the other optional ones, of which LanceDB has half a gigabyte.
 */
export function npmEnvironment(source: string, name: string): Environment {
  const wanted = readFileSync(join(source, "peers", `packages-${name}.json`), "utf8");
  const { packages, native, nativeVersion } = JSON.parse(wanted) as {
    readonly packages: readonly string[];
    readonly native: string;
    readonly nativeVersion: string;
  };
  const platform = `${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`;
  return install(source, name, wanted, (folder) => {
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
    const all = [...packages, `${native}-${platform}@${nativeVersion}`];
    return run("npm", ["install", "--omit=optional", "--no-audit", "--no-fund", ...all], folder);
  });
}
