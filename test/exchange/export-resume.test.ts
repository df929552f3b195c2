import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import { type ExportFormat, type ExportRequest, exportFormats } from "../../src/exchange/export-plan.ts";
import type { CheckpointReader } from "../../src/index.ts";
import { hashed, readNpz, readParquet, readSafetensors, readZarr } from "./export-readers.ts";
import { ADDED, expectedRows, expectedState, exportedRun, temporaryFolder, transitionAt } from "./exported-run.ts";

const ROWS = 60;

/** An export that was ended after some batches, all of which it noted. */
async function endedExport(request: ExportRequest, batches = 5): Promise<{ reader: CheckpointReader; path: string }> {
  const { reader } = await exportedRun();
  const path = join(temporaryFolder(), `out.${request.format}`);
  const stop = new AbortController();
  let seen = 0;
  const onProgress = (): void => {
    seen += 1;
    if (seen === batches) stop.abort();
  };
  const options = { settleBytes: 1, onProgress, signal: stop.signal };
  await expect(exportCheckpoint(reader, path, request, options)).rejects.toThrow("abort");
  return { reader, path };
}

async function expectWhole(format: ExportFormat, path: string): Promise<void> {
  const expected = expectedRows(ADDED - ROWS);
  if (format === "npz") expect(hashed(readNpz(path).arrays)).toEqual(expected);
  if (format === "safetensors") expect(hashed(readSafetensors(path).arrays)).toEqual(expected);
  if (format === "zarr") expect(hashed(await readZarr(path, Object.keys(expected)))).toEqual(expected);
  if (format !== "parquet") return;
  const rewards = Array.from({ length: ROWS }, (_, index) => transitionAt(ADDED - ROWS + index).transition.reward);
  expect((await readParquet(path)).rows.map(({ reward }) => reward)).toEqual(rewards);
}

/** What was written last: the end of the file, or a chunk. */
function newestOf(format: ExportFormat, path: string): string {
  return format === "zarr" ? join(`${path}.partial`, "reward", "c", "0") : `${path}.partial`;
}

function flipLastByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(file, bytes);
}

describe.each(exportFormats)("an ended export of %s, of which a part is lost", (format) => {
  it.each([
    ["cut short", (file: string) => truncateSync(file, statSync(file).size - 1)],
    ["emptied", (file: string) => truncateSync(file, 0)],
    ["as long, with another content", flipLastByte],
    ["as long, with nothing in it", (file: string) => writeFileSync(file, new Uint8Array(statSync(file).size))],
  ])("%s: is begun anew, with a warning", async (_, damage) => {
    const request = { format, last: ROWS } as const;
    const { reader, path } = await endedExport(request);
    damage(newestOf(format, path));
    const warnings: string[] = [];
    const report = await exportCheckpoint(reader, path, request, { onWarning: (text) => warnings.push(text) });
    expect([report.outcome, warnings]).toEqual(["written", [expect.stringContaining("is not as it was written")]]);
    await expectWhole(format, path);
    expect(existsSync(`${path}.partial.json`)).toBe(false);
  });

  it("nothing of it: is gone on with, without a word", async () => {
    const request = { format, last: ROWS } as const;
    const { reader, path } = await endedExport(request);
    const warnings: string[] = [];
    const report = await exportCheckpoint(reader, path, request, { onWarning: (text) => warnings.push(text) });
    expect([report.outcome, warnings]).toEqual(["resumed", []]);
    await expectWhole(format, path);
  });
});

describe("an ended export of zarr", () => {
  const request = { format: "zarr", buffer: null, withState: true } as const;

  it.each([
    ["missing", (file: string) => rmSync(file)],
    ["cut short", (file: string) => truncateSync(file, statSync(file).size - 1)],
  ])("is begun anew where a chunk that was complete is %s", async (_, damage) => {
    const { reader, path } = await endedExport(request, 4);
    damage(join(`${path}.partial`, "state", "nets.0.w", "c", "0"));
    expect((await exportCheckpoint(reader, path, request)).outcome).toBe("written");
    const { "state/none": _none, ...expected } = expectedState();
    expect(hashed(await readZarr(path, Object.keys(expected)))).toEqual(expected);
  });

  it("leaves nothing of a chunk that a process died over", async () => {
    const { reader, path } = await endedExport(request, 4);
    writeFileSync(join(`${path}.partial`, ".unfinished"), "half a chu");
    expect((await exportCheckpoint(reader, path, request)).outcome).toBe("resumed");
    expect(readdirSync(path).toSorted()).toEqual(["state", "zarr.json"]);
  });
});
