// Packs the package, installs it in an empty folder as a user would, and uses it there.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { readmeLoop } from "./readme-loop.ts";
import type { Tally } from "./test-tally.ts";

interface RunOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

type Run = (command: string, args: readonly string[], options?: RunOptions) => boolean;

/** Never published: sources, tests, and anything of one machine. Always published: what runs in worker threads. */
const FORBIDDEN = /^(?:src|test|bench|examples|tools|runs|node_modules|\.ci)\/|\.ts(?<!\.d\.ts)$|\.tgz$/;
const REQUIRED = [
  "LICENSE",
  "README.md",
  "build/kernels.wasm",
  "dist/checkpoint/saver/decoder-thread.js",
  "dist/checkpoint/saver/encoder-thread.js",
  "dist/checkpoint/saver/line-thread.js",
  "dist/checkpoint/saver/saver-thread.js",
  "dist/cli/main.js",
  "dist/dashboard/dashboard-thread.js",
  "dist/dashboard/page/index.html",
  "dist/dashboard/page/main.js",
  "dist/dashboard/page/style.css",
  "dist/index.d.ts",
  "dist/index.js",
  "dist/licenses/zod.txt",
  "dist/testing/index.d.ts",
  "dist/testing/index.js",
];

/**
 * Each check counts as one.
 *
 * @param scratch - an empty folder outside the checkout
 */
export function checkPackage(root: string, scratch: string, run: Run): Tally {
  let passed = 0;
  let failed = 0;
  function check(name: string, ok: boolean): boolean {
    console.log(`${ok ? "ok" : "FAILED"}: ${name}`);
    if (ok) passed++;
    else failed++;
    return ok;
  }

  if (!check("npm pack", run("npm", ["pack", "--silent", "--pack-destination", scratch]))) return { passed, failed };
  const tarball = join(scratch, readdirSync(scratch).find((name) => name.endsWith(".tgz")) ?? "");
  check("publint", run("publint", ["--strict", tarball], { cwd: root }));

  const user = join(scratch, "user");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const install = ["install", "--silent", "--no-audit", "--no-fund", tarball];
  // Seen once: a registry that stops answering half-way. npm would wait for many minutes; a second try takes seconds.
  const installOnce = (): boolean => run("npm", install, { cwd: user, timeoutMs: 90_000 });
  if (!check("npm install of the tarball", installOnce() || installOnce())) return { passed, failed };
  check("the files in the package", filesAreRight(join(user, "node_modules", "varve")));

  const loop = readmeLoop(readFileSync(join(root, "README.md"), "utf8"));
  writeFileSync(join(user, "loop.ts"), loop);
  const first = output(process.execPath, ["loop.ts"], user);
  check("the README's lines run", first.ok);
  const second = output(process.execPath, ["loop.ts"], user);
  check("and resume where they ended", second.ok && second.text !== first.text);
  check("and have types", hasTypes(root, user, run));
  check("varve/testing can be imported", output(process.execPath, ["-e", 'await import("varve/testing")'], user).ok);

  const varve = join(user, "node_modules", ".bin", process.platform === "win32" ? "varve.cmd" : "varve");
  check("varve --help", run(varve, ["--help"], { cwd: user }));
  const train = ["train", "pendulum", "--generations", "1", "--population", "4", "--store", "./run", "--quiet"];
  check("varve train pendulum", run(varve, train, { cwd: user }));
  check("varve verify", run(varve, ["verify", "./run"], { cwd: user }));
  return { passed, failed };
}

/** Runs a command in the user's folder, shows what it said, and returns it. */
function output(
  command: string,
  args: readonly string[],
  cwd: string,
): { readonly ok: boolean; readonly text: string } {
  const done = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 300_000, killSignal: "SIGKILL" });
  console.log(`${done.stdout}${done.stderr}`.trimEnd());
  return { ok: done.status === 0, text: done.stdout };
}

function filesAreRight(installed: string): boolean {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(installed.length + 1)
        .replaceAll("\\", "/"),
    )
    .filter((file) => !file.startsWith("node_modules/"));
  const missing = REQUIRED.filter((file) => !files.includes(file));
  const extra = files.filter((file) => FORBIDDEN.test(file));
  if (missing.length > 0) console.log(`missing: ${missing.join(", ")}`);
  if (extra.length > 0) console.log(`not meant to be published: ${extra.join(", ")}`);
  return missing.length === 0 && extra.length === 0;
}

/** The README's lines must also compile against the published declarations, as strictly as Varve itself does. */
function hasTypes(root: string, user: string, run: Run): boolean {
  const compilerOptions = {
    ...{ target: "es2024", module: "nodenext", strict: true, exactOptionalPropertyTypes: true, noEmit: true },
    ...{ types: ["node"], typeRoots: [join(root, "node_modules", "@types")], skipLibCheck: false },
    allowImportingTsExtensions: true,
  };
  writeFileSync(join(user, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["loop.ts"] }));
  const path = [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter);
  process.env["PATH"] = path;
  return run("tsc", ["-p", "."], { cwd: user });
}
