import { describe, expect, it } from "vitest";
import { TokenBucket } from "../../src/transfer/bandwidth.ts";
import { RateMeter } from "../../src/transfer/rate-meter.ts";
import { FakeTime } from "./fake-time.ts";

describe("bandwidth", () => {
  it("lets requests start at the rate, in order, whatever their sizes", async () => {
    const time = new FakeTime();
    const bucket = new TokenBucket(1000, time.clock, time.sleep, 0);
    const started: [number, number][] = [];
    const takes = [500, 2000, 10, 90].map(async (bytes) => {
      await bucket.take(bytes);
      started.push([bytes, time.nowMs]);
    });
    await time.advance(10_000);
    await Promise.all(takes);
    expect(started).toEqual([
      [500, 0],
      [2000, 500],
      [10, 2500],
      [90, 2510],
    ]);
  });

  it("saves up unused time, but not more than the burst", async () => {
    const time = new FakeTime();
    const bucket = new TokenBucket(1000, time.clock, time.sleep, 250);
    await time.advance(60_000);
    await bucket.take(250);
    await bucket.take(100);
    expect(time.delays).toEqual([]);
    const third = bucket.take(100);
    await time.advance(1000);
    await third;
    expect(time.delays).toEqual([100]);
  });

  it("gives back what an aborted wait had taken", async () => {
    const time = new FakeTime();
    const bucket = new TokenBucket(1000, time.clock, time.sleep, 0);
    await bucket.take(1000);
    const controller = new AbortController();
    const aborted = bucket.take(50_000, controller.signal).catch((error: unknown) => error);
    await time.settle();
    controller.abort(new Error("enough"));
    expect(await aborted).toMatchObject({ message: "enough" });
    const next = bucket.take(1);
    expect(time.delays).toEqual([1000, 1000]);
    await time.advance(1000);
    await next;
  });

  it("never waits without a limit", async () => {
    const time = new FakeTime();
    const bucket = new TokenBucket(Number.POSITIVE_INFINITY, time.clock, time.sleep);
    for (let index = 0; index < 10; index++) await bucket.take(2 ** 40);
    expect(time.delays).toEqual([]);
  });

  it.each([0, -1, Number.NaN])("refuses a rate of %s", (rate) => {
    const { clock, sleep } = new FakeTime();
    expect(() => new TokenBucket(rate, clock, sleep)).toThrow("maxUploadBytesPerSecond");
  });
});

describe("rate", () => {
  it("is that of the last seconds", async () => {
    const time = new FakeTime();
    const meter = new RateMeter(time.clock, 10_000);
    expect(meter.bytesPerSecond()).toBe(0);
    meter.add(4000);
    await time.advance(4000);
    expect(meter.bytesPerSecond()).toBe(1000);
    await time.advance(4000);
    meter.add(4000);
    expect(meter.bytesPerSecond()).toBe(1000);
    await time.advance(4000);
    expect(meter.bytesPerSecond()).toBe(1000);
    await time.advance(60_000);
    expect(meter.bytesPerSecond()).toBe(0);
  });

  it("does not shoot up from one sample", () => {
    const meter = new RateMeter(new FakeTime().clock);
    meter.add(500);
    expect(meter.bytesPerSecond()).toBe(500);
  });
});
