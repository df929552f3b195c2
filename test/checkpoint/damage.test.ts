import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CheckpointEvent } from "../../src/index.ts";
import { parseManifest, serializeManifest } from "../../src/manifest/serialize.ts";
import { actionsOf, addWindows, numbersFrom, open, temporaryFolder, windowBuffer } from "./support.ts";

describe("damage", () => {
  async function savedRun(): Promise<{ folder: string; packs: string[] }> {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    const buffer = windowBuffer({ prioritized: {} });
    for (let step = 1; step <= 3; step++) {
      addWindows(buffer, 20);
      await checkpointer.save({ step, buffer, state: { weights: Float32Array.of(step, 2, 3) } }).committed;
    }
    await checkpointer.close();
    return { folder, packs: (await readdir(join(folder, "packs"))).sort() };
  }

  it("falls back to the checkpoint before, and names the broken object", async () => {
    const { folder } = await savedRun();
    await writeFile(join(folder, "checkpoints/00000001-000000000003.json"), "{");
    const log: CheckpointEvent[] = [];
    const checkpointer = await open({ store: folder, log: (event) => log.push(event) });
    const buffer = windowBuffer({ prioritized: {} });
    const restored = await checkpointer.restore({ buffer });
    expect(restored).toMatchObject({
      step: 2,
      skipped: [{ sequence: 3, reason: expect.stringContaining("000000000003.json") }],
    });
    expect(actionsOf(buffer)).toEqual(numbersFrom(0, 40));
    expect(log).toContainEqual({ kind: "warning", message: expect.stringContaining("000000000003.json") });
    log.length = 0;
    expect((await checkpointer.list()).map(({ step }) => step)).toEqual([1, 2]);
    expect(log).toEqual([{ kind: "warning", message: expect.stringContaining("000000000003.json") }]);
    expect((await checkpointer.save({ step: 3, buffer }).committed).sequence).toBe(4);
  });

  it.each(["removed", "one bit flipped", "cut"] as const)("rule 11: notices every pack that is %s", async (damage) => {
    const { folder, packs } = await savedRun();
    const checkpointer = await open({ store: folder, readOnly: true });
    const outcomes = new Set<string>();
    for (const pack of packs) {
      const path = join(folder, "packs", pack);
      const bytes = await readFile(path);
      if (damage === "removed") await rm(path);
      else if (damage === "cut") await writeFile(path, bytes.subarray(0, -1));
      else await writeFile(path, bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1));
      const buffer = windowBuffer({ prioritized: {} });
      const outcome = await checkpointer.restore({ buffer }).then(
        (restored) => {
          expect(actionsOf(buffer)).toEqual(numbersFrom(0, 20 * (restored?.step ?? 0)));
          for (const { reason } of restored?.skipped ?? []) expect(reason).toContain(pack);
          return `step ${restored?.step}`;
        },
        (error: Error & { code: string }) => {
          expect(buffer.size).toBe(0);
          expect(error.message).toContain(pack);
          return error.code;
        },
      );
      outcomes.add(outcome);
      const report = await checkpointer.verify({ readData: true });
      expect(report.isIntact).toBe(false);
      expect(report.checkpoints.flatMap(({ problems }) => problems).join()).toContain(pack);
      expect((await checkpointer.verify()).isIntact).toBe(damage === "one bit flipped");
      await writeFile(path, bytes);
    }
    expect(packs.length).toBeGreaterThan(8);
    expect([...outcomes].sort()).toEqual(["VARVE_NO_INTACT_CHECKPOINT", "step 1", "step 2", "step 3"]);
    expect((await checkpointer.verify({ readData: true })).isIntact).toBe(true);
    expect((await checkpointer.restore({ buffer: windowBuffer({ prioritized: {} }) }))?.step).toBe(3);
  });

  it("that no checksum tells, logs that are not those of the fields, costs a buffer in use nothing", async () => {
    const { folder } = await savedRun();
    const path = join(folder, "checkpoints/00000001-000000000003.json");
    const { manifest } = parseManifest(await readFile(path), path);
    const saved = manifest.buffers["default"];
    if (saved === undefined) throw new Error("no buffer");
    const columns = [{ name: "action", dtype: "int32", shape: [] }] as const;
    const logs = [...saved.logs, { name: "extra", tail: 0, head: 0, columns }];
    await writeFile(path, serializeManifest({ ...manifest, buffers: { default: { ...saved, logs } } }).bytes);
    const checkpointer = await open({ store: folder, readOnly: true });
    const buffer = windowBuffer({ prioritized: {} });
    addWindows(buffer, 7);
    const reason = /000000000003\.json.* buffer "default" has the logs .*extra/;
    await expect(checkpointer.restore({ step: 3, buffer, overwrite: true })).rejects.toMatchObject({
      ...{ code: "VARVE_CORRUPT", message: expect.stringMatching(reason) },
    });
    expect(actionsOf(buffer)).toEqual(numbersFrom(0, 7));
    expect(await checkpointer.restore({ buffer, overwrite: true })).toMatchObject({
      ...{ step: 2, skipped: [{ sequence: 3, reason: expect.stringMatching(reason) }] },
    });
  });

  it("refuses the step that was asked for where it is damaged", async () => {
    const { folder, packs } = await savedRun();
    for (const pack of packs) await rm(join(folder, "packs", pack));
    const checkpointer = await open({ store: folder, readOnly: true });
    await expect(checkpointer.restore({ step: 3 })).rejects.toMatchObject({ code: "VARVE_CORRUPT" });
  });
});
