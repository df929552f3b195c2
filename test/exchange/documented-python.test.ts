import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import type { ExportRequest } from "../../src/exchange/export-plan.ts";
import { Checkpointer, ReplayBuffer } from "../../src/index.ts";
import { temporaryFolder } from "./exported-run.ts";
import { pythonWith } from "./python.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/reading-from-python.md"), "utf8");
const programs = [...page.matchAll(/```python\n([\s\S]*?)```/g)].map(([, program = ""]) => program);

/** In the order of the page: what each program is given, needs, and prints. */
const cases: readonly (readonly [string, ExportRequest, string[], string])[] = [
  ["NumPy", { format: "npz" }, ["numpy"], "3 120 12\n"],
  ["NumPy, frames", { format: "npz", asFrames: true }, ["numpy"], "(32, 3, 2) float32\n"],
  ["safetensors", { format: "safetensors", withState: true }, ["safetensors", "numpy"], "3 (100,) 2\n"],
  ["DuckDB", { format: "parquet" }, ["duckdb"], "[(0, 60, 59.0), (1, 60, 60.0)]\n"],
  ["PyArrow", { format: "parquet" }, ["pyarrow", "numpy"], "(120, 2) float32\n"],
  ["Zarr", { format: "zarr" }, ["zarr", "numpy"], "3 (120, 3, 2) float32\n"],
];

async function exported(request: ExportRequest): Promise<string> {
  const fields = {
    observation: { dtype: "float32", shape: [3, 2], frames: 3 },
    action: { dtype: "float32", shape: [2] },
  } as const;
  const buffer = new ReplayBuffer({ capacity: 120, seed: 1, fields });
  const at = (time: number) => Float32Array.from({ length: 6 }, (_, i) => time + Math.floor(i / 2));
  for (let row = 0; row < 120; row++) {
    const now = { observation: at(row), nextObservation: at(row + 1), action: Float32Array.of(row, -row) };
    buffer.add({ ...now, reward: row, terminated: row % 10 === 9, truncated: false }, { env: row % 2 });
  }
  await using checkpointer = await Checkpointer.open({ store: temporaryFolder() });
  const state = { nets: [new Float32Array(4), new Float64Array(2)] };
  await checkpointer.save({ step: 3, buffer, state }).committed;
  const reader = await checkpointer.openCheckpoint();
  const path = join(temporaryFolder(), `out.${request.format}`);
  if (reader === null) throw new Error("there is a checkpoint");
  await exportCheckpoint(reader, path, request);
  return path;
}

describe("the programs of docs/reading-from-python.md", () => {
  it("are as many as are run here", () => {
    expect(programs).toHaveLength(cases.length);
  });

  for (const [index, [name, request, modules, printed]] of cases.entries()) {
    const python = pythonWith(modules, `${name} in docs/reading-from-python.md`);
    it.skipIf(python === undefined)(`${name}: prints what is in the export`, async () => {
      const path = await exported(request);
      expect(execFileSync(python ?? "", ["-c", programs[index] ?? "", path], { encoding: "utf8" })).toBe(printed);
    });
  }
});
