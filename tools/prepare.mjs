// Runs before `npm start` and `npm test`, on whatever Node the machine has: installs and builds what is missing.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (done.status !== 0) {
    console.error(`\`${command} ${args.join(" ")}\` failed with exit code ${done.status}.`);
    process.exit(done.status ?? 1);
  }
}

function modifiedMs(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function installedNodeVersion() {
  const name = process.platform === "win32" ? "node.cmd" : "node";
  const done = spawnSync(join(root, "node_modules", ".bin", name), ["--version"], {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  return done.status === 0 ? done.stdout.trim().replace(/^v/, "") : undefined;
}

// npm writes this file at the end of every install: older than the lock file means that the lock has moved on.
const installed = join(root, "node_modules", ".package-lock.json");
if (modifiedMs(installed) < modifiedMs(join(root, "package-lock.json"))) {
  console.error("Installing dependencies (npm ci) …");
  // Without the warnings about the Node that runs npm: it is another one that runs everything else.
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

// The `node` package fetches Node by an install script; with `--ignore-scripts`, or a policy that blocks such
// scripts, npm says nothing and every later step runs on the machine's own Node, which may lack zstd and types.
const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages["node_modules/node"].version;
const found = installedNodeVersion();
if (found !== wanted) {
  console.error(`Expected node_modules/.bin/node to be Node ${wanted}, got ${found ?? "none"}.`);
  console.error("Its install script did not run. Run this once, then try again:");
  console.error("  npm rebuild node --ignore-scripts=false");
  process.exit(1);
}

const sources = join(root, "src", "trainer", "kernels", "assembly");
const wasm = join(root, "build", "kernels.wasm");
if (existsSync(sources)) {
  const newest = Math.max(...readdirSync(sources).map((name) => modifiedMs(join(sources, name))));
  if (modifiedMs(wasm) < newest) {
    console.error("Building the kernels (AssemblyScript) …");
    run(join(root, "node_modules", ".bin", "asc"), [
      join("src", "trainer", "kernels", "assembly", "index.ts"),
      ...["--outFile", join("build", "kernels.wasm"), "-O3", "--noAssert", "--runtime", "stub"],
      ...["--enable", "simd", "--importMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
    ]);
  }
}
