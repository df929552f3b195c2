import { describe, expect, test } from "vitest";
import { folderWith, QUICK, runVarve, temporaryFolder } from "./run-varve.ts";

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

function linesOf(stderr: string): LogLine[] {
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogLine);
}

describe("--log-format json", () => {
  test("every message is a line of JSON on standard error, with the facts of generations and saves as fields", async () => {
    const cwd = folderWith(QUICK);
    const args = ["train", "--store", "run", "--generations", "2", "--log-format", "json"];
    const { code, stdout, stderr } = await runVarve(args, { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pendulum +run\ngenerations +2 of 2$/m);
    const lines = linesOf(stderr);
    for (const line of lines) {
      expect(line).toMatchObject({ level: "info", name: "varve", pid: expect.any(Number) });
      expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      expect(line.msg).not.toMatch(/^\s|\s$/);
    }
    const generations = lines.filter(({ event }) => event === "generation");
    expect(generations).toMatchObject([{ generation: 1 }, { generation: 2, bufferSize: 2000 }]);
    const durable = lines.filter(({ event }) => event === "durable");
    expect(durable).toMatchObject([
      { sequence: 1, storedBytes: expect.any(Number), msg: expect.stringContaining("save 1 durable") },
      { sequence: 2 },
    ]);
  });

  test("an error has its code and its hint as fields, and the level decides what is told", async () => {
    const cwd = temporaryFolder();
    const env = { VARVE_LOG_FORMAT: "json", VARVE_LOG_LEVEL: "error" };
    const { code, stdout, stderr } = await runVarve(["list", "rnu"], { cwd, env });
    expect([code, stdout]).toEqual([2, ""]);
    expect(linesOf(stderr)).toMatchObject([
      { level: "error", code: "VARVE_CONFIG", hint: expect.stringContaining("Name the folder") },
    ]);
    const silent = await runVarve(["list", "rnu", "--log-level", "silent"], { cwd, env });
    expect([silent.code, silent.stdout, silent.stderr]).toEqual([2, "", ""]);
    const debug = await runVarve(["list", "rnu", "--log-level", "debug"], { cwd, env });
    expect(linesOf(debug.stderr).at(-1)?.msg).toContain("assertFolder");
  });
});

describe("--log-level", () => {
  test("of text: warn leaves messages out, error leaves warnings out as well", async () => {
    const cwd = folderWith(QUICK);
    const train = ["train", "--store", "run", "--generations", "1"];
    const quiet = await runVarve([...train, "--log-level", "warn"], { cwd });
    expect(quiet.stdout).toMatch(/^pendulum +run\n/);
    const again = ["train", "--resume", "--store", "run"];
    const warned = await runVarve([...again, "--log-level", "warn"], { cwd });
    expect(warned.stderr).toContain("The run was complete already");
    const errors = await runVarve([...again, "--log-level", "error"], { cwd });
    expect([errors.code, errors.stderr]).toEqual([0, ""]);
  });

  test("what is no level is refused before anything is done", async () => {
    const { code, stderr } = await runVarve(["list", ".", "--log-level", "loud"], { cwd: temporaryFolder() });
    expect(code).toBe(2);
    expect(stderr).toContain("Allowed choices are silent, error, warn, info, debug");
  });
});
