import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Checkpointer, type SyncReport } from "../../src/index.ts";
import { damageNewest, runVarve, temporaryFolder } from "./run-varve.ts";

let made: string;

/** A run with three checkpoints in `local`. */
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), "varve-cli-sync-"));
  const run = await Checkpointer.open({ store: join(made, "local"), onBacklog: "queue" });
  for (let step = 1; step <= 3; step++) await run.save({ step, state: Float32Array.of(step) }).durable;
  await run.close();
});

afterAll(() => rmSync(made, { recursive: true, force: true }));

function folder(): string {
  const cwd = temporaryFolder();
  cpSync(made, cwd, { recursive: true });
  return cwd;
}

const objects = (cwd: string, place: string): string[] =>
  readdirSync(join(cwd, place), { recursive: true })
    .map(String)
    .filter((name) => /^(packs|checkpoints)\/./.test(name))
    .sort();

describe("varve sync", () => {
  test("sends what the store lacks, once, and claims nothing", async () => {
    const cwd = folder();
    const first = await runVarve(["sync", "local", "store", "--json"], { cwd });
    expect([first.code, first.stderr]).toEqual([0, ""]);
    const report = JSON.parse(first.stdout) as SyncReport;
    expect(report).toMatchObject({ alreadyThere: [], unrelated: [], unreadable: [], packs: 3 });
    expect(report.sent).toHaveLength(3);
    expect(objects(cwd, "store")).toEqual(objects(cwd, "local"));
    expect(readdirSync(join(cwd, "store"))).not.toContain("writers");
    const second = await runVarve(["sync", "local", "store"], { cwd });
    expect([second.code, second.stdout]).toEqual([
      0,
      "Sent 0 checkpoints and 0 packs (0 B) to store; 3 were there already\n",
    ]);
    const listed = await runVarve(["list", "store", "--json"], { cwd });
    expect((JSON.parse(listed.stdout) as { step: number }[]).map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  test("ends with 3 where the folder has damage, and sends the rest", async () => {
    const cwd = folder();
    damageNewest(join(cwd, "local"));
    const { code, stdout, stderr } = await runVarve(["sync", "local", "store"], { cwd });
    expect(code).toBe(3);
    expect(stdout).toMatch(/^Sent 2 checkpoints and 2 packs .*; 1 checkpoint is damaged$/m);
    expect(stderr).toMatch(/^WARNING: checkpoints\/.*3\.json stays local: it cannot be read/);
  });

  test("sends again what the store has lost, and says what it cannot mend, with 3", async () => {
    const cwd = folder();
    await runVarve(["sync", "local", "store"], { cwd });
    const [one = "", two = "", three = ""] = readdirSync(join(cwd, "store", "packs"));
    rmSync(join(cwd, "store", "packs", one));
    truncateSync(join(cwd, "store", "packs", two), 9);
    const mended = await runVarve(["sync", "local", "store"], { cwd });
    expect([mended.code, mended.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^Sent 0 checkpoints and 2 packs \(.*\) to store; 1 were there already; 2 checkpoints were damaged there and whole again\n$/,
      ),
    ]);
    expect(
      mended.stderr.match(/^WARNING: checkpoints\/.* is damaged in .*store.*; sent again from .*local/gm),
    ).toHaveLength(2);
    expect((await runVarve(["verify", "store"], { cwd })).code).toBe(0);
    for (const place of ["store", "local"]) rmSync(join(cwd, place, "packs", three));
    const broken = await runVarve(["sync", "local", "store", "--json"], { cwd });
    expect(broken.code).toBe(3);
    const report = JSON.parse(broken.stdout) as SyncReport;
    expect(report).toMatchObject({ sent: [], repaired: [], packs: 0, broken: [{ object: `packs/${three}` }] });
    expect(report.alreadyThere).toHaveLength(2);
    expect(broken.stderr).toMatch(
      /^WARNING: checkpoints\/.* is damaged in .*store and stays so: "packs\/.* is missing/m,
    );
    expect(broken.stderr).toContain("run varve sync from any other copy");
    expect(broken.stderr).not.toContain("--quarantine");
  });

  test("never writes over a checkpoint that is unreadable in the store, and says how to mend it", async () => {
    const cwd = folder();
    await runVarve(["sync", "local", "store"], { cwd });
    damageNewest(join(cwd, "store"));
    const { code, stdout, stderr } = await runVarve(["sync", "local", "store"], { cwd });
    expect([code, stdout]).toEqual([
      3,
      "Sent 0 checkpoints and 0 packs (0 B) to store; 2 were there already; 1 checkpoint stays damaged in the store\n",
    ]);
    expect(stderr).toContain("varve prune store --quarantine && varve sync local store\n");
    expect((await runVarve(["prune", "store", "--quarantine", "--take-over"], { cwd })).code).toBe(0);
    const after = await runVarve(["sync", "local", "store"], { cwd });
    expect([after.code, after.stdout]).toEqual([0, expect.stringMatching(/^Sent 1 checkpoint and 1 pack /)]);
    expect((await runVarve(["verify", "store"], { cwd })).code).toBe(0);
  });

  test("ends with 1 where the two are different runs, and sends nothing", async () => {
    const cwd = folder();
    const other = await Checkpointer.open({ store: join(cwd, "other") });
    await other.save({ step: 1 }).durable;
    await other.close();
    const before = objects(cwd, "other");
    const { code, stderr } = await runVarve(["sync", "local", "other"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("must belong to the same run");
    expect(objects(cwd, "other")).toEqual(before);
  });

  test("ends with 1 where the store does not take it, and says what is missing", async () => {
    const cwd = folder();
    // A file where the store's folder of packs would be.
    await runVarve(["sync", "local", "store"], { cwd });
    rmSync(join(cwd, "store", "packs"), { recursive: true });
    rmSync(join(cwd, "store", "checkpoints"), { recursive: true });
    writeFileSync(join(cwd, "store", "packs"), "");
    const { code, stdout, stderr } = await runVarve(["sync", "local", "store"], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^varve: Store .*packs/m);
    expect(stderr).toMatch(/^WARNING: 3 checkpoints are durable in .* and not in /m);
  });

  test.each([
    [["gs://bucket/run", "store"], /Expected <local> to be a folder/],
    [["nothing", "store"], /There is no run at nothing: no such folder\n.*Name the folder/],
    [["empty", "store"], /empty holds no checkpoint/],
    [["local"], /missing required argument 'store'/],
  ])("refuses %j with 2", async (args, message) => {
    const cwd = folder();
    cpSync(temporaryFolder(), join(cwd, "empty"), { recursive: true });
    const { code, stdout, stderr } = await runVarve(["sync", ...args], { cwd });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  test("explains itself", async () => {
    const { code, stdout } = await runVarve(["sync", "--help"], { cwd: temporaryFolder() });
    expect(code).toBe(0);
    expect(stdout).toContain("A trainer that uses the");
    expect(stdout).toContain("Ends with 0 when");
  });
});
