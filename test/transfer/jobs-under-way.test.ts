import { expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { TransferQueue, type TransferQueueOptions } from "../../src/transfer/transfer-queue.ts";
import { FakeTime } from "./fake-time.ts";

function setUp(options: TransferQueueOptions): { time: FakeTime; queue: TransferQueue } {
  const time = new FakeTime();
  const random = { uniform: () => 1 };
  return { time, queue: new TransferQueue({ clock: time.clock, sleep: time.sleep, random, ...options }) };
}

const offline = (): StoreError => new StoreError("network", "put", "x", "planned");

it("tells of each job under way what it has sent, how fast, and which try it is", async () => {
  const { time, queue } = setUp({ concurrency: 1 });
  const next = Promise.withResolvers<void>();
  const late = Promise.withResolvers<(bytes: number) => void>();
  queue.add({
    name: "a",
    bytes: 4000,
    run: async ({ number, sent }) => {
      if (number === 1) late.resolve(sent);
      sent(1000);
      if (number === 1) throw offline();
      await time.sleep(2000);
      sent(3000);
      await next.promise;
    },
  });
  queue.add({ name: "b", bytes: 6000, run: async () => undefined });
  await time.settle();
  const waiting = { name: "a", bytesDone: 0, bytesTotal: 4000, retries: 1 };
  expect(queue.jobs()).toEqual([{ ...waiting, bytesPerSecond: 1000, etaMs: 4000 }]);
  await time.advance(4000);
  (await late.promise)(4000);
  const rate = { bytesPerSecond: 1000, etaMs: 1000 };
  expect(queue.jobs()).toEqual([{ ...waiting, bytesDone: 3000, ...rate }]);
  // What is on its way has not arrived, and a try that was given up has no say any more.
  expect(queue.progress().bytesDone).toBe(0);
  await time.advance(60_000);
  expect(queue.jobs()).toEqual([{ ...waiting, bytesDone: 3000, bytesPerSecond: 0, etaMs: null }]);
  next.resolve();
  await time.settle();
  expect(queue.jobs()).toEqual([]);
});

it("takes what a job sends for no sign that it gets further", async () => {
  const policy = { attempts: 100, budgetMs: 5000, baseDelayMs: 100, maxDelayMs: 100 };
  const { time, queue } = setUp({ retry: policy });
  const tries: number[] = [];
  const transfer = queue.add({
    name: "refused",
    bytes: 1000,
    run: async ({ number, sent }) => {
      tries.push(number);
      sent(100 * number);
      await time.sleep(1000);
      throw offline();
    },
  });
  await time.advance(60_000);
  expect(transfer.phase).toBe("failed");
  expect(tries.length).toBeLessThan(6);
});
