import { createHash } from "node:crypto";
import type { EnvironmentFactory, Split } from "../environment.ts";
import { readCsvPrices } from "./csv-prices.ts";
import { measureFrames, normalizeFrames } from "./frames.ts";
import { computeIndicators, INDICATORS, WARM_UP_DAYS } from "./indicators.ts";
import { MarketEnvironment } from "./market-environment.ts";
import { type MarketData, parseMarketOptions, type UncheckedOptions } from "./options.ts";
import type { PriceTable } from "./price-table.ts";
import { readSp500 } from "./sp500.ts";
import { episodeStarts, splitCalendar } from "./splits.ts";
import { createSyntheticPrices } from "./synthetic.ts";

/**
 * Makes environments that trade daily prices: windows of nine indicators per instrument, and the trading rules of the
 * project that Varve was first written for.
 *
 * Prices are read, indicators computed and normalised once, by the mean and deviation of the training part alone; all
 * environments of the factory share them.
 *
 * @throws ConfigError where options or price files are wrong, or a part of the calendar is too short for one episode
 */
export function createMarketFactory(options: UncheckedOptions = {}): EnvironmentFactory {
  const { data, validationFrom, holdoutFrom, ...rules } = parseMarketOptions(options);
  const prices = readPrices(data);
  const splits = splitCalendar(prices.dates, validationFrom, holdoutFrom);
  const columns = prices.instruments.length * INDICATORS.length;
  const indicators = computeIndicators(prices);
  const statistics = measureFrames(indicators, columns, WARM_UP_DAYS, splits.training.to);
  const frames = normalizeFrames(indicators, columns, statistics);
  const earliest = WARM_UP_DAYS + rules.window - 1;
  const lastDayOffset = rules.tradingDays + rules.holdingDays;
  const startsOf = (split: Split) => episodeStarts(split, splits[split], earliest, lastDayOffset);
  const starts = { training: startsOf("training"), validation: startsOf("validation"), holdout: startsOf("holdout") };
  return {
    name: "market",
    hasHoldout: true,
    create: (split) => new MarketEnvironment({ prices, frames, starts: starts[split], ...rules }),
    fingerprint: {
      ...rules,
      data: data.kind,
      instruments: prices.instruments.length,
      days: prices.dates.length,
      validationFrom: prices.dates[splits.validation.from] ?? null,
      holdoutFrom: prices.dates[splits.holdout.from] ?? null,
      pricesHash: hashPrices(prices),
    },
  };
}

function readPrices(data: MarketData): PriceTable {
  switch (data.kind) {
    case "sp500":
      return readSp500();
    case "csv":
      return readCsvPrices(data.files);
    case "synthetic":
      return createSyntheticPrices(data);
  }
}

/** SHA-256 over names, dates and prices; the first 16 hexadecimal digits. */
function hashPrices(prices: PriceTable): string {
  const hash = createHash("sha256").update(JSON.stringify([prices.instruments, prices.dates]));
  for (const values of [prices.open, prices.high, prices.low, prices.close]) hash.update(values);
  return hash.digest("hex").slice(0, 16);
}
