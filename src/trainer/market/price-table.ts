/** Daily prices of several instruments on one calendar; each array is [days × instruments], NaN where data is missing. */
export interface PriceTable {
  readonly instruments: readonly string[];
  /** ISO dates (`2000-01-03`), ascending. */
  readonly dates: readonly string[];
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
}

/** One instrument's prices on one day. */
export interface DailyBar {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

/** Makes a table in which every price is missing. */
export function createPriceTable(instruments: readonly string[], dates: readonly string[]): PriceTable {
  const prices = () => new Float64Array(dates.length * instruments.length).fill(Number.NaN);
  return { instruments, dates, open: prices(), high: prices(), low: prices(), close: prices() };
}

export function setBar(table: PriceTable, day: number, instrument: number, bar: DailyBar): void {
  const at = day * table.instruments.length + instrument;
  table.open[at] = bar.open;
  table.high[at] = bar.high;
  table.low[at] = bar.low;
  table.close[at] = bar.close;
}

/** The instrument's prices of that day, or null where any of them is missing: half a bar is no bar. */
export function barAt(table: PriceTable, day: number, instrument: number): DailyBar | null {
  const at = day * table.instruments.length + instrument;
  const bar = {
    open: table.open[at] as number,
    high: table.high[at] as number,
    low: table.low[at] as number,
    close: table.close[at] as number,
  };
  return Number.isNaN(bar.open + bar.high + bar.low + bar.close) ? null : bar;
}
