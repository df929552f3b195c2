// The steps of .ci/run, in order. All run even if one fails, so that one run tells everything; the last line is
// `N passed, N failed`: the tests, and each other step as one.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { checkPackage } from "./check-package.ts";
import { filesCutShort, type Tally, tallyOf, type VitestReport } from "./test-tally.ts";

const root = join(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "varve-ci-"));
const MINUTE_MS = 60_000;

interface RunOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a command with its output shown. True if it ended with 0 in time. */
function run(command: string, args: readonly string[], options: RunOptions = {}): boolean {
  const done = spawnSync(command, args, {
    cwd: options.cwd ?? root,
    env: options.env ?? process.env,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: options.timeoutMs ?? 10 * MINUTE_MS,
    killSignal: "SIGKILL",
    shell: process.platform === "win32",
  });
  if (done.error !== undefined) console.log(`${command}: ${done.error.message}`);
  return done.status === 0;
}

const npm = (...script: readonly string[]) => run("npm", ["run", "--silent", ...script]);
const asOne = (passed: boolean): Tally => ({ passed: passed ? 1 : 0, failed: passed ? 0 : 1 });

interface TestRun {
  readonly ended: boolean;
  /** Null where there is none. */
  readonly report: VitestReport | null;
}

type TestScript = "test" | "test:browser" | "test:crash" | "test:faults" | "coverage:core";

/** @param files - all that the script has if none is given */
function runTests(script: TestScript, files: readonly string[], reportName: string): TestRun {
  const file = join(scratch, reportName);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const ended = run("npm", ["run", script, "--silent", "--", ...files, ...reporters, "--allowOnly=false"], {
    timeoutMs: 25 * MINUTE_MS,
  });
  return { ended, report: existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as VitestReport) : null };
}

/** More than so many files whose process died are no accident. */
const MOST_RERUN = 2;

/**
 * Node 24 itself dies now and then when a process with worker threads ends them, of a cause that is not known yet
 * (docs/design.md, "The project"). What that cut short runs once more, and is said, with what can tell the cause.
 */
function rerunWhatWasCut(script: TestScript, first: TestRun, cut: readonly string[]): TestRun {
  if (first.report === null || cut.length === 0 || cut.length > MOST_RERUN) return first;
  tellCrash(cut);
  const again = runTests(script, cut, "vitest-again.json");
  if (again.report === null) return first;
  const others = first.report.testResults.filter(({ name }) => !cut.includes(nameInTree(name)));
  const hasFailed = others.some(({ status }) => status === "failed");
  return { ended: again.ended && !hasFailed, report: { testResults: [...others, ...again.report.testResults] } };
}

function readExpectedSkips(): readonly string[] {
  return JSON.parse(readFileSync(join(root, "tools", "expected-skips.json"), "utf8")) as string[];
}

function tellCrash(cut: readonly string[]): void {
  console.log(`RERUN: Node died of a signal in ${cut.join(", ")}`);
  for (const line of crashesInKernelLog()) console.log(`kernel: ${line}`);
}

/** What its files cover counts together: where Node died in one of them, all run once more. */
function coverCore(): Tally {
  const first = runTests("coverage:core", [], "coverage-core.json");
  if (first.ended || first.report === null) return asOne(first.ended);
  const cut = filesCutShort(first.report, readExpectedSkips(), nameInTree);
  if (cut.length === 0 || cut.length > MOST_RERUN) return asOne(false);
  tellCrash(cut);
  return asOne(runTests("coverage:core", [], "coverage-core-again.json").ended);
}

/** Thread and address of the latest crashes, where the kernel may be asked: a SIGSEGV leaves no other words. */
function crashesInKernelLog(): readonly string[] {
  const { status, stdout } = spawnSync("dmesg", { encoding: "utf8" });
  if (status !== 0) return [];
  return stdout
    .split("\n")
    .filter((line) => /segfault at|traps: /.test(line))
    .slice(-2 * MOST_RERUN);
}

const nameInTree = (path: string): string => relative(root, path).replaceAll("\\", "/");

function test(script: TestScript): Tally {
  const expectedSkips = readExpectedSkips();
  const first = runTests(script, [], `${script.replace(":", "-")}.json`);
  if (first.report === null) return asOne(false);
  const cut = first.ended ? [] : filesCutShort(first.report, expectedSkips, nameInTree);
  const { ended, report } = rerunWhatWasCut(script, first, cut);
  if (report === null) return asOne(false);
  const { tally, unexpectedSkips } = tallyOf(report, expectedSkips, nameInTree);
  for (const name of unexpectedSkips) console.log(`skipped, and not in tools/expected-skips.json: ${name}`);
  // A run can fail without a failed test: an error outside of every test, or a file that could not be loaded.
  if (!ended && tally.failed === 0) return { ...tally, failed: 1 };
  return tally;
}

/** A Python with what examples/read.py needs, where that can be had; without it the reader's tests are skipped. */
function preparePython(): void {
  const venv = join(scratch, "python");
  const python = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const packages = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "numpy", "zstandard"];
  if (run("python3", ["-m", "venv", venv]) && run(python, packages)) process.env["VARVE_PYTHON"] = python;
  else console.log("no Python with numpy and zstandard: examples/read.py is not tested");
  // Large, and of one test: without it only that one is skipped.
  const tensorBoard = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "tensorboard", "setuptools"];
  if (!run(python, tensorBoard)) console.log("no TensorBoard: its reader is not asked");
}

/**
 * The first command of the README, as on a machine that has nothing yet: a clone without node_modules, and none of
 * this process's PATH.
 */
function freshStart(): boolean {
  const clone = join(scratch, "clone");
  const path = (process.env["PATH"] ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  const env = { ...process.env, PATH: path.join(":") };
  const arguments_ = ["--silent", "start", "--", "pendulum", "--generations", "1", "--population", "2", "--quiet"];
  return run("git", ["clone", "--quiet", root, clone]) && run("npm", arguments_, { cwd: clone, env });
}

/** Every example runs without arguments, in an empty folder, and ends by itself. */
function examples(): Tally {
  const folder = join(root, "examples");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".ts")) : [];
  let passed = 0;
  for (const name of files.sort()) {
    console.log(`examples/${name}`);
    if (run(process.execPath, [join(folder, name)], { cwd: mkdtempSync(join(scratch, "example-")) })) passed++;
    else console.log(`examples/${name} failed`);
  }
  return { passed, failed: files.length === 0 ? 1 : files.length - passed };
}

/** Nothing above may have written into the checkout. */
function untouched(): boolean {
  const done = spawnSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" });
  if (done.status !== 0) return true;
  console.log(done.stdout);
  return done.stdout === before;
}

const before = spawnSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" }).stdout;

/** The crash and fault harness: most of the time, so `--short` leaves it out while one works. */
const harness: readonly (readonly [name: string, step: () => Tally])[] = [
  ["crashes", () => test("test:crash")],
  ["faults", () => test("test:faults")],
];

const steps: readonly (readonly [name: string, step: () => Tally])[] = [
  ["format", () => asOne(npm("check:format"))],
  ["lint", () => asOne(npm("lint"))],
  ["types", () => asOne(npm("typecheck"))],
  ["imports", () => asOne(npm("imports"))],
  ["dead code", () => asOne(npm("deadcode"))],
  [
    "test",
    () => {
      preparePython();
      return test("test");
    },
  ],
  ["browser", () => test("test:browser")],
  ["core coverage", coverCore],
  ["build", () => asOne(npm("build"))],
  ["examples", examples],
  ["fresh start", () => asOne(freshStart())],
  ["package", () => checkPackage(root, scratch, run)],
  ...(process.argv.includes("--short") ? [] : harness),
  ["checkout untouched", () => asOne(untouched())],
];

const total = { passed: 0, failed: 0 };
const summary: string[] = [];
for (const [name, step] of steps) {
  console.log(`\n=== ${name}`);
  const startedMs = performance.now();
  const { passed, failed } = step();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  summary.push(`${name.padEnd(20)} ${seconds.padStart(7)} s  ${passed} passed, ${failed} failed`);
  console.log(`=== ${summary.at(-1)}`);
  total.passed += passed;
  total.failed += failed;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${summary.join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
