import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/base/hash.ts";
import { FormatVersionError, PruneRefusedError } from "../../src/index.ts";
import { open, temporaryFolder } from "./support.ts";

/** A run of three checkpoints, one of which a newer Varve has written; with its hash, so that nothing is wrong with it. */
async function runOfTheFuture(file: string): Promise<string> {
  const folder = await temporaryFolder();
  const trainer = await open({ store: folder });
  for (let step = 1; step <= 3; step++) {
    await trainer.save({ step, state: { weights: Float64Array.of(step) } }).committed;
  }
  await trainer.close();
  const path = join(folder, file);
  const text = (await readFile(path, "utf8")).replace('"version":1', '"version":2');
  const body = text.replace(/,"hash":"[0-9a-f]{64}"\}$/, "");
  await writeFile(path, body === text ? text : `${body},"hash":"${sha256Hex(Buffer.from(body))}"}`);
  return folder;
}

const filesOf = async (folder: string): Promise<string[]> => (await readdir(folder, { recursive: true })).toSorted();
const NEWEST = "checkpoints/00000001-000000000003.json";

describe("what a newer Varve has written", () => {
  it("is refused by name, and no older checkpoint is given out in its place", async () => {
    const reader = await open({ store: await runOfTheFuture(NEWEST), readOnly: true });
    const refusal = reader.restore();
    await expect(refusal).rejects.toBeInstanceOf(FormatVersionError);
    await expect(refusal).rejects.toThrow(`"${NEWEST}": manifest format 2, expected 1`);
  });

  it("is not pruned, and neither is anything beside it", async () => {
    const folder = await runOfTheFuture(NEWEST);
    const before = await filesOf(folder);
    const pruner = await open({ store: folder, keepLast: 1, gracePeriodMs: 0 });
    await expect(pruner.prune()).rejects.toBeInstanceOf(PruneRefusedError);
    expect(await filesOf(folder)).toEqual(expect.arrayContaining(before));
  });

  it("is left alone where it is the whole run that is of a newer format", async () => {
    const folder = await runOfTheFuture("varve.json");
    const before = await filesOf(folder);
    const refused = async (readOnly: boolean): Promise<unknown> => {
      const checkpointer = await open({ store: folder, readOnly });
      return readOnly ? checkpointer.restore() : checkpointer.prune();
    };
    await expect(refused(true)).rejects.toBeInstanceOf(FormatVersionError);
    await expect(refused(false)).rejects.toBeInstanceOf(FormatVersionError);
    expect(await filesOf(folder)).toEqual(before);
  });
});
