import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import { type ExportFormat, exportFormats, planExport } from "../../src/exchange/export-plan.ts";
import { createNpzWriter } from "../../src/exchange/npz-writer.ts";
import type { CheckpointReader } from "../../src/index.ts";
import { hashed, readNpz, readParquet, readSafetensors, readZarr } from "./export-readers.ts";
import {
  ADDED,
  CAPACITY,
  expectedRows,
  expectedState,
  exportedRun,
  FIELDS,
  STATE_ARRAYS,
  temporaryFolder,
  transitionAt,
} from "./exported-run.ts";
import { pythonWith, runPython } from "./python.ts";

const FIRST = ADDED - CAPACITY;
const all = { withState: true } as const;

async function exported(
  format: ExportFormat,
  request: object = {},
): Promise<{ path: string; reader: CheckpointReader }> {
  const { reader } = await exportedRun();
  const path = join(temporaryFolder(), `out.${format}`);
  await exportCheckpoint(reader, path, { format, ...request });
  return { path, reader };
}

describe("exports, read in JavaScript", () => {
  it("npz: a ZIP archive of .npy arrays, and texts that say what it is", async () => {
    const { path, reader } = await exported("npz", all);
    const { arrays, texts } = readNpz(path);
    expect(hashed(arrays)).toEqual({ ...expectedRows(FIRST), ...expectedState() });
    expect(JSON.parse(texts["varve.json"] ?? "")).toMatchObject({
      ...{ run: reader.run, checkpoint: reader.name, step: 2, sequence: 2, metrics: { score: 1.5 } },
      ...{ buffer: "default", rows: [0, CAPACITY], fields: FIELDS, observations: "whole" },
    });
    expect(JSON.parse(texts["state.json"] ?? "")).toEqual({
      nets: [{ w: { $tensor: "state/nets.0.w" } }, { "a/b": { $tensor: "state/nets.1.a=2Fb" } }],
      $$odd: { "": { $tensor: "state/=24odd.=" } },
      "..": { $tensor: "state/=2E=2E" },
      learningRate: { $number: "Infinity" },
      none: { $tensor: "state/none" },
    });
  });

  it("safetensors: tensors without gaps, and metadata", async () => {
    const { path } = await exported("safetensors", all);
    const { arrays, metadata } = readSafetensors(path);
    expect(hashed(arrays)).toEqual({ ...expectedRows(FIRST), ...expectedState() });
    expect(JSON.parse(metadata["varve"] ?? "")).toMatchObject({ step: 2, buffer: "default" });
    expect(JSON.parse(metadata["state"] ?? "")).toMatchObject({ none: { $tensor: "state/none" } });
  });

  it("zarr: chunked arrays in groups", async () => {
    const { path } = await exported("zarr", all);
    const names = Object.keys({ ...expectedRows(FIRST), ...STATE_ARRAYS }).filter((name) => name !== "state/none");
    const { "state/none": _none, ...state } = expectedState();
    expect(hashed(await readZarr(path, names))).toEqual({ ...expectedRows(FIRST), ...state });
    const group = JSON.parse(readFileSync(join(path, "zarr.json"), "utf8"));
    expect(group.attributes).toMatchObject({ varve: { step: 2, sequence: 2 }, state: { none: {} } });
  });

  it("parquet: a row for each transition, lists where an element is no scalar", async () => {
    const { path } = await exported("parquet");
    const { rows } = await readParquet(path);
    expect(rows).toHaveLength(CAPACITY);
    for (const [index, row] of rows.entries()) {
      const { transition, env } = transitionAt(FIRST + index);
      expect(row).toMatchObject({
        ...{ reward: transition.reward, tag: transition.tag, small: transition.small, env },
        ...{ terminated: Number(transition.terminated), truncated: 0, "priority.scaled": 1 },
        action: Array.from(transition.action),
        count: Array.from(transition.count),
        wide: Array.from(transition.wide),
        "observation.prices": Array.from(transition.observation.prices),
        "nextObservation.picture": Array.from(transition.nextObservation.picture),
      });
    }
  });
});

describe("what is exported", () => {
  it("is the newest n transitions, with the frames that they need and ids that count from the first of these", async () => {
    const { path } = await exported("npz", { last: 6, asFrames: true });
    const { arrays } = readNpz(path);
    const whole = expectedRows(ADDED - 6);
    expect(hashed(arrays)["action"]).toEqual(whole["action"]);
    for (const side of ["observation", "nextObservation"]) {
      for (const field of ["prices", "picture"]) {
        const [frames, ids] = [arrays[`frames/observation.${field}`], arrays[`ids.${side}.${field}`]];
        if (frames === undefined || ids === undefined) throw new Error("there are frames and ids");
        const frameBytes = frames.bytes.length / (frames.shape[0] ?? 1);
        const numbers = new Uint32Array(ids.bytes.slice().buffer);
        const windows = Array.from(numbers, (id) => frames.bytes.subarray(id * frameBytes, (id + 1) * frameBytes));
        const { dtype, shape } = whole[`${side}.${field}`] ?? { dtype: "", shape: [] };
        expect(hashed({ is: { dtype, shape, bytes: Buffer.concat(windows) } })["is"]).toEqual(
          whole[`${side}.${field}`],
        );
      }
    }
    // 24 windows of 3 frames, of which neighbours share two: far fewer than were ever stored.
    expect(arrays["frames/observation.prices"]?.shape[0]).toBeLessThan(70);
    const more = readNpz((await exported("npz", { asFrames: true })).path).arrays;
    expect(more["frames/observation.prices"]?.shape[0]).toBeGreaterThan(90);
  });

  it("may be the state alone", async () => {
    const { path } = await exported("safetensors", { buffer: null, withState: true });
    expect(hashed(readSafetensors(path).arrays)).toEqual(expectedState());
  });

  it("is refused before anything is written where the checkpoint or the format has no such thing", async () => {
    const { reader } = await exportedRun();
    const folder = temporaryFolder();
    const attempt = (request: Parameters<typeof exportCheckpoint>[2]) =>
      exportCheckpoint(reader, join(folder, "out"), request);
    await expect(attempt({ format: "npz", buffer: "other" })).rejects.toThrow(
      "one of checkpoint 2's buffers (default)",
    );
    await expect(attempt({ format: "parquet", withState: true })).rejects.toThrow("state's tensors have no place");
    await expect(attempt({ format: "parquet", asFrames: true })).rejects.toThrow("frames have no place");
    await expect(attempt({ format: "npz", buffer: null })).rejects.toMatchObject({
      message: "Nothing to export: neither the buffer nor the state was asked for",
      hint: expect.stringContaining("--state"),
    });
    expect(existsSync(join(folder, "out.partial"))).toBe(false);
  });
});

describe("an export whose process was killed after it last noted how far it was", () => {
  it.each(exportFormats)("%s: goes on from the note, over what came after it", async (format) => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), `out.${format}`);
    const stop = new AbortController();
    let [batches, note] = [0, ""];
    const onProgress = (): void => {
      batches += 1;
      if (batches === 3) note = readFileSync(`${path}.partial.json`, "utf8");
      if (batches === 5) stop.abort();
    };
    const request = { format, last: 60 } as const;
    const options = { settleBytes: 1, onProgress, signal: stop.signal };
    await expect(exportCheckpoint(reader, path, request, options)).rejects.toThrow("abort");
    expect(batches).toBeGreaterThan(4);
    expect(readFileSync(`${path}.partial.json`, "utf8")).not.toBe(note);
    writeFileSync(`${path}.partial.json`, note);
    expect((await exportCheckpoint(reader, path, request)).outcome).toBe("resumed");
    const expected = expectedRows(ADDED - 60);
    if (format === "npz") expect(hashed(readNpz(path).arrays)).toEqual(expected);
    if (format === "safetensors") expect(hashed(readSafetensors(path).arrays)).toEqual(expected);
    if (format === "zarr") expect(hashed(await readZarr(path, Object.keys(expected)))).toEqual(expected);
    if (format !== "parquet") return;
    const { rows, rowGroups } = await readParquet(path);
    const rewards = Array.from({ length: 60 }, (_, index) => transitionAt(ADDED - 60 + index).transition.reward);
    expect(rows.map(({ reward }) => reward)).toEqual(rewards);
    expect(rowGroups).toBeGreaterThan(1);
  });
});

describe("an export that is there already", () => {
  for (const format of exportFormats) {
    it(`${format}: is complete where it is the same, and left alone where it is not`, async () => {
      const { path, reader } = await exported(format, { last: 5 });
      const before = format === "zarr" ? null : readFileSync(path);
      const again = await exportCheckpoint(reader, path, { format, last: 5 });
      expect(again.outcome).toBe("complete");
      await expect(exportCheckpoint(reader, path, { format, last: 6 })).rejects.toThrow("is not this export");
      if (before !== null) expect(readFileSync(path).equals(before)).toBe(true);
    });
  }

  it("is begun anew, with a warning, where what is left of it is another one's", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out.npz");
    writeFileSync(`${path}.partial`, "something");
    writeFileSync(`${path}.partial.json`, "{");
    const warnings: string[] = [];
    const report = await exportCheckpoint(
      reader,
      path,
      { format: "npz" },
      { onWarning: (text) => warnings.push(text) },
    );
    expect(report.outcome).toBe("written");
    expect(warnings).toEqual([expect.stringContaining("begun anew")]);
    expect(hashed(readNpz(path).arrays)).toEqual(expectedRows(FIRST));
  });

  it("is refused while another one to the same name is under way, and not after a process that has died", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out.safetensors");
    const first = exportCheckpoint(reader, path, { format: "safetensors" });
    const second = exportCheckpoint(reader, path, { format: "safetensors", last: 3 });
    const outcomes = await Promise.allSettled([first, second]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const refusal = outcomes.find((outcome) => outcome.status === "rejected");
    expect(refusal?.reason).toMatchObject({ code: "VARVE_CONFIG", message: expect.stringContaining(`${process.pid}`) });
    expect(existsSync(`${path}.partial.lock`)).toBe(false);
    const other = join(temporaryFolder(), "out.safetensors");
    writeFileSync(`${other}.partial.lock`, "4194999");
    expect((await exportCheckpoint(reader, other, { format: "safetensors" })).outcome).toBe("written");
  });

  it("is not written over a folder", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out");
    mkdirSync(path);
    for (const format of exportFormats) {
      await expect(exportCheckpoint(reader, path, { format })).rejects.toMatchObject({ code: "VARVE_CONFIG" });
    }
  });
});

describe("npz of more than 4 GiB", () => {
  const python = pythonWith(["numpy"], "npz with ZIP64 in NumPy");
  const NAMES = `
import json, sys, zipfile, numpy as np
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
with np.load(sys.argv[1], allow_pickle=False) as f: print(json.dumps([f["action"].tolist(), f["reward"].tolist()]))
`;
  it.skipIf(python === undefined)("NumPy reads 64-bit records, here of every member", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out.npz");
    const plan = await planExport(reader, { format: "npz", last: 2 });
    const target = await createNpzWriter(1).open(path, plan, null);
    for await (const { from, to, columns } of reader.rows({ from: CAPACITY - 2 })) {
      const arrays = Object.entries(columns).map(([name, values]) => [name, new Uint8Array(values.buffer)] as const);
      await target.write({ section: 0, from: from - CAPACITY + 2, to: to - CAPACITY + 2, arrays: new Map(arrays) });
    }
    await target.finish();
    await target.close();
    const time = (ADDED - 2) >> 1;
    const action = [Math.fround(time / 3), -0];
    expect(runPython(python ?? "", NAMES, [path])).toEqual([
      [action, action],
      [-time, -time],
    ]);
  });
});
