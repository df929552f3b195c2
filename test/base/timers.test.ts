import { afterEach, describe, expect, it, vi } from "vitest";
import { systemSleep } from "../../src/base/timers.ts";

const DAY_MS = 24 * 3600 * 1000;

/** What has become of a sleep by now. */
function watch(sleep: Promise<void>): { readonly state: () => string } {
  let state = "asleep";
  sleep.then(
    () => {
      state = "awake";
    },
    (reason: unknown) => {
      state = String(reason);
    },
  );
  return { state: () => state };
}

describe("systemSleep", () => {
  afterEach(() => void vi.useRealTimers());

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 60 * DAY_MS, 1e12])("sleeps %d ms, and no less", async (delayMs) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const sleeper = watch(systemSleep(delayMs));
    await vi.advanceTimersByTimeAsync(delayMs - 1);
    expect(sleeper.state()).toBe("asleep");
    await vi.advanceTimersByTimeAsync(1);
    expect(sleeper.state()).toBe("awake");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("for ever is until it is aborted, and needs no timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const controller = new AbortController();
    const sleeper = watch(systemSleep(Number.POSITIVE_INFINITY, controller.signal));
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(100 * DAY_MS);
    expect(sleeper.state()).toBe("asleep");
    controller.abort("enough");
    await Promise.resolve();
    await Promise.resolve();
    expect(sleeper.state()).toBe("enough");
  });

  it("ends with the signal's own reason, at any moment of it, and leaves no timer behind", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    for (const atMs of [0, 10, 30 * DAY_MS]) {
      const controller = new AbortController();
      if (atMs === 0) controller.abort("at once");
      const sleeper = watch(systemSleep(60 * DAY_MS, controller.signal));
      await vi.advanceTimersByTimeAsync(atMs);
      controller.abort(`after ${atMs}`);
      await vi.advanceTimersByTimeAsync(0);
      expect(sleeper.state()).toBe(atMs === 0 ? "at once" : `after ${atMs}`);
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});
