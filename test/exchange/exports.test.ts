import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportCheckpoint } from "../../src/exchange/export-checkpoint.ts";
import { exportFormats } from "../../src/exchange/export-plan.ts";
import { ADDED, CAPACITY, expectedRows, expectedState, exportedRun, temporaryFolder } from "./exported-run.ts";
import { pythonWith, runPython } from "./python.ts";

/** Prints every array that a reader found: `{name: {dtype, shape, sha256}}`. */
const PRINT = `
import hashlib, json, sys
import numpy as np
def show(arrays):
    print(json.dumps({name: {"dtype": str(a.dtype), "shape": list(a.shape),
        "sha256": hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()} for name, a in arrays.items()}))
path = sys.argv[1]
`;

const NUMPY = `${PRINT}
with np.load(path, allow_pickle=False) as f:
    show({k: f[k] for k in f.files if not k.endswith(".json")})
`;

const SAFETENSORS = `${PRINT}
from safetensors.numpy import load_file
show(load_file(path))
`;

const ZARR = `${PRINT}
import zarr
found = {}
def walk(group, prefix):
    for name, member in group.members():
        if isinstance(member, zarr.Group): walk(member, prefix + name + "/")
        else: found[prefix + name] = member[...]
walk(zarr.open_group(path, mode="r"), "")
show(found)
`;

const PARQUET = `${PRINT}
import pyarrow.parquet as pq
table = pq.read_table(path)
meta = json.loads(table.schema.metadata[b"varve"])
fields = meta["fields"]
shapes = {"action": fields["action"]["shape"]}
for key, spec in fields.items():
    if key == "observation":
        for field, inner in spec.items():
            shapes["observation." + field] = shapes["nextObservation." + field] = inner["shape"]
    else: shapes[key] = spec["shape"]
found = {}
for name in table.column_names:
    column = table.column(name).combine_chunks()
    values = column.flatten() if hasattr(column, "flatten") and str(column.type).startswith("list") else column
    found[name] = values.to_numpy(zero_copy_only=False).reshape([table.num_rows, *shapes.get(name, [])])
show(found)
`;

const DUCKDB = `
import duckdb, json, sys
rows = duckdb.sql(f"select count(*), sum(reward), sum(len(action)) from '{sys.argv[1]}'").fetchall()[0]
print(json.dumps([int(v) for v in rows]))
`;

const programs = { npz: NUMPY, safetensors: SAFETENSORS, zarr: ZARR, parquet: PARQUET } as const;
const modules = {
  npz: ["numpy"],
  safetensors: ["numpy", "safetensors"],
  zarr: ["numpy", "zarr"],
  parquet: ["numpy", "pyarrow"],
} as const;
const FIRST = ADDED - CAPACITY;

describe("exports, read by their own libraries", () => {
  for (const format of exportFormats) {
    const python = pythonWith(modules[format], `${format} exports in their own reader`);
    it.skipIf(python === undefined)(`${format}: every array is what was added, value for value`, async () => {
      const { reader } = await exportedRun();
      const path = join(temporaryFolder(), `out.${format}`);
      const withState = format !== "parquet";
      await exportCheckpoint(reader, path, { format, withState });
      const expected = { ...expectedRows(FIRST), ...(withState ? expectedState() : {}) };
      expect(runPython(python ?? "", programs[format], [path])).toEqual(expected);
    });

    it.skipIf(python === undefined)(`${format}: the same where it was ended in the middle and resumed`, async () => {
      const { reader } = await exportedRun();
      const path = join(temporaryFolder(), `out.${format}`);
      const stop = new AbortController();
      let batches = 0;
      const onProgress = (): void => {
        batches += 1;
        if (batches === 4) stop.abort();
      };
      const options = { settleBytes: 1, onProgress, signal: stop.signal };
      await expect(exportCheckpoint(reader, path, { format }, options)).rejects.toThrow("abort");
      expect(existsSync(path)).toBe(false);
      expect(existsSync(`${path}.partial.json`)).toBe(true);
      const progress: number[] = [];
      const report = await exportCheckpoint(
        reader,
        path,
        { format },
        {
          onProgress: ({ bytesDone }) => progress.push(bytesDone),
        },
      );
      expect(report.outcome).toBe("resumed");
      expect(progress[0]).toBeGreaterThan(0);
      expect(progress.at(-1)).toBe(report.bytes);
      expect(runPython(python ?? "", programs[format], [path])).toEqual(expectedRows(FIRST));
      expect(readdirSync(join(path, ".."))).toEqual([`out.${format}`]);
    });
  }

  const duckdb = pythonWith(["duckdb"], "parquet exports in DuckDB");
  it.skipIf(duckdb === undefined)("parquet: DuckDB queries it", async () => {
    const { reader } = await exportedRun();
    const path = join(temporaryFolder(), "out.parquet");
    await exportCheckpoint(reader, path, { format: "parquet" });
    const rewards = Array.from({ length: CAPACITY }, (_, i) => -((FIRST + i) >> 1)).reduce((a, b) => a + b, 0);
    expect(runPython(duckdb ?? "", DUCKDB, [path])).toEqual([CAPACITY, rewards, 2 * CAPACITY]);
  });
});
