import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { StoreError, type StoreErrorKind } from "../../src/errors.ts";
import { DEFAULT_RETRY, type RetryContext, withRetry } from "../../src/transfer/retry.ts";
import { FakeTime } from "./fake-time.ts";

function failure(kind: StoreErrorKind = "network", extra: object = {}): StoreError {
  return Object.assign(new StoreError(kind, "put", "packs/1.pack", "planned"), extra);
}

function contextOf(time: FakeTime, overrides: Partial<RetryContext> = {}): RetryContext {
  const random = { uniform: () => 1 };
  return { policy: DEFAULT_RETRY, clock: time.clock, sleep: time.sleep, random, ...overrides };
}

/** Runs with a clock that moves on by itself as far as it has to. */
async function run<Result>(time: FakeTime, pending: Promise<Result>): Promise<Result> {
  const state = { settled: false };
  const watched = pending.finally(() => {
    state.settled = true;
  });
  watched.catch(() => undefined);
  await time.settle();
  while (!state.settled) await time.advance(1000);
  return watched;
}

function failingTimes(
  count: number,
  error: () => Error,
): { calls: number[]; operation: (attempt: number) => Promise<string> } {
  const calls: number[] = [];
  const operation = async (attempt: number): Promise<string> => {
    calls.push(attempt);
    if (calls.length <= count) throw error();
    return "done";
  };
  return { calls, operation };
}

describe("retries", () => {
  it("tries again what can help, with delays that double up to a limit", async () => {
    const time = new FakeTime();
    const { calls, operation } = failingTimes(7, () => failure());
    const policy = { ...DEFAULT_RETRY, maxDelayMs: 3000 };
    expect(await run(time, withRetry(operation, contextOf(time, { policy })))).toBe("done");
    expect(calls).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(time.delays).toEqual([200, 400, 800, 1600, 3000, 3000, 3000]);
  });

  it("begins its budget anew where the process itself stood still, once", async () => {
    const time = new FakeTime();
    const policy = { ...DEFAULT_RETRY, budgetMs: 10_000 };
    const { calls, operation } = failingTimes(9, () => failure());
    const standsStill = async (attempt: number): Promise<string> => {
      // In the first try, and then in the third.
      if (attempt === 1 || attempt === 3) time.nowMs += 60_000;
      return operation(attempt);
    };
    await expect(run(time, withRetry(standsStill, contextOf(time, { policy })))).rejects.toBeInstanceOf(StoreError);
    expect(calls).toEqual([1, 2, 3]);
  });

  it("draws each delay uniformly between nothing and its limit", async () => {
    const delays: number[] = [];
    const random = createRandom(1);
    for (let index = 0; index < 400; index++) {
      const time = new FakeTime();
      await run(time, withRetry(failingTimes(1, failure).operation, contextOf(time, { random })));
      delays.push(...time.delays);
    }
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
    expect(Math.min(...delays)).toBeLessThan(10);
    expect(Math.max(...delays)).toBeGreaterThan(190);
    expect(Math.abs(mean - 100)).toBeLessThan(10);
  });

  it("throws the last error as it is when the tries are used up", async () => {
    const time = new FakeTime();
    const errors = Array.from({ length: 3 }, () => failure());
    const { calls, operation } = failingTimes(3, () => errors[calls.length - 1] as Error);
    const policy = { ...DEFAULT_RETRY, attempts: 3 };
    await expect(run(time, withRetry(operation, contextOf(time, { policy })))).rejects.toBe(errors[2]);
    expect(calls).toHaveLength(3);
  });

  it.each<StoreErrorKind>(["not-found", "exists", "permission", "no-space", "too-large", "aborted", "unsupported"])(
    "does not try again after %s",
    async (kind) => {
      const time = new FakeTime();
      const { calls, operation } = failingTimes(1, () => failure(kind));
      await expect(withRetry(operation, contextOf(time))).rejects.toMatchObject({ kind });
      expect(calls).toHaveLength(1);
    },
  );

  it("lets a mistake in the program pass at once", async () => {
    const { calls, operation } = failingTimes(1, () => new TypeError("a mistake"));
    await expect(withRetry(operation, contextOf(new FakeTime()))).rejects.toBeInstanceOf(TypeError);
    expect(calls).toHaveLength(1);
  });

  it("waits at least as long as the server wishes", async () => {
    const time = new FakeTime();
    await run(
      time,
      withRetry(failingTimes(1, () => failure("busy", { retryAfterMs: 7000 })).operation, contextOf(time)),
    );
    expect(time.delays).toEqual([7000]);
  });

  it("gives up at once when the wish, or the next delay, goes beyond the budget", async () => {
    const time = new FakeTime();
    const policy = { ...DEFAULT_RETRY, budgetMs: 5000 };
    const wish = failingTimes(1, () => failure("busy", { retryAfterMs: 6000 }));
    await expect(withRetry(wish.operation, contextOf(time, { policy }))).rejects.toMatchObject({ kind: "busy" });
    expect(time.delays).toEqual([]);
    const slow = failingTimes(100, () => failure());
    await expect(run(time, withRetry(slow.operation, contextOf(time, { policy })))).rejects.toThrow("planned");
    expect(time.delays).toEqual([200, 400, 800, 1600]);
  });

  it("stops waiting when it is cancelled", async () => {
    const time = new FakeTime();
    const controller = new AbortController();
    const pending = withRetry(
      failingTimes(9, () => failure()).operation,
      contextOf(time, { signal: controller.signal }),
    );
    const outcome = pending.catch((error: unknown) => error);
    await time.settle();
    controller.abort(new Error("enough"));
    expect(await outcome).toMatchObject({ message: "enough" });
    expect(time.sleeping).toBe(0);
  });

  it("tells of each retry", async () => {
    const time = new FakeTime();
    const told: [string, number, number][] = [];
    const onRetry: RetryContext["onRetry"] = (error, attempt, delayMs) => told.push([error.kind, attempt, delayMs]);
    await run(time, withRetry(failingTimes(2, () => failure("timeout")).operation, contextOf(time, { onRetry })));
    expect(told).toEqual([
      ["timeout", 1, 200],
      ["timeout", 2, 400],
    ]);
  });
});
