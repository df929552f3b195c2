// `npm run bench [name…] [--json FILE] [--quick]`: see README.md beside this file.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { add } from "./add.ts";
import { memory } from "./memory.ts";
import { original } from "./original.ts";
import { sample } from "./sample.ts";
import { save } from "./save.ts";
import type { Bench, Case, Row } from "./support/bench.ts";
import { childArguments, measureHere, runInChild } from "./support/child.ts";
import { compile } from "./support/compile.ts";
import { describeMachine, machineLine } from "./support/machine.ts";
import { markdownTable, terminalTable } from "./support/table.ts";
import { training } from "./training.ts";
import { upload } from "./upload.ts";

const benches: readonly Bench[] = [save, training, memory, add, sample, upload, original];

interface Measured {
  readonly bench: string;
  readonly rows: readonly Row[];
}

async function measureCase(main: string, bench: Bench, item: Case, quick: boolean): Promise<readonly Row[]> {
  const first = await runInChild(main, bench, item, quick);
  const { combine } = item;
  if (combine === undefined) return first;
  const runs = [first, await runInChild(main, bench, item, quick), await runInChild(main, bench, item, quick)];
  return first.map((_, i) => combine(runs.map((rows) => rows[i] as Row)));
}

async function measureAll(main: string, chosen: readonly Bench[], quick: boolean): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const bench of chosen) {
    const rows: Row[] = [];
    for (const item of bench.cases) {
      const startedMs = performance.now();
      console.error(`${bench.name}, ${item.name} …`);
      rows.push(...(await measureCase(main, bench, item, quick)));
      console.error(`${bench.name}, ${item.name}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    }
    measured.push({ bench: bench.name, rows });
    console.log(`\n${bench.name}: ${bench.about}\n${terminalTable(rows)}`);
  }
  return measured;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "string" }, markdown: { type: "string" }, quick: { type: "boolean", default: false } },
  });
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    console.error(`Unknown bench ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}`);
    process.exit(2);
  }
  const machine = describeMachine();
  console.log(machineLine(machine) + (values.quick ? " · QUICK: not for comparison" : ""));
  const chosen = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const folder = mkdtempSync(join(tmpdir(), "varve-bench-compiled-"));
  const measured = await measureAll(compile(folder), chosen, values.quick).finally(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const targets = measured.flatMap(({ rows }) => rows.flatMap(({ target }) => target ?? []));
  console.log(`\n${targets.filter(({ reached }) => reached).length} of ${targets.length} targets reached`);
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, quick: values.quick, benches: measured }, null, 2)}\n`);
  }
  if (values.markdown !== undefined) {
    const parts = measured.map(({ bench, rows }) => `### ${bench}\n\n${markdownTable(rows)}\n`);
    writeFileSync(values.markdown, `${machineLine(machine)}\n\n${parts.join("\n")}`);
  }
}

const child = childArguments(process.argv.slice(2));
if (child === null) await main();
else await measureHere(benches, child);
