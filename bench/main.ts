// `npm run bench [name…] [--json FILE] [--quick]`: see README.md beside this file.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { forEachConcurrently } from "../src/base/concurrency.ts";
import type { Bench, Case, ProgramRow, Row } from "./support/bench.ts";
import { childArguments, measureHere, runInChild } from "./support/child.ts";
import { compile } from "./support/compile.ts";
import { describeMachine, machineLine } from "./support/machine.ts";
import { markdownTable, terminalTable } from "./support/table.ts";

/** Each loads what it needs when it is asked for: no case has another's modules in its memory. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  save: async () => (await import("./save.ts")).save,
  training: async () => (await import("./training.ts")).training,
  memory: async () => (await import("./memory.ts")).memory,
  add: async () => (await import("./add.ts")).add,
  sample: async () => (await import("./sample.ts")).sample,
  encode: async () => (await import("./encode.ts")).encode,
  incremental: async () => (await import("./incremental.ts")).incremental,
  restore: async () => (await import("./restore.ts")).restore,
  trainer: async () => (await import("./trainer.ts")).trainer,
  dashboard: async () => (await import("./dashboard.ts")).dashboard,
  upload: async () => (await import("./upload.ts")).upload,
  original: async () => (await import("./original.ts")).original,
  "python-original": async () => (await import("./python-original.ts")).pythonOriginal,
  peers: async () => (await import("./peers.ts")).peers,
};

/** Other words for a bench. */
const ALIASES: Readonly<Record<string, string>> = { "seed-run": "original" };

interface Measured {
  readonly bench: string;
  readonly rows: readonly (Row | ProgramRow)[];
}

async function measureCase(main: string, bench: Bench, item: Case, quick: boolean): Promise<Measured["rows"]> {
  const first = await runInChild(main, bench, item, quick);
  const { combine } = item;
  if (combine === undefined) return first;
  if (quick) return first.map((row) => combine([row as Row]));
  const runs = [first, await runInChild(main, bench, item, quick), await runInChild(main, bench, item, quick)];
  return first.map((_, i) => combine(runs.map((rows) => rows[i] as Row)));
}

async function measureAll(main: string, chosen: readonly Bench[], quick: boolean): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const bench of chosen) {
    const rowsOf = new Map<Case, Measured["rows"]>();
    // What is not for comparison need not have the machine to itself.
    await forEachConcurrently(bench.cases, quick ? 3 : 1, async (item) => {
      const startedMs = performance.now();
      console.error(`${bench.name}, ${item.name} …`);
      rowsOf.set(item, await measureCase(main, bench, item, quick));
      console.error(`${bench.name}, ${item.name}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
    });
    const rows = bench.cases.flatMap((item) => rowsOf.get(item) ?? []);
    measured.push({ bench: bench.name, rows });
    console.log(`\n${bench.name}: ${bench.about}\n${terminalTable(rows)}`);
  }
  return measured;
}

/** Those named, in the order of the list; all of them where none is. */
async function chooseBenches(names: readonly string[]): Promise<Bench[]> {
  const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
  if (unknown.length > 0) {
    console.error(`Unknown bench ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`);
    process.exit(2);
  }
  const chosen = Object.entries(BENCHES).filter(([name]) => names.length === 0 || names.includes(name));
  const benches = await Promise.all(chosen.map(([, load]) => load()));
  return benches.filter(({ name, isOptional }) => isOptional !== true || names.includes(name));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "string" }, markdown: { type: "string" }, quick: { type: "boolean", default: false } },
  });
  const chosen = await chooseBenches(positionals.map((name) => ALIASES[name] ?? name));
  const machine = describeMachine();
  console.log(machineLine(machine) + (values.quick ? " · QUICK: not for comparison" : ""));
  const folder = mkdtempSync(join(tmpdir(), "varve-bench-compiled-"));
  const measured = await measureAll(await compile(folder), chosen, values.quick).finally(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const targets = measured.flatMap(({ rows }) => rows.flatMap((row) => ("target" in row ? (row.target ?? []) : [])));
  console.log(`\n${targets.filter(({ reached }) => reached).length} of ${targets.length} targets reached`);
  if (measured.some(({ rows }) => rows.some((row) => "hasFailed" in row))) process.exitCode = 1;
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
else await measureHere(BENCHES, child);
