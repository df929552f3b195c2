import { Counter, Gauge, Registry } from "prom-client";
import { COUNTERS, GAUGES, type MeasuredRun } from "./metric-table.ts";

/** The metrics of some runs, as Prometheus reads them. */
export async function metricsText(
  runs: readonly MeasuredRun[],
): Promise<{ readonly type: string; readonly text: string }> {
  const registry = new Registry();
  const labelNames = ["run"];
  for (const [name, help, value] of COUNTERS) {
    const counter = new Counter({ name, help, labelNames, registers: [registry] });
    for (const run of runs) {
      const counted = value(run);
      if (counted !== null) counter.inc({ run: run.label }, counted);
    }
  }
  for (const [name, help, value] of GAUGES) {
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
    for (const run of runs) {
      const measured = value(run);
      if (measured !== null) gauge.set({ run: run.label }, measured);
    }
  }
  return { type: registry.contentType, text: await registry.metrics() };
}
