import { createPriceTable, type PriceTable, setBar } from "../../../src/trainer/market/price-table.ts";

/** One day's prices: [open, high, low, close], or null for a day without data. */
export type Bar = readonly [number, number, number, number] | null;

/** A table of literal bars, one list per instrument. */
export function priceTable(...instruments: readonly (readonly Bar[])[]): PriceTable {
  const days = instruments[0]?.length ?? 0;
  const names = instruments.map((_, index) => `I${index}`);
  const dates = Array.from({ length: days }, (_, day) =>
    new Date(Date.UTC(2001, 0, 1 + day)).toISOString().slice(0, 10),
  );
  const table = createPriceTable(names, dates);
  for (const [instrument, bars] of instruments.entries()) {
    for (const [day, bar] of bars.entries()) {
      if (bar !== null) setBar(table, day, instrument, { open: bar[0], high: bar[1], low: bar[2], close: bar[3] });
    }
  }
  return table;
}

/** `count` days on which nothing moves. */
export function flat(count: number, price = 100): Bar[] {
  return Array.from({ length: count }, () => [price, price, price, price] as const);
}
