import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { damageNewest, folderWith, QUICK, runVarve, temporaryFolder } from "./run-varve.ts";

interface Info {
  readonly name: string;
  readonly step: number;
  readonly sequence: number;
}

/** A folder in which `run` holds three checkpoints. */
async function withRun(): Promise<string> {
  const cwd = folderWith(QUICK);
  const { code } = await runVarve(["train", "--store", "run", "--generations", "3", "--quiet"], { cwd });
  expect(code).toBe(0);
  return cwd;
}

async function json<T>(cwd: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await runVarve([...args, "--json"], { cwd });
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as T;
}

describe("list and show", () => {
  test("tell the checkpoints of a run, oldest first, without writing to it", async () => {
    const cwd = await withRun();
    const before = readdirSync(join(cwd, "run"), { recursive: true });
    const checkpoints = await json<Info[]>(cwd, "list", "run");
    expect(checkpoints.map(({ step, sequence }) => [step, sequence])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(checkpoints[2]).toMatchObject({ transitions: 3000, pinned: false, parent: checkpoints[1]?.name });
    const { stdout } = await runVarve(["list", "run"], { cwd });
    expect(stdout).toMatch(/^step +sequence +made/);
    expect(stdout).toMatch(/^3 +3 +\d{4}-.* 3,000 /m);
    expect(await json<Info>(cwd, "show", "run")).toMatchObject(checkpoints[2] as Info);
    expect(await json<Info>(cwd, "show", "run", "--step", "1")).toMatchObject(checkpoints[0] as Info);
    expect(await json<Info>(cwd, "show", "run", "--sequence", "2")).toMatchObject(checkpoints[1] as Info);
    expect(readdirSync(join(cwd, "run"), { recursive: true })).toEqual(before);
  });

  test("show prints fields, bounds, bytes by column, and the tree of the state", async () => {
    const { code, stdout } = await runVarve(["show", "run"], { cwd: await withRun() });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^transitions +3,000$/m);
    expect(stdout).toMatch(/^buffer default: 3,000 of 50,000 transitions$/m);
    expect(stdout).toMatch(/^observation +float32 \[3\]$/m);
    expect(stdout).toMatch(/^reward +0 to 3,000 +float32 +12.0 kB +\S+ kB +\d\.\d × +bytes, numcodecs.shuffle, zstd$/m);
    expect(stdout).toMatch(/^state: \d+ tensors, /m);
    expect(stdout).toMatch(/^population\[\*\]\.actor +4 × float32 \[\d+\] +\S+ kB$/m);
    expect(stdout).toMatch(/^config\.environment +"pendulum"$/m);
    expect(stdout).not.toContain("\u001b");
  });

  test("tell damage and the next step, show what can be read, and end with 3", async () => {
    const cwd = await withRun();
    damageNewest(join(cwd, "run"));
    for (const command of ["list", "show"]) {
      const { code, stdout, stderr } = await runVarve([command, "run", "--json"], { cwd });
      const shown = [JSON.parse(stdout)].flat() as Info[];
      expect([code, shown.at(-1)?.step]).toEqual([3, 2]);
      expect(stderr.match(/^WARNING: a checkpoint cannot be read/gm)).toHaveLength(1);
      expect(stderr).toContain("varve verify run\n");
      expect(stderr).toContain("varve prune run --quarantine\n");
    }
  });

  test("end with 3 where nothing can be read", async () => {
    const cwd = folderWith(QUICK);
    await runVarve(["train", "--store", "run", "--generations", "1"], { cwd });
    damageNewest(join(cwd, "run"));
    const list = await runVarve(["list", "run"], { cwd });
    expect([list.code, list.stdout]).toEqual([3, "run holds no checkpoints that can be read\n"]);
    const show = await runVarve(["show", "run"], { cwd });
    expect([show.code, show.stdout]).toEqual([3, ""]);
    expect(show.stderr).toContain("varve verify run");
  });

  test("a step that is not there is an error that lists those that are", async () => {
    const { code, stderr } = await runVarve(["show", "run", "--step", "9"], { cwd: await withRun() });
    expect(code).toBe(1);
    expect(stderr).toContain("No checkpoint with step 9; there are: step 1 (sequence 1), step 2 (sequence 2)");
  });

  test.each(["list", "show", "verify", "prune"])("%s of a folder that does not exist is an error", async (command) => {
    const { code, stdout, stderr } = await runVarve([command, "rnu", "--json"], { cwd: temporaryFolder() });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("There is no run at rnu");
  });
});

describe("verify", () => {
  test("finds a whole run intact", async () => {
    const cwd = await withRun();
    expect(await json(cwd, "verify", "run")).toMatchObject({ isIntact: true });
    expect((await runVarve(["verify", "run"], { cwd })).stdout).toMatch(/^3 checkpoints, \d+ packs, .* read: intact$/m);
  });

  test("ends with 3 and names the damage where a byte was changed", async () => {
    const cwd = await withRun();
    const packs = join(cwd, "run", "packs");
    const pack = readdirSync(packs)[0] as string;
    const bytes = readFileSync(join(packs, pack));
    const middle = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    writeFileSync(join(packs, pack), bytes);
    const { code, stdout } = await runVarve(["verify", "run"], { cwd });
    expect(code).toBe(3);
    expect(stdout).toMatch(/^DAMAGED /m);
    expect(stdout).toContain(pack);
  });

  test("checks each of two places, tells what is restorable all the same, and what to do", async () => {
    const cwd = await withRun();
    cpSync(join(cwd, "run"), join(cwd, "disk"), { recursive: true });
    const both = ["verify", "run", "--local", "disk"];
    const intact = await runVarve(both, { cwd });
    expect([intact.code, intact.stderr]).toEqual([0, ""]);
    expect(intact.stdout).toMatch(
      /^disk: 3 checkpoints, \d+ packs, .* read: intact\nrun: 3 checkpoints, .*: intact\n$/,
    );
    const [pack = "", other = ""] = readdirSync(join(cwd, "run", "packs"));
    rmSync(join(cwd, "run", "packs", pack));
    const damaged = await runVarve(both, { cwd });
    expect(damaged.code).toBe(3);
    expect(damaged.stdout).toMatch(
      new RegExp(
        `^DAMAGED checkpoints/.*: in file://.*/run: "packs/${pack}" is missing\n  restorable: it is whole in file://.*/disk$`,
        "m",
      ),
    );
    expect(damaged.stdout).toMatch(/^disk: .*: intact\nrun: .*: DAMAGED \(1 object\)$/m);
    expect(damaged.stderr).toBe("  To send again what run has lost: varve sync disk run\n");
    expect((await runVarve(["sync", "disk", "run"], { cwd })).code).toBe(0);
    expect((await runVarve(both, { cwd })).code).toBe(0);
    truncateSync(join(cwd, "disk", "packs", other), 5);
    const local = await runVarve([...both, "--json"], { cwd });
    expect(local.code).toBe(3);
    expect(JSON.parse(local.stdout)).toMatchObject({
      isIntact: false,
      tiers: [{ problems: [{ object: `packs/${other}`, kind: "length", isWholeElsewhere: true }] }, { isIntact: true }],
    });
    expect(local.stderr).toMatch(/^ {2}What disk has damaged is read from run/);
    rmSync(join(cwd, "run", "packs", other));
    const lost = await runVarve(both, { cwd });
    expect(lost.stdout).toContain("NOT RESTORABLE");
    expect(lost.stderr).toMatch(/^ {2}\d checkpoints? cannot be restored unless another copy/m);
  });

  test("refuses a folder that is not there, and explains itself", async () => {
    const cwd = await withRun();
    const wrong = await runVarve(["verify", "run", "--local", "dsik"], { cwd });
    expect([wrong.code, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toContain("There is no run at dsik");
    expect((await runVarve(["verify", "--help"], { cwd })).stdout).toContain("with 3 when anything is");
  });

  test("of an empty folder is an error: nothing is no backup", async () => {
    const { code, stderr } = await runVarve(["verify", "."], { cwd: temporaryFolder() });
    expect(code).toBe(2);
    expect(stderr).toContain(". holds no checkpoint");
  });
});

describe("prune", () => {
  test("deletes nothing with --dry-run, then what is not to be kept", async () => {
    const cwd = await withRun();
    const before = readdirSync(join(cwd, "run"), { recursive: true });
    const names = (await json<Info[]>(cwd, "list", "run")).map(({ name }) => name);
    const dry = await json(cwd, "prune", "run", "--keep-last", "1", "--dry-run");
    expect(dry).toMatchObject({ dryRun: true, checkpoints: names.slice(0, 2), kept: names.slice(2) });
    expect(readdirSync(join(cwd, "run"), { recursive: true })).toEqual(before);
    await json(cwd, "prune", "run", "--keep-last", "1", "--take-over");
    expect((await json<Info[]>(cwd, "list", "run")).map(({ step }) => step)).toEqual([3]);
    expect(await json(cwd, "verify", "run")).toMatchObject({ isIntact: true });
  });

  test.each([
    [["--keep-last", "0"], /Expected an integer of 1 or more/],
    [["--keep-best", "validation:most:1"], /Expected metric:max:n or metric:min:n/],
    [["--grace-hours", "soon"], /Expected a number of hours/],
  ])("%j is refused", async (args, message) => {
    const { code, stderr } = await runVarve(["prune", ".", ...args], { cwd: temporaryFolder() });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
