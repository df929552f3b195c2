import { describe, expect, test } from "vitest";
import { MarketEnvironment } from "../../../src/trainer/market/market-environment.ts";
import { type Bar, flat, priceTable } from "./price-fixtures.ts";

interface Rules {
  tradingDays?: number;
  holdingDays?: number;
}

/** An environment on literal prices whose episode starts on day 1 of them; frames hold nothing. */
function trade(instruments: readonly (readonly Bar[])[], { tradingDays = 4, holdingDays = 20 }: Rules = {}) {
  const prices = priceTable(...instruments);
  const environment = new MarketEnvironment({
    prices,
    frames: new Float32Array(prices.dates.length * instruments.length * 9),
    starts: { from: 1, to: 2 },
    window: 2,
    tradingDays,
    holdingDays,
    maxCoefficient: 5,
  });
  environment.reset(7);
  const rewards: number[] = [];
  return {
    environment,
    rewards,
    /** Takes one step with these numbers, or `times` steps. */
    act: (action: readonly number[], times = 1): void => {
      for (let step = 0; step < times; step += 1) rewards.push(environment.step(Float32Array.from(action)).reward);
    },
  };
}

const NOTHING = [0, 10];

describe("how a position closes", () => {
  test("at its target, on the first day whose high reaches it, and pays coefficient × target", () => {
    // Day 1 opens at 100 with a target of 110; the high of day 2 is 109.9, that of day 3 is 112 with a close of 90.
    const { act, rewards } = trade([[...flat(2), [100, 109.9, 99, 105], [105, 112, 90, 90], ...flat(30, 90)]]);
    act([2, 10]);
    act(NOTHING, 2);
    expect(rewards).toEqual([0, 20, 0]);
  });

  test("at its target also where the day opened above it", () => {
    const { act, rewards } = trade([[...flat(2), [130, 140, 130, 135], ...flat(30)]]);
    act([1, 25]);
    expect(rewards).toEqual([25]);
  });

  test("after 20 days at the close, where the target was never reached", () => {
    const days: Bar[] = [...flat(2), ...flat(19), [100, 104, 100, 104], ...flat(10, 104)];
    const { act, rewards } = trade([days]);
    act([3, 10]);
    act(NOTHING, 20);
    expect(rewards.slice(0, 19)).toEqual(Array.from({ length: 19 }, () => 0));
    expect(rewards[19]).toBeCloseTo(12, 10);
    expect(rewards[20]).toBe(0);
  });

  test("on the twentieth day at its target, where that day's high reaches it", () => {
    const days: Bar[] = [...flat(2), ...flat(19), [100, 111, 100, 104], ...flat(10, 104)];
    const { act, rewards } = trade([days]);
    act([1, 10]);
    act(NOTHING, 19);
    expect(rewards[19]).toBe(10);
  });

  test("a loss counts ten times", () => {
    const days: Bar[] = [...flat(2), ...flat(19), [100, 100, 97, 97], ...flat(10, 97)];
    const { act, rewards } = trade([days]);
    act([2, 10]);
    act(NOTHING, 19);
    expect(rewards[19]).toBeCloseTo(-60, 10); // 2 × -3 % × 10
  });

  test("on missing data at its entry price, on the day the data is missing", () => {
    const { act, rewards } = trade([[...flat(2), null, [50, 50, 50, 50], ...flat(30, 50)]]);
    act([5, 10]);
    act(NOTHING, 2);
    // Closed on day 2 without gain; on day 2 it was held, on day 3 nothing was.
    expect(rewards).toEqual([0, 0, -2]);
  });
});

describe("how a position opens", () => {
  test("only in the instrument with the highest coefficient", () => {
    const winner: Bar[] = [...flat(2), [100, 150, 100, 150], ...flat(30, 150)];
    const { act, rewards } = trade([winner, flat(33), winner]);
    act([2, 10, 3, 10, 1, 10]);
    act([1, 10, 0, 10, 0, 10]);
    // Instrument 1 (coefficient 3) was bought on day 1: the jump of the others on day 2 pays nothing.
    expect(rewards).toEqual([0, 0]);
  });

  test("in the first of equals", () => {
    const winner: Bar[] = [...flat(2), [100, 150, 100, 150], ...flat(30, 150)];
    const { act, rewards } = trade([winner, flat(33)]);
    act([2, 10, 2, 10]);
    expect(rewards).toEqual([20]);
  });

  test("not below a coefficient of 1", () => {
    const winner: Bar[] = [...flat(2), [100, 150, 100, 150], ...flat(30, 150)];
    const { act, rewards, environment } = trade([winner]);
    act([0.999, 10]);
    expect(rewards).toEqual([-2]);
    expect(environment.episodeFitness(-2)).toBe(-10_000);
  });

  test("at a coefficient of exactly 1", () => {
    const { act, rewards } = trade([[...flat(2), [100, 150, 100, 150], ...flat(30, 150)]]);
    act([1, 10]);
    expect(rewards).toEqual([10]);
  });

  test("not a second time in an instrument that is held", () => {
    // Bought at 100 on day 1; had day 2 bought again at 50, day 3 would pay 10 more at 55.
    const days: Bar[] = [...flat(2), [50, 50, 50, 50], [50, 56, 50, 50], ...flat(30, 50)];
    const { act, rewards } = trade([days]);
    act([1, 10], 2);
    expect(rewards).toEqual([0, 0]);
  });

  test("again on the day on which the position before it closed", () => {
    const days: Bar[] = [...flat(2), [100, 110, 100, 100], [100, 110, 100, 100], ...flat(30)];
    const { act, rewards } = trade([days]);
    act([1, 10], 2);
    expect(rewards).toEqual([10, 10]);
  });

  test("not in an instrument without data that day, and the second best does not move up", () => {
    const winner: Bar[] = [...flat(2), [100, 150, 100, 150], ...flat(30, 150)];
    const gap: Bar[] = [...flat(1), null, ...flat(31)];
    const { act, rewards } = trade([gap, winner]);
    act([3, 10, 2, 10]);
    expect(rewards).toEqual([-2]);
  });

  test("with the coefficient clipped to the action's bounds and the target to 10..50 %", () => {
    const days: Bar[] = [...flat(2), [100, 200, 100, 100], [100, 200, 100, 100], ...flat(30)];
    const { act, rewards } = trade([days]);
    act([99, 1]);
    act([1, 99]);
    expect(rewards).toEqual([50, 50]); // 5 × 10 %, 1 × 50 %
  });

  test("not on a NaN", () => {
    const { act, rewards } = trade([flat(33)]);
    act([Number.NaN, Number.NaN]);
    expect(rewards).toEqual([-2]);
  });
});

describe("an episode", () => {
  test("opens nothing on settlement days, and ends after the last of them with everything closed", () => {
    const days: Bar[] = [...flat(5), [100, 103, 100, 103], [103, 103, 101, 102], ...flat(5, 102)];
    const { environment, rewards, act } = trade([days], { tradingDays: 3, holdingDays: 2 });
    act(NOTHING, 2);
    const results = [1, 2, 3].map(() => environment.step(Float32Array.from([1, 10])));
    // Bought at 100 on the last trading day (3), sold after two days at the close of day 5. Nothing is bought again.
    expect(rewards).toEqual([-2, -2]);
    expect(results.map(({ reward }) => Math.round(reward * 1e6) / 1e6)).toEqual([0, 3, 0]);
    expect(results.map(({ terminated }) => terminated)).toEqual([false, false, true]);
    expect(results.map(({ truncated }) => truncated)).toEqual([false, false, false]);
    expect(environment.episodeFitness(-1)).toBe(-1);
  });

  test("costs 2 for each day on which nothing was held, before or after", () => {
    const days: Bar[] = [...flat(3), [100, 110, 100, 100], ...flat(30)];
    const { act, rewards } = trade([days]);
    act(NOTHING); // day 1: idle
    act([1, 10]); // day 2: opens, sold on day 3
    act(NOTHING); // day 3: held in the morning
    act(NOTHING); // day 4: idle
    expect(rewards).toEqual([-2, 10, 0, -2]);
  });

  test("of 125 and 20 days has 145 steps, and one without a trade has a fitness of -10,000", () => {
    const { environment } = trade([flat(200)], { tradingDays: 125 });
    let steps = 0;
    let returnSum = 0;
    for (let done = false; !done; steps += 1) {
      const { reward, terminated } = environment.step(Float32Array.from(NOTHING));
      returnSum += reward;
      done = terminated;
    }
    expect(steps).toBe(145);
    expect(returnSum).toBe(-290);
    expect(environment.episodeFitness(returnSum)).toBe(-10_000);
  });

  test("forgets positions and trades of the one before", () => {
    const days: Bar[] = [...flat(2), [100, 105, 100, 100], [100, 111, 100, 100], ...flat(30)];
    const { environment, act, rewards } = trade([days]);
    act([1, 10]);
    environment.reset(8);
    act(NOTHING, 2);
    expect(rewards).toEqual([0, -2, -2]);
    expect(environment.episodeFitness(-4)).toBe(-10_000);
  });
});
