import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { describeWrongNode } from "../../src/base/node-version.ts";
import { ConsoleOutput } from "../../src/cli/console-output.ts";
import { formatBytes, formatDuration, formatScore, plural, quoteForShell } from "../../src/cli/format.ts";
import { MetricsLog } from "../../src/cli/metrics-log.ts";
import { finishPendingSaves } from "../../src/cli/pending-saves.ts";
import { createRunFolder, newestRunFolder } from "../../src/cli/run-folders.ts";
import { DEFAULT_STOP_MS, StopSignals } from "../../src/cli/stop-signals.ts";
import { localFolderOf } from "../../src/cli/train-place.ts";
import { withoutRepeats } from "../../src/cli/train-recorder.ts";
import { TrainReporter } from "../../src/cli/train-reporter.ts";
import { type Checkpointer, FencedError, StoreError } from "../../src/index.ts";
import { temporaryFolder } from "./run-varve.ts";

const home = process.cwd();
afterEach(() => process.chdir(home));

test.each([
  ["22.15.0", true, /^right$/],
  ["24.21.0", true, /^right$/],
  ["22.14.0", true, /22\.15 or newer .*, got 22\.14\.0[^]*npm start/],
  ["20.20.2", false, /got 20\.20\.2/],
  ["23.4.0", false, /not 23\.0 to 23\.7\), got 23\.4\.0/],
])("Node %s, with zstd: %s", (version, hasZstd, message) => {
  expect(describeWrongNode(version, hasZstd) ?? "right").toMatch(message);
});

describe("run folders", () => {
  test("count up from the highest number of the environment, and past 999", () => {
    process.chdir(temporaryFolder());
    expect(createRunFolder("market")).toBe("runs/market-001");
    expect(createRunFolder("pendulum")).toBe("runs/pendulum-001");
    mkdirSync("runs/market-999");
    mkdirSync("runs/market-old");
    expect(createRunFolder("market")).toBe("runs/market-1000");
    expect(createRunFolder("market")).toBe("runs/market-1001");
  });

  test("the newest is the one that wrote a checkpoint last; folders without one do not count", () => {
    process.chdir(temporaryFolder());
    const write = (run: string, ageSeconds: number) => {
      const file = join("runs", run, "checkpoints", "00001-0000000001.json");
      mkdirSync(join("runs", run, "checkpoints"), { recursive: true });
      writeFileSync(file, "{}");
      utimesSync(file, 1_700_000_000 - ageSeconds, 1_700_000_000 - ageSeconds);
    };
    write("market-001", 10);
    write("market-002", 20);
    write("pendulum-001", 5);
    mkdirSync("runs/market-003/checkpoints", { recursive: true });
    expect(newestRunFolder("market")).toBe("runs/market-001");
    expect(newestRunFolder(undefined)).toBe("runs/pendulum-001");
    expect(() => newestRunFolder("hopper")).toThrow("There is no run of hopper to resume under runs/");
  });
});

const WARNING = { event: "warning", atMs: 1, message: "full" } as const;

const fail = (message: string) => expect.unreachable(message);

test("a metrics log goes on below a line that a killed process left half-written", () => {
  const folder = temporaryFolder();
  const log = new MetricsLog(folder, fail);
  log.write(WARNING);
  log.close();
  appendFileSync(log.path, '{"event":"gen');
  const next = new MetricsLog(folder, fail);
  next.write(WARNING);
  next.close();
  expect(readFileSync(log.path, "utf8")).toBe(
    '{"event":"warning","atMs":1,"message":"full"}\n{"event":"gen\n{"event":"warning","atMs":1,"message":"full"}\n',
  );
});

test("a metrics log that nothing was written to leaves nothing behind", () => {
  const folder = temporaryFolder();
  new MetricsLog(join(folder, "run", "deep"), fail).close();
  expect(readdirSync(folder)).toEqual([]);
});

test("a metrics log that cannot be written to any more says so once, and training goes on", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "logs"));
  symlinkSync("/dev/full", join(folder, "logs", "metrics.jsonl"));
  const warnings: string[] = [];
  const log = new MetricsLog(folder, (message) => warnings.push(message));
  log.write(WARNING);
  log.write(WARNING);
  log.close();
  expect(warnings).toEqual([
    expect.stringMatching(/lines are missing in .*metrics\.jsonl: ENOSPC[^]*Training goes on/),
  ]);
});

const SENDING = {
  ...{ waiting: 2, running: 1, retries: 3 },
  ...{ bytesDone: 1_500_000, bytesTotal: 6_000_000, bytesPerSecond: 900_000, etaMs: 5000 },
};

test("the progress bar gives way to messages, and is drawn again below them", async () => {
  const written: string[] = [];
  const output = new ConsoleOutput();
  const stream = { isTTY: true, columns: 80, write: (text: string) => written.push(text) };
  Object.defineProperties(output, { stream: { value: stream }, isTerminal: { value: true } });
  let pending = 1;
  const checkpointer = {
    status: () => ({ pending, behind: 0, bytes: 10, upload: SENDING }),
    waitUntilFinished: async () => {
      output.message("a message");
      await vi.waitFor(() => expect(written.slice(written.indexOf("a message\n")).join("")).toContain("0/1 saves"));
      pending = 0;
      return { succeeded: 1, failed: 0, pending: 0, errors: [] };
    },
  };
  await finishPendingSaves(checkpointer as unknown as Checkpointer, output);
  const before = written.slice(0, written.indexOf("a message\n"));
  expect(before.join("")).toMatch(/0\/1 saves, 1\.50 MB of 6\.00 MB, 900 kB\/s, ETA 5\.0+ s/);
  expect(before.at(-1)).toBe("\u001B[2K");
  expect(written.slice(-2)).toEqual(["\u001B[2K", "1 succeeded, 0 failed\n"]);
});

test("a warning that a restore repeats is told once; one that comes back after a save, again", () => {
  const warn = vi.spyOn(ConsoleOutput.prototype, "warn").mockImplementation(() => undefined);
  const reporter = new TrainReporter(new ConsoleOutput({ quiet: true }), "none");
  const tell = withoutRepeats((event) => reporter.checkpoint(event));
  const warning = { kind: "warning", message: "checkpoint 2 is passed over" } as const;
  const facts = { atMs: 1, step: 1, sequence: 1, transitions: 1, logicalBytes: 1, blockedMs: 1 };
  for (const event of [warning, warning, { kind: "queued", ...facts } as const, warning]) tell(event);
  expect(warn).toHaveBeenCalledTimes(2);
  warn.mockRestore();
});

test("that another process took the run over is told once, however many saves fail for it", () => {
  const warn = vi.spyOn(ConsoleOutput.prototype, "warn").mockImplementation(() => undefined);
  const reporter = new TrainReporter(new ConsoleOutput({ quiet: true }), "none");
  const failed = (sequence: number, error: Error) => reporter.checkpoint({ kind: "failed", step: 1, sequence, error });
  failed(1, new StoreError("network", "put", "packs/a", "reset"));
  expect(reporter.isFenced).toBe(false);
  for (const sequence of [2, 3, 4]) failed(sequence, new FencedError(1, 2));
  expect(warn).toHaveBeenCalledTimes(2);
  expect(reporter.isFenced).toBe(true);
  expect(reporter.totals.failed).toBe(4);
  warn.mockRestore();
});

test("a store that refuses is not told as away, and its reason once, not for the save that met it too", () => {
  const warn = vi.spyOn(ConsoleOutput.prototype, "warn").mockImplementation(() => undefined);
  const reporter = new TrainReporter(new ConsoleOutput({ quiet: true }), "from memory");
  const error = new StoreError("permission", "put", "packs/a", "HTTP 403", { hint: "Ask for the right." });
  reporter.checkpoint({ kind: "degraded", store: "s3://b/run", behind: 0, error });
  reporter.checkpoint({ kind: "failed", step: 7, sequence: 1, error });
  reporter.checkpoint({ kind: "failed", step: 8, sequence: 2, error: new StoreError("busy", "put", "x", "HTTP 503") });
  const lines = warn.mock.calls.map(([text]) => text);
  expect(lines[0]).toMatch(/^s3:\/\/b\/run takes no checkpoints: .*HTTP 403\n {2}Ask for the right\.$/);
  expect(lines[1]).toBe("save 1 (step 7) FAILED: for the reason above");
  expect(lines[2]).toMatch(/^save 2 \(step 8\) FAILED: .*503/);
  warn.mockRestore();
});

test("a save's line compares what it wrote with what a full save would hold", () => {
  const lines: string[] = [];
  const message = vi.spyOn(ConsoleOutput.prototype, "message").mockImplementation((text) => void lines.push(text));
  const reporter = new TrainReporter(new ConsoleOutput(), "none");
  const times = { atMs: 3, encodingAtMs: 1, writingAtMs: 2 };
  const facts = { step: 1, sequence: 1, transitions: 10, totalStoredBytes: 5000, elapsedMs: 12, ...times };
  reporter.checkpoint({ kind: "durable", ...facts, logicalBytes: 1000, storedBytes: 250 });
  reporter.checkpoint({ kind: "durable", ...facts, logicalBytes: 1000, storedBytes: 1100 });
  expect(lines[0]).toContain("10 transitions, 1.00 kB → 250 B written (75.0 % smaller), 12 ms");
  expect(lines[1]).toContain("1.10 kB written (10.0 % larger)");
  message.mockRestore();
});

test("the local folder of a run is its first tier, or its store where that is a folder", () => {
  expect(localFolderOf({ store: "runs/a", local: undefined })).toBe("runs/a");
  expect(localFolderOf({ store: "file:///data/a%20b", local: undefined })).toBe("/data/a b");
  expect(localFolderOf({ store: "memory://a", local: undefined })).toBeNull();
  expect(localFolderOf({ store: "memory://a", local: "here" })).toBe("here");
});

test("numbers read as a person writes them", () => {
  expect([0, 999, 1000, 1_234_567, 196e9].map(formatBytes)).toEqual(["0 B", "999 B", "1.00 kB", "1.23 MB", "196 GB"]);
  expect([0.0312, 12.34, 640, 3140, 125_000].map(formatDuration)).toEqual([
    ...["0.031 ms", "12.3 ms", "640 ms", "3.1 s", "2 min 5 s"],
  ]);
  expect([-10_000, -81.26, 0.126, Number.NaN].map(formatScore)).toEqual(["-10,000", "-81.3", "0.13", "NaN"]);
  expect([plural(1, "save"), plural(1200, "save")]).toEqual(["1 save", "1,200 saves"]);
  expect(["runs/a-1", "my run", "it's"].map(quoteForShell)).toEqual(["runs/a-1", "'my run'", "'it'\\''s'"]);
});

test("a generation that is not done when the time after SIGTERM is up is given up: the process ends with 75", async () => {
  const happened: string[] = [];
  const exit = vi.spyOn(process, "exit").mockImplementation((code) => {
    happened.push(`exit ${code}`);
    return undefined as never;
  });
  const warn = vi.spyOn(ConsoleOutput.prototype, "warn").mockImplementation(() => undefined);
  const sleep = async (delayMs: number) => void happened.push(`slept ${delayMs}`);
  const hooks = { onTimeUp: async () => void happened.push("waited for saves"), onSecond: () => undefined };
  const clock = { now: () => 0, monotonicMs: () => 0 };
  const signals = new StopSignals(new ConsoleOutput(), DEFAULT_STOP_MS, hooks, { sleep, clock });
  process.emit("SIGTERM");
  await vi.waitFor(() => expect(exit).toHaveBeenCalled());
  signals.close();
  expect(signals.received).toBe("SIGTERM");
  expect(happened).toEqual(["slept 25000", "waited for saves", "exit 75"]);
  expect(process.listenerCount("SIGTERM")).toBe(0);
  exit.mockRestore();
  warn.mockRestore();
});

test("what is left of the time after SIGTERM is for the saves, and all of it after Ctrl-C", () => {
  const warn = vi.spyOn(ConsoleOutput.prototype, "warn").mockImplementation(() => undefined);
  const given: [string, number][] = [];
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    let nowMs = 1000;
    const hooks = { onTimeUp: async () => undefined, onSecond: () => undefined };
    const sleep = (_: number, until?: AbortSignal): Promise<void> =>
      new Promise((_resolve, reject) => until?.addEventListener("abort", () => reject(until.reason as Error)));
    const time = { sleep, clock: { now: () => 0, monotonicMs: () => nowMs } };
    const early = new StopSignals(new ConsoleOutput(), 25_000, hooks, time);
    process.emit(signal);
    nowMs += 10_000;
    early.trainingIsOver((timeoutMs) => given.push([`${signal} while training`, timeoutMs]));
    early.close();
    const late = new StopSignals(new ConsoleOutput(), 25_000, hooks, time);
    late.trainingIsOver((timeoutMs) => given.push([`${signal} while saving`, timeoutMs]));
    nowMs += 10_000;
    process.emit(signal);
    late.close();
  }
  expect(given).toEqual([
    ["SIGTERM while training", 15_000],
    ["SIGTERM while saving", 25_000],
    ["SIGINT while training", 25_000],
    ["SIGINT while saving", 25_000],
  ]);
  warn.mockRestore();
});
