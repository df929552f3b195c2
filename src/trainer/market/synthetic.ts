import { createRandom } from "../../index.ts";
import { createPriceTable, type PriceTable, setBar } from "./price-table.ts";

export interface SyntheticMarketOptions {
  readonly instruments: number;
  readonly days: number;
  readonly seed: number;
}

const SECTORS = 9;
const MS_PER_DAY = 86_400_000;
const FIRST_DAY_MS = Date.UTC(2000, 0, 3);

/**
 * Makes up a market of correlated stocks: a daily return is a share of the whole market's, its sector's and its own.
 *
 * The market drifts up and down in regimes of about a quarter, so that there is something to learn. Equal options give
 * equal prices. Only +, -, ×, / and square roots follow the random numbers, so that prices do not depend on the engine
 * beyond its logarithm.
 */
export function createSyntheticPrices({ instruments, days, seed }: SyntheticMarketOptions): PriceTable {
  const random = createRandom(seed);
  const names = Array.from({ length: instruments }, (_, index) => `S${String(index + 1).padStart(3, "0")}`);
  const table = createPriceTable(names, businessDays(days));
  const beta = Array.from(names, () => 0.6 + 0.8 * random.uniform());
  const last = Array.from(names, () => 20 + 180 * random.uniform());
  const sector = new Float64Array(SECTORS);
  let drift = 0.0004;
  for (let day = 0; day < days; day += 1) {
    if (random.uniform() < 1 / 60) drift = 0.0004 + 0.0008 * random.normal();
    const market = drift + 0.008 * random.normal();
    for (let index = 0; index < SECTORS; index += 1) sector[index] = 0.005 * random.normal();
    for (let index = 0; index < instruments; index += 1) {
      const shared = (beta[index] as number) * market + (sector[index % SECTORS] as number);
      // Bounded below, so that no price ever reaches zero.
      const change = Math.max(-0.5, shared + 0.012 * random.normal());
      const open = (last[index] as number) * (1 + 0.002 * random.normal());
      const close = (last[index] as number) * (1 + change);
      const high = Math.max(open, close) * (1 + 0.004 * Math.abs(random.normal()));
      const low = Math.min(open, close) * (1 - 0.004 * Math.min(10, Math.abs(random.normal())));
      setBar(table, day, index, { open, high, low, close });
      last[index] = close;
    }
  }
  return table;
}

function businessDays(count: number): string[] {
  const dates: string[] = [];
  for (let ms = FIRST_DAY_MS; dates.length < count; ms += MS_PER_DAY) {
    const date = new Date(ms);
    if (date.getUTCDay() !== 0 && date.getUTCDay() !== 6) dates.push(date.toISOString().slice(0, 10));
  }
  return dates;
}
