import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COUNTERS, GAUGES } from "../../src/dashboard/metric-table.ts";
import { metricsText } from "../../src/dashboard/metrics.ts";
import { RunTotals } from "../../src/dashboard/run-totals.ts";
import type { RunRecord } from "../../src/record/run-record.ts";
import { committed, durable, END, generation, queued, START, status } from "../record/sample-records.ts";

function totalsOf(...records: readonly RunRecord[]): RunTotals {
  const totals = new RunTotals();
  for (const record of records) totals.add(record);
  return totals;
}

const RESUME: RunRecord = { event: "resume", atMs: 6000, step: 1, sequence: 1, config: START.config };
const error = { code: null, message: "no", hint: null };

const TWO_PROCESSES = [
  ...[START, generation(1), queued(1), durable(1), committed(1), status({ blockedMs: 1500, bytesUp: 4000 })],
  ...[RESUME, generation(2), queued(2), durable(2), status({ blockedMs: 500, bytesUp: 10 }), END],
  { event: "failed", atMs: 1, step: 3, sequence: 3, error },
  { event: "skipped", atMs: 1, step: 3, sequence: 4 },
  { event: "warning", atMs: 1, message: "careful" },
] as const satisfies readonly RunRecord[];

interface Family {
  readonly help: string;
  readonly type: string;
  readonly values: Map<string, number>;
}

/** The text format of Prometheus, strictly: every family has one HELP and one TYPE, before its samples. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const help = /^# HELP (\w+) (.+)$/.exec(line);
    const type = /^# TYPE (\w+) (counter|gauge)$/.exec(line);
    const sample = /^(\w+)\{run="((?:[^"\\\n]|\\.)*)"\} (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
    if (help !== null) {
      expect(families.has(help[1] ?? "")).toBe(false);
      families.set(help[1] ?? "", { help: help[2] ?? "", type: "", values: new Map() });
    } else if (type !== null) {
      const family = families.get(type[1] ?? "");
      families.set(type[1] ?? "", { help: family?.help ?? "", type: type[2] ?? "", values: new Map() });
    } else {
      expect(sample, line).not.toBeNull();
      families.get(sample?.[1] ?? "")?.values.set(sample?.[2] ?? "", Number(sample?.[3]));
    }
  }
  return families;
}

test("a run's figures are those of all its processes together", async () => {
  const run = { label: "market-001", isLive: true, totals: totalsOf(...TWO_PROCESSES) };
  const { type, text } = await metricsText([run]);
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
  const families = parse(text);
  const value = (name: string): number | undefined => families.get(name)?.values.get("market-001");
  const expected = {
    ...{ varve_saves_total: 2, varve_saves_committed_total: 1, varve_saves_failed_total: 1 },
    ...{ varve_saves_skipped_total: 1, varve_saves_replaced_total: 0, varve_warnings_total: 1 },
    ...{ varve_blocked_seconds_total: 2, varve_saving_seconds_total: 0.6, varve_sending_seconds_total: 0.4 },
    ...{ varve_logical_bytes_total: 16_000, varve_stored_bytes_total: 4000, varve_dedup_ratio: 4 },
    ...{ varve_uploaded_bytes_total: 4010, varve_requests_total: 24, varve_retries_total: 6 },
    ...{ varve_behind_checkpoints: 1, varve_behind_bytes: 2000, varve_behind_seconds: 1.5, varve_store_degraded: 0 },
    ...{ varve_saves_pending: 1, varve_uploads_waiting: 2, varve_longest_block_seconds: 0.000_75 },
    ...{ varve_process_resident_bytes: 300_000_000, varve_buffer_resident_bytes: 9000, varve_buffer_pinned_bytes: 500 },
    ...{ varve_generation: 2, varve_fitness_max: -5, varve_run_live: 1 },
  };
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, value(name)]))).toEqual(expected);
});

test("names and units are Prometheus' own, and each metric is described once", async () => {
  const families = parse((await metricsText([{ label: "a", isLive: false, totals: totalsOf() }])).text);
  expect([...families.keys()]).toEqual([...COUNTERS, ...GAUGES].map(([name]) => name));
  for (const [name, { type, help }] of families) {
    expect(name).toMatch(/^varve_[a-z]+(?:_[a-z]+)*$/);
    expect([name, type]).toEqual([name, name.endsWith("_total") ? "counter" : "gauge"]);
    expect(name).not.toMatch(/_(?:ms|mb|kb|percent)(?:_|$)/);
    expect(help.length).toBeGreaterThan(5);
  }
});

test("what is not known yet has no sample, and several runs have a label each, however they are named", async () => {
  const strange = 'a "run"\\\n';
  const { text } = await metricsText([
    { label: strange, isLive: true, totals: totalsOf(START) },
    { label: "b", isLive: false, totals: totalsOf(START, status()) },
  ]);
  const families = parse(text);
  expect([...(families.get("varve_run_live")?.values ?? [])]).toEqual([
    ['a \\"run\\"\\\\\\n', 1],
    ["b", 0],
  ]);
  expect([...(families.get("varve_behind_bytes")?.values.keys() ?? [])]).toEqual(["b"]);
  expect(families.get("varve_fitness_mean")?.values.size).toBe(0);
});

test("a run without a log has no counts: nobody knows what its saves cost, nor that there were none", async () => {
  const listing = totalsOf({ event: "checkpoints", atMs: 1, checkpoints: [] });
  const text = await metricsText([
    { label: "stored", isLive: false, totals: listing },
    { label: "begun", isLive: true, totals: totalsOf(START) },
  ]);
  const families = parse(text.text);
  for (const [name] of COUNTERS) expect([name, ...(families.get(name)?.values ?? [])]).toEqual([name, ["begun", 0]]);
});

test("docs/dashboard.md lists every metric, in the same words", () => {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "dashboard.md"), "utf8");
  const rows = [...page.matchAll(/^\| `(varve_\w+)` \| (counter|gauge) \| (.+) \|$/gm)].map((row) => row.slice(1, 4));
  expect(rows).toEqual([
    ...COUNTERS.map(([name, help]) => [name, "counter", help]),
    ...GAUGES.map(([name, help]) => [name, "gauge", help]),
  ]);
});
