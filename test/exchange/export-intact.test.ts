import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import { exportIntact } from "../../src/exchange/export-intact.ts";
import { exportFormats } from "../../src/exchange/export-plan.ts";
import { Checkpointer } from "../../src/index.ts";
import { exportedRun, temporaryFolder } from "./exported-run.ts";

interface Manifest {
  readonly packs: readonly { readonly name: string }[];
}

/** A run of the checkpoints 1 and 2, opened to be read, and what can be done to its files. */
async function readRun() {
  const { store, reader } = await exportedRun();
  const older = await Checkpointer.open({ store, readOnly: true });
  const names = (await older.list()).map(({ name }) => name);
  const packsOf = (name: string) =>
    (JSON.parse(readFileSync(join(store, name), "utf8")) as Manifest).packs.map((pack) => pack.name);
  const damage = (pack: string): void => {
    const bytes = readFileSync(join(store, pack));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(join(store, pack), bytes);
  };
  const [first = "", second = ""] = names;
  const ownPacks = packsOf(second).filter((name) => !packsOf(first).includes(name));
  const remove = (name: string): void => {
    for (const each of [name, ...ownPacks]) rmSync(join(store, each));
  };
  return { run: older, newest: reader, first, second, ownPacks, packsOf, damage, remove };
}

describe("exporting the newest checkpoint that is whole", () => {
  it.each(exportFormats)(
    "tells a damaged pack, leaves nothing of it, and writes the one before (%s)",
    async (format) => {
      const { run, ownPacks, damage } = await readRun();
      for (const pack of ownPacks) damage(pack);
      const path = join(temporaryFolder(), "out");
      const warnings: string[] = [];
      // After each batch it is noted how far it is.
      const options = { settleBytes: 1, onWarning: (text: string) => warnings.push(text) };
      const exported = await exportIntact(run, path, { format }, {}, options);
      expect(exported).toMatchObject({ isDamaged: true, report: { step: 1, outcome: "written" } });
      expect(warnings).toEqual([
        expect.stringMatching(/^checkpoint 2 \(step 2\) is passed over: "packs\/.* is corrupt/),
      ]);
      expect([".partial", ".partial.json"].filter((end) => existsSync(path + end))).toEqual([]);
      await run.close();
    },
  );

  it("throws the damage of the one asked for, keeps what it wrote of it, and goes on when it is mended", async () => {
    const { run, ownPacks, damage } = await readRun();
    for (const pack of ownPacks) damage(pack);
    const path = join(temporaryFolder(), "out.npz");
    const attempt = () => exportIntact(run, path, { format: "npz" }, { step: 2 }, { settleBytes: 1 });
    await expect(attempt()).rejects.toMatchObject({ code: "VARVE_CORRUPT" });
    expect(existsSync(`${path}.partial`)).toBe(true);
    for (const pack of ownPacks) damage(pack);
    expect((await attempt())?.report).toMatchObject({ step: 2 });
    await run.close();
  });

  it("says that none is intact where all are damaged, and null where there is none", async () => {
    const { run, ownPacks, packsOf, first, damage } = await readRun();
    for (const pack of [...ownPacks, ...packsOf(first)]) damage(pack);
    const path = join(temporaryFolder(), "out.npz");
    const exported = exportIntact(run, path, { format: "npz" }, {});
    await expect(exported).rejects.toMatchObject({ code: "VARVE_NO_INTACT_CHECKPOINT", broken: { length: 2 } });
    await run.close();
    const empty = await Checkpointer.open({ store: temporaryFolder() });
    expect(await exportIntact(empty, path, { format: "npz" }, {})).toBeNull();
    await empty.close();
  });

  it.each([{ step: undefined }, { step: 2 }])(
    "says of one that was pruned meanwhile that it was, and what to do (%j)",
    async (wanted) => {
      const { run, second, remove } = await readRun();
      const pruning: Pick<Checkpointer, "openCheckpoint" | "list"> = {
        list: () => run.list(),
        openCheckpoint: async (options) => {
          const opened = await run.openCheckpoint(options);
          remove(second);
          return opened;
        },
      };
      const path = join(temporaryFolder(), "out.npz");
      await expect(exportIntact(pruning, path, { format: "npz" }, wanted)).rejects.toMatchObject({
        code: "VARVE_CONFIG",
        message: "Checkpoint 2 (step 2) was pruned while it was exported",
        hint: expect.stringMatching(
          wanted.step === undefined ? /^Run it again: it takes/ : /^Run it again without that step/,
        ),
      });
      await run.close();
    },
  );

  it("opens the next older checkpoint by name, and refuses what is no name", async () => {
    const { run, first, second } = await readRun();
    expect((await run.openCheckpoint({ after: second }))?.name).toBe(first);
    expect(await run.openCheckpoint({ after: first })).toBeNull();
    await expect(run.openCheckpoint({ after: "2" })).rejects.toMatchObject({ argument: "after" });
    const opened = await run.openCheckpoint({ after: second });
    if (opened === null) throw new Error("there is one");
    const path = join(temporaryFolder(), "out.npz");
    expect(await exportCheckpoint(opened, path, { format: "npz" })).toMatchObject({ step: 1 });
    await run.close();
  });
});
