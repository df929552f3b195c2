import type { Worker } from "node:worker_threads";
import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { BlockedTime } from "../../src/checkpoint/blocked-time.ts";
import { SaverLink } from "../../src/checkpoint/saver-link.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";

it.each([false, true])("a saver without a heartbeat ends the wait for memory; asking again: %s", async (asks) => {
  const threads: Worker[] = [];
  const note = (worker: Worker): void => void threads.push(worker);
  process.on("worker", note);
  onTestFinished(() => void process.off("worker", note));
  const link = new SaverLink(
    {
      ...{ store: null, local: null, readOnly: false, onBacklog: "queue", concurrency: 1, writer: null },
      ...{ maxUploadBytesPerSecond: null, maxPinnedBytes: 1 },
      retention: { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 },
    },
    new SharedStatus(),
    [],
    {
      ...{ heartbeatLimitMs: 300, canWaitForSaves: true },
      onMessage: () => undefined,
      isAwaited: () => false,
      onCrash: () => undefined,
    },
  );
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
