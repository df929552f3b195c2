import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError } from "../../../src/index.ts";
import type { Environment, Split } from "../../../src/trainer/environment.ts";
import { createMarketFactory } from "../../../src/trainer/market/market.ts";
import { splitCalendar } from "../../../src/trainer/market/splits.ts";
import { createSyntheticPrices } from "../../../src/trainer/market/synthetic.ts";

const folder = mkdtempSync(join(tmpdir(), "varve-market-"));
afterAll(() => rmSync(folder, { recursive: true }));

function csv(name: string, lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** Business days from a date on, as CSV rows of one price. */
function rows(count: number, price: (day: number) => number): string[] {
  return Array.from({ length: count }, (_, day) => {
    const date = new Date(Date.UTC(2010, 0, 1 + day)).toISOString().slice(0, 10);
    const value = price(day);
    return `${date},${value},${value + 1},${value - 1},${value}`;
  });
}

const SMALL = { window: 10, tradingDays: 12, holdingDays: 5 } as const;
const SYNTHETIC = { ...SMALL, data: { kind: "synthetic", instruments: 3, days: 300, seed: 5 } } as const;

function play(environment: Environment, seed: number): number[] {
  environment.reset(seed);
  const seen = [...environment.observation];
  const action = new Float32Array(environment.actionSpace.low.length).fill(2);
  for (let done = false; !done; ) {
    const { reward, terminated } = environment.step(action);
    seen.push(reward, ...environment.observation);
    done = terminated;
  }
  return seen;
}

describe("the S&P 500 of vega-datasets", () => {
  const factory = createMarketFactory();

  test("has windows of 504 days of one 36-byte frame each", () => {
    const environment = factory.create("training");
    expect(environment.observationSpace).toEqual({ dtype: "float32", shape: [504, 1, 9], frames: 504 });
    expect(environment.observation.length).toBe(504 * 9);
    expect(environment.actionSpace.shape).toEqual([1, 2]);
    expect([...environment.actionSpace.low, ...environment.actionSpace.high]).toEqual([0, 10, 5, 50]);
    expect(environment.encoder.featureCount).toBe(36);
  });

  test("a step moves the window by exactly one frame", () => {
    const environment = factory.create("validation");
    environment.reset(3);
    const before = environment.observation.slice();
    environment.step(Float32Array.of(0, 10));
    expect(environment.observation.subarray(0, 503 * 9)).toEqual(before.subarray(9));
    expect(environment.observation.subarray(503 * 9)).not.toEqual(before.subarray(503 * 9));
  });

  test("gives a different fingerprint for other prices or rules, and the same for the same", () => {
    expect(factory.fingerprint).toEqual(createMarketFactory({}).fingerprint);
    expect(factory.fingerprint).toMatchObject({ days: 5105, validationFrom: "2014-03-19", holdoutFrom: "2017-04-03" });
    expect(createMarketFactory({ window: 100 }).fingerprint).not.toEqual(factory.fingerprint);
  });
});

describe("determinism", () => {
  test("equal seeds give equal episodes, in another environment and after other episodes too", () => {
    const first = play(createMarketFactory(SYNTHETIC).create("training"), 11);
    const environment = createMarketFactory(SYNTHETIC).create("training");
    play(environment, 12);
    expect(play(environment, 11)).toEqual(first);
  });

  test("neighbouring seeds start on different days", () => {
    const environment = createMarketFactory().create("training");
    const firstFrames = new Set<number>();
    for (let seed = 0; seed < 50; seed += 1) {
      environment.reset(seed);
      firstFrames.add(environment.observation[1] as number);
    }
    expect(firstFrames.size).toBeGreaterThan(45);
  });

  test("a synthetic market depends on its seed alone, and its stocks move together", () => {
    const options = { instruments: 20, days: 500, seed: 3 };
    const table = createSyntheticPrices(options);
    expect(createSyntheticPrices(options)).toEqual(table);
    expect(createSyntheticPrices({ ...options, seed: 4 }).close).not.toEqual(table.close);
    const returns = (instrument: number) =>
      Array.from({ length: 499 }, (_, day) => {
        const now = table.close[(day + 1) * 20 + instrument] as number;
        return now / (table.close[day * 20 + instrument] as number) - 1;
      });
    expect(correlation(returns(0), returns(1))).toBeGreaterThan(0.1);
    expect(table.low.every((low, at) => low > 0 && low <= (table.high[at] as number))).toBe(true);
    expect(table.dates.slice(0, 6)).toEqual([
      "2000-01-03",
      "2000-01-04",
      "2000-01-05",
      "2000-01-06",
      "2000-01-07",
      "2000-01-10",
    ]);
  });
});

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, index) => (value - meanA) * ((b[index] as number) - meanB)));
  const variances = mean(a.map((value) => (value - meanA) ** 2)) * mean(b.map((value) => (value - meanB) ** 2));
  return covariance / Math.sqrt(variances);
}

describe("walk-forward split", () => {
  test("parts follow each other without a gap or an overlap", () => {
    const dates = rows(100, () => 5).map((row) => row.slice(0, 10));
    expect(splitCalendar(dates, undefined, undefined)).toEqual({
      training: { from: 0, to: 70 },
      validation: { from: 70, to: 85 },
      holdout: { from: 85, to: 100 },
    });
    expect(splitCalendar(dates, "2010-02-01", "2010-03-01").validation).toEqual({ from: 31, to: 59 });
    expect(() => splitCalendar(dates, "2010-03-01", "2010-02-01")).toThrow(ConfigError);
  });

  test("what comes after the training part changes nothing that training sees", () => {
    const price = (day: number) => 100 + 10 * Math.sin(day / 9);
    const calm = csv("calm.csv", ["date,open,high,low,close", ...rows(400, price)]);
    const wild = csv("wild.csv", [
      "date,open,high,low,close",
      ...rows(400, (day) => price(day) * (day < 200 ? 1 : 50)),
    ]);
    const create = (file: string, split: Split) =>
      createMarketFactory({
        ...SMALL,
        data: { kind: "csv", files: [file] },
        validationFrom: rows(201, price)[200]?.slice(0, 10),
        holdoutFrom: rows(301, price)[300]?.slice(0, 10),
      }).create(split);
    for (let seed = 0; seed < 40; seed += 1) {
      expect(play(create(wild, "training"), seed)).toEqual(play(create(calm, "training"), seed));
    }
    // Every validation episode shows the level of its own years: it starts there, and not in the training part.
    for (let seed = 0; seed < 40; seed += 1) {
      const environment = create(wild, "validation");
      environment.reset(seed);
      expect(environment.observation.at(-8)).toBeGreaterThan(100);
    }
  });

  test("a part that is too short for an episode is refused when the market is made", () => {
    const data = { kind: "synthetic", instruments: 1, days: 150, seed: 1 } as const;
    expect(() => createMarketFactory({ ...SMALL, data, window: 90 })).toThrow(
      "The training part of the prices is too short: an episode needs 150 days of it, got 105",
    );
    expect(() => createMarketFactory({ ...SMALL, data, holdoutFrom: "2040-01-01" })).toThrow("The holdout part");
  });
});

describe("CSV files of one's own", () => {
  const header = "date,open,high,low,close";
  const market = (files: readonly string[]) => createMarketFactory({ ...SMALL, data: { kind: "csv", files } });

  test("one instrument a file, with a calendar of all dates", () => {
    const a = csv("a.csv", [header, ...rows(300, (day) => 50 + (day % 3))]);
    const b = csv("b.csv", [header, ...rows(320, (day) => 20 + (day % 5)).filter((_, day) => day % 40 !== 7)]);
    expect(market([a, b]).fingerprint).toMatchObject({ instruments: 2, days: 320 });
  });

  test("several instruments in a file, told apart by a column", () => {
    const lines = ["AAA", "BBB", "CCC"].flatMap((name, index) =>
      rows(300, (day) => 10 + index + (day % 4)).map((row) => `${name},${row}`),
    );
    const file = csv("several.csv", ["Symbol,Date,Open,High,Low,Close", ...lines]);
    expect(market([file]).fingerprint).toMatchObject({ instruments: 3, days: 300 });
    expect(market([file]).create("training").observationSpace.shape).toEqual([10, 3, 9]);
  });

  test("a split is no loss: prices follow the adjusted close", () => {
    // On day 150 the stock splits 2:1. Adjusted, nothing happens.
    const split = rows(300, (day) => (day < 150 ? 100 : 50)).map((row, day) => `${row},50,${day}`);
    const adjusted = csv("split.csv", [`${header},Adj Close,volume`, ...split]);
    const plain = csv("plain.csv", [header, ...rows(300, (day) => (day < 150 ? 100 : 50))]);
    const worst = (file: string) => {
      const environment = market([file]).create("training");
      const returns: number[] = [];
      for (let seed = 0; seed < 60; seed += 1) {
        environment.reset(seed);
        for (let done = false; !done; ) {
          const { reward, terminated } = environment.step(Float32Array.of(1, 50));
          returns.push(reward);
          done = terminated;
        }
      }
      return Math.min(...returns);
    };
    expect(worst(adjusted)).toBe(-2); // the last day of an episode, on which nothing is held any more
    expect(worst(plain)).toBe(-500);
  });

  test.each([
    [
      "a text that is no price",
      ["2010-01-01,1,2,x,1"],
      /bad\.csv line 2: expected `low` to be a price above 0, got "x"/,
    ],
    ["a price of 0", ["2010-01-01,1,2,0,1"], /expected `low` to be a price above 0/],
    ["a high below the low", ["2010-01-01,1,2,3,1"], /high 2 lies below its low 3/],
    ["a date in another form", ["01/02/2010,1,2,1,1"], /expected a date as YYYY-MM-DD, got "01\/02\/2010"/],
    ["a date given twice", ["2010-01-01,1,2,1,1", "2010-01-01,1,2,1,1"], /line 3: bad has two rows for 2010-01-01/],
    ["a row of another length", ["2010-01-01,1,2"], /is not a CSV file with a header line/],
    ["no rows", [], /hold no rows/],
  ])("%s is an error that says where", (_, lines, message) => {
    const file = csv("bad.csv", [header, ...lines]);
    expect(() => market([file])).toThrow(ConfigError);
    expect(() => market([file])).toThrow(message);
  });

  test("a column that is missing is named, with those that are there", () => {
    const file = csv("columns.csv", ["date,open,close", "2010-01-01,1,1"]);
    expect(() => market([file])).toThrow(/has no column `high`; there are: date, open, close/);
  });

  test("a file that is not there is named", () => {
    expect(() => market([join(folder, "absent.csv")])).toThrow(/Cannot read the price file .*absent\.csv/);
  });
});

test("options that do not exist or are wrong are refused by name", () => {
  expect(() => createMarketFactory({ windows: 5 })).toThrow(ConfigError);
  expect(() => createMarketFactory({ window: 0 })).toThrow(/environmentOptions\.window/);
  expect(() => createMarketFactory({ data: { kind: "csv", files: [] } })).toThrow(/environmentOptions\.data\.files/);
});

test("the encoder gives the last day and its distance from the means of the last 5, 20 and 60 days, clipped to 5", () => {
  const factory = createMarketFactory({
    ...SYNTHETIC,
    window: 60,
    data: { ...SYNTHETIC.data, instruments: 1, days: 600 },
  });
  const { encoder } = factory.create("training");
  // Column 0 counts the days 0.01, 0.02 .. 0.60; column 1 is 9 on the last day and 0 before.
  const window = new Float32Array(2 + 60 * 9);
  for (let day = 0; day < 60; day += 1) window[2 + day * 9] = (day + 1) / 100;
  window[2 + 59 * 9 + 1] = 9;
  const out = new Float32Array(1 + encoder.featureCount);
  encoder.encode(window, 2, out, 1);
  const column = (index: number) =>
    [0, 1, 2, 3].map((span) => Math.round((out[1 + span * 9 + index] as number) * 1e6) / 1e6);
  expect(out[0]).toBe(0);
  expect(column(0)).toEqual([0.6, 0.02, 0.095, 0.295]);
  expect(column(1)).toEqual([5, 5, 5, 5]); // 9, 9 - 1.8, 9 - 0.45, 9 - 0.15
});
