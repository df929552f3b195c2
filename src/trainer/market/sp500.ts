import { fileURLToPath } from "node:url";
import { ConfigError } from "../../index.ts";
import { readCsvPrices } from "./csv-prices.ts";
import type { PriceTable } from "./price-table.ts";

/**
 * Reads the S&P 500 index, daily from 2000-01-03 to 2020-04-17 (5,105 days), from the npm package `vega-datasets`.
 *
 * @throws ConfigError where the package is not installed
 */
export function readSp500(): PriceTable {
  let entry: string;
  try {
    entry = import.meta.resolve("vega-datasets");
  } catch (cause) {
    throw new ConfigError("The S&P 500 prices are not installed: the package vega-datasets was not found", {
      cause,
      hint: "Run `npm install vega-datasets`, or name CSV files of your own under environmentOptions.data in varve.config.json.",
    });
  }
  const table = readCsvPrices([fileURLToPath(new URL("../data/sp500-2000.csv", entry))]);
  return { ...table, instruments: ["S&P 500"] };
}
