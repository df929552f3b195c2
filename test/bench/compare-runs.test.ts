import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compareRuns, parseRun, type Run } from "../../bench/support/comparison.ts";

const figure = (median: number, min: number, max: number, unit: string) => ({ median, min, max, count: 5, unit });
const once = (value: number, unit: string) => ({ median: value, min: value, max: value, count: 1, unit });
const machine = { cpu: "Z80", cores: 2, memoryGiB: 1, commit: "abc" };
const runOf = (...rows: Run["benches"][number]["rows"]): Run => ({
  machine,
  quick: false,
  benches: [{ bench: "save", rows }],
});
const keys = (before: Run, after: Run) =>
  compareRuns(before, after).changes.map(({ key, isBetter }) => `${isBetter ? "better" : "worse"} ${key}`);

describe("comparing two runs of the benches", () => {
  it("says nothing where a median moved by no more than the wider of the two spreads", () => {
    const before = runOf({ quantity: "p50", varve: figure(10, 9, 12, "ms") });
    const after = runOf({ quantity: "p50", varve: figure(13, 12.9, 13.1, "ms") });
    expect(keys(before, after)).toEqual([]);
  });

  it("names what took longer than both spreads as worse, and the other way round as better", () => {
    const short = runOf({ quantity: "p50", varve: figure(10, 9, 11, "ms") });
    const long = runOf({ quantity: "p50", varve: figure(13, 12, 14, "ms") });
    expect(keys(short, long)).toEqual(["worse save: p50"]);
    expect(keys(long, short)).toEqual(["better save: p50"]);
  });

  it("takes more of a speed for better", () => {
    const slow = runOf({ quantity: "speed", varve: figure(100, 99, 101, "MB/s") });
    const fast = runOf({ quantity: "speed", varve: figure(200, 199, 201, "MB/s") });
    expect(keys(slow, fast)).toEqual(["better save: speed"]);
  });

  it("judges the ratio where there is one, as the target and the row tell which way is better", () => {
    const row = (ratio: number, varve: number) => ({
      quantity: "gap",
      varve: figure(varve, varve, varve, "ms"),
      control: { ...figure(1, 1, 1, "ms"), name: "gzip" },
      ratio: figure(ratio, ratio, ratio, "×"),
    });
    const target = { text: "≥ 100 ×", reached: true };
    expect(keys(runOf({ ...row(50, 1), target }), runOf({ ...row(200, 1), target }))).toEqual([
      "better save: gap, against gzip",
    ]);
    expect(keys(runOf({ ...row(50, 1), target }), runOf({ ...row(50, 9), target }))).toEqual([]);
    expect(keys(runOf(row(50, 1)), runOf(row(200, 1)))).toEqual(["worse save: gap, against gzip"]);
    expect(keys(runOf({ ...row(50, 1), better: "more" }), runOf({ ...row(9, 1), better: "more" }))).toEqual([
      "worse save: gap, against gzip",
    ]);
  });

  it("judges sizes that were measured once from a tenth on, and times never", () => {
    const before = runOf({ quantity: "a", varve: once(100, "MB") }, { quantity: "b", varve: once(100, "ms") });
    const close = runOf({ quantity: "a", varve: once(109, "MB") }, { quantity: "b", varve: once(109, "ms") });
    const far = runOf({ quantity: "a", varve: once(111, "MB") }, { quantity: "b", varve: once(900, "ms") });
    expect(keys(before, close)).toEqual([]);
    expect(keys(before, far)).toEqual(["worse save: a"]);
  });

  it("takes quantities for the same whatever else the run counted in them", () => {
    const before = runOf({ quantity: "steps a second during 30 saves (700 MB stored), idle", varve: once(3, "MB") });
    const after = runOf({ quantity: "steps a second during 29 saves (690 MB stored), idle", varve: once(9, "MB") });
    expect(keys(before, after)).toEqual(["worse save: steps a second, idle"]);
  });

  it("names what only one of them measured", () => {
    const before = runOf({ quantity: "a", varve: once(1, "MB") }, { quantity: "b", varve: once(1, "MB") });
    const after = runOf({ quantity: "b", varve: once(1, "MB") }, { quantity: "c", varve: once(1, "MB") });
    expect(compareRuns(before, after)).toEqual({
      changes: [],
      compared: 1,
      onlyBefore: ["save: a"],
      onlyAfter: ["save: c"],
    });
  });

  it("refuses a file of another form", () => {
    expect(() => parseRun("{}")).toThrow("machine");
    expect(() => parseRun("no JSON")).toThrow(SyntaxError);
  });
});

describe("bench:compare", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-compare-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const script = join(import.meta.dirname, "..", "..", "bench", "compare-runs.ts");
  const compare = (before: unknown, after: unknown) => {
    const paths = Object.entries({ before, after }).map(([name, content]) => {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
      return path;
    });
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...paths], { encoding: "utf8" });
    return { status, stdout, stderr };
  };
  const short = runOf({ quantity: "p50", varve: figure(10, 9, 11, "ms") });
  const long = runOf({ quantity: "p50", varve: figure(13, 12, 14, "ms") });

  it("ends with 1 where anything got worse, and shows both figures", () => {
    const { status, stdout } = compare(short, long);
    expect(stdout).toContain("1 worse\n  save: p50: 10 ms (9–11) → 13 ms (12–14)\n0 better");
    expect(status).toBe(1);
  });

  it("ends with 0 where things got better at most", () => {
    expect(compare(long, short)).toMatchObject({ status: 0, stderr: "" });
    expect(compare(long, long)).toMatchObject({ status: 0, stderr: "" });
  });

  it.each([
    ["a file that is none of ours", "[]", "is no file of"],
    ["runs of different machines", { ...long, machine: { ...machine, cores: 64 } }, "different machines: 2 × Z80"],
    ["a quick run", { ...long, quick: true }, "the run after is a --quick one"],
    ["runs without a quantity in common", { ...long, benches: [] }, "no quantity in common"],
  ])("ends with 2 for %s, and says so", (_, after, reason) => {
    const { status, stderr } = compare(short, after);
    expect(stderr).toContain(reason);
    expect(status).toBe(2);
  });
});
