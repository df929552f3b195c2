import { expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { BlockedTime } from "../../src/checkpoint/blocked-time.ts";
import { startLink, watchThreads } from "./link-of-test.ts";

it.each([false, true])("a saver without a heartbeat ends the wait for memory; asking again: %s", async (asks) => {
  const threads = watchThreads();
  const link = startLink();
  while (link.status.get("heartbeat") <= 2) await new Promise((resolve) => setTimeout(resolve, 5));
  void threads[0]?.terminate();
  const blocked = new BlockedTime(systemClock, () => undefined);
  const from = performance.now();
  const isDone = (): boolean => performance.now() - from > 6_000; // the test itself must end
  blocked.waitForMemory(() => {
    do {
      link.waitUntil(isDone, asks ? 100 : Number.POSITIVE_INFINITY);
    } while (!isDone() && link.isRunning);
  });
  expect(performance.now() - from).toBeLessThan(4_000);
  expect(link.isRunning).toBe(false);
});
