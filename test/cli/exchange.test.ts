import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readNpz } from "../exchange/export-readers.ts";
import { usual, writeNpz } from "../exchange/made-npz.ts";
import { damageNewest, damageNewestPacks, folderWith, QUICK, runVarve, temporaryFolder } from "./run-varve.ts";

/** A folder in which `run` holds two checkpoints. */
async function withRun(): Promise<string> {
  const cwd = folderWith(QUICK);
  const { code } = await runVarve(["train", "--store", "run", "--generations", "2", "--quiet"], { cwd });
  expect(code).toBe(0);
  return cwd;
}

describe("varve export", () => {
  test("writes a checkpoint's buffer and state, and says when it is complete", async () => {
    const cwd = await withRun();
    const args = ["export", "run", "out.npz", "--format", "npz", "--last", "100", "--state"];
    const { code, stdout, stderr } = await runVarve([...args, "--json"], { cwd });
    expect([code, stderr]).toEqual([0, ""]);
    const report = JSON.parse(stdout) as { arrays: { name: string; shape: number[] }[] };
    expect(report).toMatchObject({ path: "out.npz", step: 2, sequence: 2, transitions: 100, outcome: "written" });
    const { arrays } = readNpz(join(cwd, "out.npz"));
    expect(Object.keys(arrays)).toEqual(report.arrays.map(({ name }) => name));
    expect(arrays["reward"]?.shape).toEqual([100]);
    expect(Object.keys(arrays).some((name) => name.startsWith("state/"))).toBe(true);
    const again = await runVarve(args, { cwd });
    expect([again.code, again.stdout]).toEqual([
      0,
      expect.stringMatching(/^out\.npz is complete already \(step 2: 100/),
    ]);
    const other = await runVarve([...args.slice(0, 6), "50"], { cwd });
    expect([other.code, other.stdout]).toEqual([2, ""]);
    expect(other.stderr).toContain("out.npz exists already, and is not this export\n  Remove it");
  });

  test("passes over a damaged newest checkpoint: it writes the one before, says so, and ends with 3", async () => {
    const cwd = await withRun();
    damageNewest(join(cwd, "run"));
    const args = ["export", "run", "out.npz", "--format", "npz"];
    const { code, stdout, stderr } = await runVarve(args, { cwd });
    expect([code, stdout]).toEqual([3, expect.stringMatching(/^Wrote out\.npz \(step 1: /)]);
    expect(stderr.match(/^WARNING: /gm)).toHaveLength(1);
    expect(stderr).toContain("varve verify run");
    expect(readNpz(join(cwd, "out.npz")).arrays["reward"]?.shape).toEqual([1000]);
    expect((await runVarve(args, { cwd })).code).toBe(3);
    expect((await runVarve([...args.slice(0, 2), "own.npz", ...args.slice(3), "--step", "1"], { cwd })).code).toBe(0);
  });

  test("passes over a newest checkpoint whose packs are damaged, too", async () => {
    const cwd = await withRun();
    damageNewestPacks(join(cwd, "run"));
    const args = ["export", "run", "out.npz", "--format", "npz"];
    const { code, stdout, stderr } = await runVarve(args, { cwd });
    expect([code, stdout]).toEqual([3, expect.stringMatching(/^Wrote out\.npz \(step 1: /)]);
    expect(stderr.match(/^WARNING: /gm)).toHaveLength(1);
    expect(stderr).toMatch(/^WARNING: checkpoint 2 \(step 2\) is passed over: "packs\/.* is corrupt/m);
    expect(stderr).toContain("varve verify run");
    expect(readdirSync(cwd).filter((name) => name.startsWith("out"))).toEqual(["out.npz"]);
    // The one asked for is that one or none.
    const asked = await runVarve([...args.slice(0, 2), "own.npz", ...args.slice(3), "--step", "2"], { cwd });
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining("is corrupt")]);
  });

  test("reads a run of two tiers from the local one where it can, also what its store lacks", async () => {
    const cwd = folderWith(QUICK);
    await runVarve(["train", "--store", "far", "--local", "near", "--generations", "2", "--quiet"], { cwd });
    for (const name of ["checkpoints", "packs"]) rmSync(join(cwd, "far", name), { recursive: true });
    const args = ["export", "far", "out.npz", "--format", "npz"];
    expect((await runVarve(args, { cwd })).code).toBe(2);
    const { code, stdout } = await runVarve([...args, "--local", "near"], { cwd });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Wrote out\.npz \(step 2: /)]);
    const misspelt = await runVarve([...args, "--local", "naer"], { cwd });
    expect([misspelt.code, misspelt.stderr]).toEqual([2, expect.stringContaining("There is no run at naer")]);
  });

  test("chooses by step, and refuses what is not there", async () => {
    const cwd = await withRun();
    const attempt = (...more: string[]) => runVarve(["export", "run", "out", "--format", "zarr", ...more], { cwd });
    const { stdout } = await attempt("--step", "1");
    expect(stdout).toMatch(
      /^Wrote out \(step 1: 1,000 transitions in \d+ arrays, [\d.]+ kB of values, [\d.]+ kB on disk\)/,
    );
    expect(existsSync(join(cwd, "out", "reward", "zarr.json"))).toBe(true);
    const again = await attempt("--step", "1", "--json");
    const files = readdirSync(join(cwd, "out"), { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    const sizes = files.map(({ parentPath, name }) => statSync(join(parentPath, name)).size);
    expect(JSON.parse(again.stdout)).toMatchObject({ bytesOnDisk: sizes.reduce((sum, size) => sum + size, 0) });
    const both = await attempt("--step", "1", "--sequence", "2");
    expect(both.stderr).toContain("both step 1 and sequence 2: checkpoint 2 is of step 2; there are: step 1 (seq");
    const shown = await runVarve(["show", "run", "--step", "1", "--sequence", "2"], { cwd });
    expect([shown.code, shown.stderr]).toEqual([1, expect.stringContaining("checkpoint 2 is of step 2")]);
    const missing = await attempt("--step", "7");
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("No checkpoint with step 7")]);
    expect((await runVarve(["export", "run", "out"], { cwd })).code).toBe(2);
    expect((await runVarve(["export", "run", "x", "--format", "csv"], { cwd })).stderr).toContain("npz");
    const nowhere = await runVarve(["export", "run", "no/such/out.npz", "--format", "npz"], { cwd });
    expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining("not-found")]);
  });
});

describe("varve import", () => {
  test("makes a run of a file, which can be listed and exported", async () => {
    const cwd = temporaryFolder();
    const file = writeNpz({
      ...usual,
      extra: usual["rewards"] as Uint8Array,
      "other/x": usual["rewards"] as Uint8Array,
    });
    const args = ["import", file, "--store", "imported", "--step", "7"];
    const { code, stdout, stderr } = await runVarve([...args, "--json"], { cwd });
    expect([code, stderr]).toEqual([0, expect.stringContaining("NOTE: left out other/x")]);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ store: "imported", step: 7, sequence: 1, transitions: 6 },
      fields: { observation: { dtype: "float32", shape: [2] }, extra: { dtype: "float32", shape: [] } },
    });
    const listed = await runVarve(["list", "imported", "--json"], { cwd });
    const small = await runVarve(["import", file, "--store", "small"], { cwd });
    expect(small.stdout).toMatch(/^Imported 6 transitions into small as step 0: [\d.]+ k?B\n$/);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ step: 7, transitions: 6 }]);
    await runVarve(["export", "imported", "out.npz", "--format", "npz"], { cwd });
    expect(readNpz(join(cwd, "out.npz")).arrays["reward"]?.shape).toEqual([6]);
    const again = await runVarve(args, { cwd });
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("already holds a run: 1 checkpoint")]);
  });

  test("refuses a file that it cannot take, and leaves no run", async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "no.npz"), "hello");
    const { code, stderr } = await runVarve(["import", "no.npz", "--store", "run"], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining("no.npz is not an npz file")]);
    expect(existsSync(join(cwd, "run"))).toBe(false);
    expect((await runVarve(["import", "none.npz", "--store", "run"], { cwd })).code).toBe(1);
  });
});

test.each([
  ["import", "no.npz", "--store", "memory://x"],
  ["copy", "no", "memory://x"],
  ["sync", ".", "memory://x"],
])("varve %s into memory is refused before anything is read: all would be gone at its end", async (...args) => {
  const { code, stdout, stderr } = await runVarve(args, { cwd: temporaryFolder() });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^varve: Expected (--store|<to>|<store>) to be a place that outlasts this command/);
  expect(stderr).toContain("Name a folder");
});

describe("varve copy and varve delete", () => {
  test("copy a run, go on with it, and delete it", async () => {
    const cwd = await withRun();
    const copy = await runVarve(["copy", "run", "backup", "--json"], { cwd });
    expect([copy.code, JSON.parse(copy.stdout).copied.length]).toEqual([0, 2]);
    expect((await runVarve(["copy", "run", "backup"], { cwd })).stdout).toMatch(/^Copied 0 .* 2 were there already\n$/);
    expect((await runVarve(["verify", "backup"], { cwd })).code).toBe(0);

    const before = readdirSync(join(cwd, "backup"), { recursive: true });
    const asked = await runVarve(["delete", "backup"], { cwd });
    expect([asked.code, asked.stdout]).toEqual([
      2,
      expect.stringMatching(/^Would delete backup: 2 checkpoints, the newest of step 2/),
    ]);
    expect(asked.stderr).toContain("varve delete backup --yes");
    expect(readdirSync(join(cwd, "backup"), { recursive: true })).toEqual(before);
    const deleted = await runVarve(["delete", "backup", "--yes", "--json"], { cwd });
    expect([deleted.code, JSON.parse(deleted.stdout)]).toMatchObject([0, { isDeleted: true, checkpoints: 2 }]);
    expect(existsSync(join(cwd, "backup"))).toBe(false);
  });

  test("copy tells damage and ends with 3, and refuses another run's place", async () => {
    const cwd = await withRun();
    damageNewest(join(cwd, "run"));
    const { code, stderr } = await runVarve(["copy", "run", "backup"], { cwd });
    expect([code, stderr]).toEqual([3, expect.stringContaining("varve verify run")]);
    expect((await runVarve(["verify", "backup"], { cwd })).code).toBe(0);
    await runVarve(["import", writeNpz(usual), "--store", "other"], { cwd });
    const mixed = await runVarve(["copy", "run", "other"], { cwd });
    expect([mixed.code, mixed.stderr]).toEqual([1, expect.stringContaining("holds run")]);
  });

  test("delete keeps what is not of the run, and refuses a run that was not closed", async () => {
    const cwd = await withRun();
    const logs = join(cwd, "run", "logs");
    const had = existsSync(logs) ? readdirSync(logs) : [];
    const [writer] = readdirSync(join(cwd, "run", "writers")).filter((name) => name.endsWith(".closed"));
    rmSync(join(cwd, "run", "writers", writer ?? ""));
    const refused = await runVarve(["delete", "run", "--yes"], { cwd });
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("--force")]);
    expect((await runVarve(["list", "run"], { cwd })).code).toBe(0);
    writeFileSync(join(cwd, "run", "mine.txt"), "mine");
    expect((await runVarve(["delete", "run", "--yes", "--force"], { cwd })).code).toBe(0);
    expect(readdirSync(join(cwd, "run")).toSorted()).toEqual([...(had.length > 0 ? ["logs"] : []), "mine.txt"]);
    expect((await runVarve(["delete", "run", "--yes"], { cwd })).code).toBe(2);
    expect((await runVarve(["delete", "rnu", "--yes"], { cwd })).stderr).toContain("There is no run at rnu");
  });
});
