import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ExportedArray, ExportPlan, ExportSection } from "../../src/exchange/export-plan.ts";
import { layOutChunks } from "../../src/exchange/zarr-chunks.ts";
import { zarrWriter } from "../../src/exchange/zarr-writer.ts";
import { Checkpointer, ReplayBuffer } from "../../src/index.ts";
import { runVarve } from "../cli/run-varve.ts";
import { readParquet } from "./export-readers.ts";
import { temporaryFolder } from "./exported-run.ts";

const MEBIBYTE = 1024 * 1024;

function planOf(arrays: readonly ExportedArray[], sections: ExportSection[]): ExportPlan {
  const bytes = arrays.reduce((sum, array) => sum + array.bytes, 0);
  return {
    ...{
      format: "zarr",
      identity: "x",
      buffer: null,
      asFrames: false,
      arrays,
      sections,
      metadata: {},
      state: null,
      bytes,
    },
  };
}

const tensors = Array.from({ length: 700 }, (_, index): ExportedArray => {
  return { name: `state/${index}`, dtype: "float32", shape: [MEBIBYTE], bytes: 4 * MEBIBYTE };
});

describe("memory of an export", () => {
  it("zarr: holds no chunk of a tensor before its first element, nor after its last", async () => {
    const sections = tensors.map(({ name }, index): ExportSection => {
      return { kind: "tensor", index, array: name, from: 0, to: MEBIBYTE };
    });
    const path = join(temporaryFolder(), "out");
    const before = process.memoryUsage().arrayBuffers;
    const target = await zarrWriter.open(path, planOf(tensors, sections), null);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MEBIBYTE);
    const arrays = new Map([["state/0", new Uint8Array(4 * MEBIBYTE).fill(7)]]);
    await target.write({ section: 0, from: 0, to: MEBIBYTE, arrays });
    // Nothing is left over of what is complete.
    expect(await target.settle()).toMatchObject({ "state/0": { rows: MEBIBYTE, openCrc: 0 } });
    expect(readFileSync(join(path, "state", "0", "c", "3")).length).toBeGreaterThan(0);
    await target.close();
  });

  it("zarr: of columns, which are all filled together, the chunks are the smaller the more there are", () => {
    const columns = tensors.map((array) => ({ ...array, name: array.name.replace("/", "") }));
    const chunks = layOutChunks(planOf(columns, [{ kind: "rows", from: 0, to: MEBIBYTE }]));
    const open = chunks.reduce((sum, { rowBytes, rowsPerChunk }) => sum + rowBytes * rowsPerChunk, 0);
    expect(open).toBeLessThanOrEqual(32 * MEBIBYTE);
    const [alone] = layOutChunks(planOf(columns.slice(0, 1), [{ kind: "rows", from: 0, to: MEBIBYTE }]));
    expect(alone?.rowsPerChunk).toBe(MEBIBYTE / 4);
  });

  it("parquet: makes no JavaScript number of each byte of a picture, nor of its place", async () => {
    const rows = 1200;
    const buffer = new ReplayBuffer({
      capacity: rows,
      fields: { observation: { dtype: "uint8", shape: [84, 84] }, action: { dtype: "float32", shape: [2] } },
    });
    const picture = (time: number) => Uint8Array.from({ length: 84 * 84 }, (_, at) => (at * time) >>> 3);
    for (let time = 0; time < rows; time++) {
      const transition = { observation: picture(time), nextObservation: picture(time + 1), reward: time / 4 };
      buffer.add({ ...transition, action: Float32Array.of(time, -0), terminated: false, truncated: false });
    }
    const folder = temporaryFolder();
    const run = await Checkpointer.open({ store: join(folder, "run"), log: false });
    await run.save({ step: 1, buffer }).committed;
    await run.close();
    // A heap of 64 MB: 17 MB of pictures would be 400 MB of numbers.
    const args = ["export", "run", "out.parquet", "--format", "parquet"];
    const { code, stderr } = await runVarve(args, {
      cwd: folder,
      env: { NODE_OPTIONS: "--max-old-space-size=64" },
    });
    expect([code, stderr]).toEqual([0, ""]);
    const { rows: found, rowGroups } = await readParquet(join(folder, "out.parquet"));
    expect([found.length, rowGroups]).toEqual([rows, 3]);
    for (const time of [0, 593, 594, rows - 1]) {
      expect(found[time]).toMatchObject({ reward: time / 4, action: [time, -0] });
      expect(Buffer.from(found[time]?.["observation"] as number[]).equals(picture(time))).toBe(true);
      expect(Buffer.from(found[time]?.["nextObservation"] as number[]).equals(picture(time + 1))).toBe(true);
    }
  });
});
