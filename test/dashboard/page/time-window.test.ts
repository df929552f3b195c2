import { describe, expect, it } from "vitest";
import { centred, panned, rangeOf, timeTicks, zoomed } from "../../../src/dashboard/page/time-window.ts";

const extent = { fromMs: 1_000_000, toMs: 1_600_000 };
const lastMinute = { spanMs: 60_000, endMs: null };

describe("the window of the time-line", () => {
  it("follows the newest, and shows the whole run where it has no span", () => {
    expect(rangeOf(lastMinute, extent)).toEqual({ fromMs: 1_540_000, toMs: 1_600_000 });
    expect(rangeOf({ spanMs: null, endMs: null }, extent)).toEqual(extent);
  });

  it("has a span even where a run has only begun", () => {
    const { fromMs, toMs } = rangeOf({ spanMs: null, endMs: null }, { fromMs: 5, toMs: 5 });
    expect(toMs).toBeGreaterThan(fromMs);
  });

  it("zooms around an instant, which stays where it is", () => {
    const still = { spanMs: 60_000, endMs: 1_300_000 };
    const closer = zoomed(still, extent, 0.5, 1_270_000);
    expect(closer).toEqual({ spanMs: 30_000, endMs: 1_285_000 });
    expect(zoomed(closer, extent, 2, 1_270_000)).toEqual(still);
  });

  it("goes on following while it is zoomed, and ends at the whole run", () => {
    expect(zoomed(lastMinute, extent, 0.5, 1_550_000)).toEqual({ spanMs: 30_000, endMs: null });
    expect(zoomed(lastMinute, extent, 100, 1_550_000)).toEqual({ spanMs: null, endMs: null });
  });

  it("stops following when it is moved back, and follows again at the end", () => {
    const back = panned(lastMinute, extent, -30_000);
    expect(back).toEqual({ spanMs: 60_000, endMs: 1_570_000 });
    expect(panned(back, extent, 30_000)).toEqual(lastMinute);
  });

  it("does not move before the run began", () => {
    expect(panned(lastMinute, extent, -9_999_999)).toEqual({ spanMs: 60_000, endMs: 1_060_000 });
  });

  it("moves only for what is not in it", () => {
    expect(centred(lastMinute, extent, 1_550_000)).toBe(lastMinute);
    expect(centred(lastMinute, extent, 1_200_000)).toEqual({ spanMs: 60_000, endMs: 1_230_000 });
  });
});

describe("ticks of time", () => {
  it.each([
    [60_000, 6, 10_000],
    [300_000, 6, 60_000],
    [3_600_000, 10, 600_000],
    [7 * 86_400_000, 7, 86_400_000],
    [100, 6, 20],
  ])("over %i ms, at most %i, are %i ms apart", (spanMs, most, stepMs) => {
    const fromMs = 1_785_000_000_123;
    const ticks = timeTicks({ fromMs, toMs: fromMs + spanMs }, most);
    expect(ticks.stepMs).toBe(stepMs);
    expect(ticks.atMs.length).toBeLessThanOrEqual(most);
    for (const at of ticks.atMs) expect(at % stepMs).toBe(0);
    expect(ticks.atMs[0]).toBeGreaterThanOrEqual(fromMs);
  });
});
