import { expect, test } from "vitest";
import { measureFrames, normalizeFrames } from "../../../src/trainer/market/frames.ts";
import { computeIndicators, INDICATORS, WARM_UP_DAYS } from "../../../src/trainer/market/indicators.ts";
import { type Bar, flat, priceTable } from "./price-fixtures.ts";

const column = (name: (typeof INDICATORS)[number]) => INDICATORS.indexOf(name);

function at(values: Float64Array, day: number, name: (typeof INDICATORS)[number]): number {
  return values[day * INDICATORS.length + column(name)] as number;
}

test("a frame holds the nine indicators of the original, in its order", () => {
  expect(INDICATORS).toEqual(["open", "close", "high", "low", "rsi", "macd", "macdSignal", "trix", "differenceToMean"]);
});

test("prices stand in a frame as they are", () => {
  const values = computeIndicators(priceTable([[10, 13, 9, 12]]));
  expect([...values.subarray(0, 4)]).toEqual([10, 12, 13, 9]);
});

test("the difference to the 20-day mean is in percent of it, from the 20th day on", () => {
  // 19 days at 100 and one at 120: the mean is 101.
  const values = computeIndicators(priceTable([...flat(19), [120, 120, 120, 120]]));
  expect(at(values, 18, "differenceToMean")).toBeNaN();
  expect(at(values, 19, "differenceToMean")).toBeCloseTo(18.811881188118811, 10);
});

test("RSI follows Wilder, from the 15th day on", () => {
  // 14 changes: 7 × +2, 7 × -1; then +3. Average gain 1, loss 0.5; then (13 + 3) / 14 and 6.5 / 14.
  const closes = [100];
  for (let change = 0; change < 14; change += 1) closes.push((closes.at(-1) as number) + (change % 2 === 0 ? 2 : -1));
  closes.push((closes.at(-1) as number) + 3);
  const values = computeIndicators(priceTable(closes.map((close) => [close, close, close, close] as Bar)));
  expect(at(values, 13, "rsi")).toBeNaN();
  expect(at(values, 14, "rsi")).toBeCloseTo(66.66666666666667, 10); // 100 - 100 / (1 + 2)
  expect(at(values, 15, "rsi")).toBeCloseTo(71.11111111111111, 10); // 100 - 100 / (1 + 16 / 6.5)
});

test("MACD and its signal answer to a jump as their three weights say", () => {
  // 30 days at 100, then 110: EMA12 = 100 + 10 × 2/13, EMA26 = 100 + 10 × 2/27, signal = macd × 2/10.
  const values = computeIndicators(priceTable([...flat(30), [110, 110, 110, 110]]));
  expect(at(values, 24, "macd")).toBeNaN();
  expect(at(values, 25, "macd")).toBe(0);
  expect(at(values, 30, "macd")).toBeCloseTo(0.7977207977207977, 10);
  expect(at(values, 30, "macdSignal")).toBeCloseTo(0.1595441595441, 10);
});

test("TRIX is the change of a triple EMA in percent, and ends the warm-up", () => {
  // 44 days at 100, then 164: each EMA takes 2/16, so the triple moves by 64 / 512 = 0.125, to 100.125.
  const values = computeIndicators(priceTable([...flat(44), [164, 164, 164, 164]]));
  expect(WARM_UP_DAYS).toBe(43);
  expect(at(values, 42, "trix")).toBeNaN();
  expect(at(values, 43, "trix")).toBe(0);
  expect(at(values, 44, "trix")).toBeCloseTo(0.12484394506866417, 10); // 100 × 0.125 / 100.125
});

test("an indicator never looks ahead: changing the last day changes no day before it", () => {
  const days: Bar[] = Array.from({ length: 60 }, (_, day) => [100, 101 + day, 99, 100 + (day % 7)]);
  const before = computeIndicators(priceTable(days));
  const after = computeIndicators(priceTable([...days.slice(0, 59), [500, 500, 500, 500]]));
  expect(after.subarray(0, 59 * 9)).toEqual(before.subarray(0, 59 * 9));
  expect(after.subarray(59 * 9)).not.toEqual(before.subarray(59 * 9));
});

test("a missing day repeats the frame before it and leaves no trace in later ones", () => {
  const days: Bar[] = Array.from({ length: 50 }, (_, day) => [100, 110 + day, 90, 100 + (day % 5)]);
  const whole = computeIndicators(priceTable(days));
  const gap = computeIndicators(priceTable([...days.slice(0, 49), null, days[49] as Bar]));
  expect(gap.subarray(49 * 9, 50 * 9)).toEqual(whole.subarray(48 * 9, 49 * 9));
  expect(gap.subarray(50 * 9)).toEqual(whole.subarray(49 * 9));
});

test("normalising uses the given days alone, turns missing values into 0 and keeps constant columns at 0", () => {
  // Two columns; the first three days are measured: mean 2, deviation sqrt(2/3); the second column is constant.
  const values = Float64Array.from([1, 5, 2, 5, 3, 5, 1000, 5, Number.NaN, 6]);
  const statistics = measureFrames(values, 2, 0, 3);
  expect([...statistics.mean]).toEqual([2, 5]);
  expect(statistics.deviation[0]).toBeCloseTo(0.816496580927726, 12);
  expect(statistics.deviation[1]).toBe(1);
  const frames = normalizeFrames(values, 2, statistics);
  expect(frames[0]).toBeCloseTo(-1.2247448, 6);
  expect([...frames.subarray(8)]).toEqual([0, 1]);
  expect([frames[1], frames[3], frames[7]]).toEqual([0, 0, 0]);
});
