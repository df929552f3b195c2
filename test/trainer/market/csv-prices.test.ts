import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readCsvPrices } from "../../../src/trainer/market/csv-prices.ts";
import { barAt } from "../../../src/trainer/market/price-table.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-prices-"));
afterAll(() => rmSync(folder, { recursive: true }));

function table(...lines: readonly string[]) {
  const path = join(folder, "prices.csv");
  writeFileSync(path, lines.join("\n"));
  return readCsvPrices([path]);
}

it("a row that lacks a price, however that is written, is a day without data and no error", () => {
  const missing = ["", "NA", "n/a", "NaN", "null", " - "];
  const days = missing.map((text, day) => `2020-01-1${day},1,2,${text},1.5`);
  const prices = table("date,open,high,low,close", "2020-01-02,1,2,0.5,1.5", ...days);
  expect(prices.dates).toHaveLength(1 + missing.length);
  expect(barAt(prices, 0, 0)).toEqual({ open: 1, high: 2, low: 0.5, close: 1.5 });
  for (const day of missing.keys()) {
    expect(barAt(prices, day + 1, 0), missing[day]).toBeNull();
    expect(prices.high[day + 1]).toBe(2);
  }
});

it("a price without an adjusted one is missing too: nothing says what it was worth", () => {
  const prices = table("date,open,high,low,close,adj_close", "2020-01-02,1,2,1,2,1", "2020-01-03,1,2,1,2,");
  expect(barAt(prices, 0, 0)).toEqual({ open: 0.5, high: 1, low: 0.5, close: 1 });
  expect(barAt(prices, 1, 0)).toBeNull();
});
