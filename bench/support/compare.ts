import { Bench } from "tinybench";
import { type Figure, figure, ratios } from "./figure.ts";

export interface Compared {
  readonly varve: Figure;
  readonly control: Figure;
  /** Time of Varve by time of the control. */
  readonly ratio: Figure;
}

/**
 * Times two functions in turns, so that what the machine does beside it meets both.
 *
 * @param perCall - operations that one call of a function does
 */
export async function compare(
  tasks: { readonly varve: () => void; readonly control: () => void },
  options: {
    readonly rounds: number;
    readonly timeMs: number;
    readonly perCall: number;
    readonly unit: "ms" | "µs" | "ns";
  },
): Promise<Compared> {
  const { rounds, timeMs, perCall, unit } = options;
  const times = { varve: [] as number[], control: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: timeMs, warmup: round === 0, throws: true });
    const order = round % 2 === 0 ? (["varve", "control"] as const) : (["control", "varve"] as const);
    for (const name of order) bench.add(name, tasks[name]);
    await bench.run();
    for (const name of order) times[name].push((medianMs(bench, name) / perCall) * UNITS_PER_MS[unit]);
  }
  const { varve, control } = times;
  return { varve: figure(varve, unit), control: figure(control, unit), ratio: ratios(varve, control) };
}

const UNITS_PER_MS = { ms: 1, µs: 1e3, ns: 1e6 };

function medianMs(bench: Bench, name: string): number {
  const result = bench.getTask(name)?.result;
  if (result === undefined || !("latency" in result)) throw new Error(`tinybench has no result for ${name}`);
  return result.latency.p50;
}
