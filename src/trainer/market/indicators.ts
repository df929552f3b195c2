import { EMA, MACD, RSI, SMA, TRIX } from "trading-signals";
import { barAt, type DailyBar, type PriceTable } from "./price-table.ts";

/** The nine indicators of a frame, in this order. */
export const INDICATORS = [
  "open",
  "close",
  "high",
  "low",
  "rsi",
  "macd",
  "macdSignal",
  "trix",
  "differenceToMean",
] as const;

const RSI_DAYS = 14;
const MACD_DAYS = { short: 12, long: 26, signal: 9 } as const;
const TRIX_DAYS = 15;
const MEAN_DAYS = 20;

/** Days at the start of an instrument's prices on which not every indicator has a value: TRIX needs 3 × 14 + 2. */
export const WARM_UP_DAYS: number = 3 * (TRIX_DAYS - 1) + 1;

/**
 * Computes the indicators of every instrument and day, not normalised.
 *
 * An indicator sees the days up to its own only. A missing day repeats the indicators of the day before; before an
 * indicator's first value it is NaN.
 *
 * @returns [days × instruments × 9]
 */
export function computeIndicators(table: PriceTable): Float64Array {
  const width = table.instruments.length * INDICATORS.length;
  const values = new Float64Array(table.dates.length * width);
  for (let instrument = 0; instrument < table.instruments.length; instrument += 1) {
    const next = createIndicators();
    let newest: readonly number[] = INDICATORS.map(() => Number.NaN);
    for (let day = 0; day < table.dates.length; day += 1) {
      const bar = barAt(table, day, instrument);
      if (bar !== null) newest = next(bar);
      values.set(newest, day * width + instrument * INDICATORS.length);
    }
  }
  return values;
}

/** The indicators of one instrument, fed day by day. */
function createIndicators(): (bar: DailyBar) => readonly number[] {
  const rsi = new RSI(RSI_DAYS);
  const macd = new MACD(new EMA(MACD_DAYS.short), new EMA(MACD_DAYS.long), new EMA(MACD_DAYS.signal));
  const trix = new TRIX(TRIX_DAYS);
  const mean = new SMA(MEAN_DAYS);
  return ({ open, close, high, low }) => {
    const strength = rsi.add(close) ?? Number.NaN;
    const convergence = macd.add(close);
    const triple = trix.add(close) ?? Number.NaN;
    const average = mean.add(close) ?? Number.NaN;
    const difference = (100 * (close - average)) / average; // in %, so that it means the same at any price level
    return [
      open,
      close,
      high,
      low,
      strength,
      convergence?.macd ?? Number.NaN,
      convergence?.signal ?? Number.NaN,
      triple,
      difference,
    ];
  };
}
