export type Unit = "MB/s" | "ms" | "µs" | "ns" | "×" | "MB" | "MiB" | "KiB" | "GB" | "" | "/s";

/** One quantity, measured several times: its median, and how far the repetitions spread. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Repetitions. */
  readonly count: number;
  readonly unit: Unit;
}

export function figure(values: readonly number[], unit: Unit): Figure {
  if (values.length === 0) throw new Error("A figure needs at least one value");
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: percentile(sorted, 50),
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
    count: sorted.length,
    unit,
  };
}

/** Element by element, for repetitions that were measured side by side. */
export function ratios(values: readonly number[], controls: readonly number[]): Figure {
  return figure(
    values.map((value, i) => value / (controls[i] as number)),
    "×",
  );
}

/** The smallest value that `percent` per cent of the values do not exceed. */
function percentile(sorted: readonly number[], percent: number): number {
  const at = Math.ceil((percent / 100) * sorted.length) - 1;
  return sorted[Math.min(sorted.length - 1, Math.max(0, at))] as number;
}

export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function latencies(values: readonly number[]): Latencies {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99), max: sorted.at(-1) ?? 0 };
}
