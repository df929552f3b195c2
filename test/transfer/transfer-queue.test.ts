import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { TokenBucket } from "../../src/transfer/bandwidth.ts";
import type { TransferJob } from "../../src/transfer/transfer.ts";
import { TransferQueue, type TransferQueueOptions } from "../../src/transfer/transfer-queue.ts";
import { FakeTime } from "./fake-time.ts";

function setUp(options: TransferQueueOptions = {}): { time: FakeTime; queue: TransferQueue } {
  const time = new FakeTime();
  const random = { uniform: () => 1 };
  return { time, queue: new TransferQueue({ clock: time.clock, sleep: time.sleep, random, ...options }) };
}

/** Jobs that run until they are let go, and tell in which order they began. */
class Gate {
  readonly begun: string[] = [];
  readonly #release: Map<string, () => void> = new Map();

  job(name: string, priority = 0, bytes = 10): TransferJob<string> {
    const run = async (): Promise<string> => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.#release.set(name, resolve));
      return name;
    };
    return { name, bytes, priority, run };
  }

  open(name: string): void {
    this.#release.get(name)?.();
  }
}

const offline = (): StoreError => new StoreError("network", "put", "x", "planned");

describe("order", () => {
  it("runs a few at a time, greater priority first, equal ones in order of arrival", async () => {
    const { time, queue } = setUp({ concurrency: 2 });
    const gate = new Gate();
    for (const [name, priority] of [
      ["a", 0],
      ["b", 0],
      ["c", 0],
      ["manifest", 9],
      ["d", 0],
      ["state", 5],
    ] as const) {
      queue.add(gate.job(name, priority));
    }
    await time.settle();
    expect(gate.begun).toEqual(["a", "b"]);
    for (const name of ["a", "b", "manifest", "state", "c"]) {
      gate.open(name);
      await time.settle();
    }
    expect(gate.begun).toEqual(["a", "b", "manifest", "state", "c", "d"]);
    expect(queue.progress()).toMatchObject({ running: 1, waiting: 0, finished: 5 });
  });

  it("runs four at a time by default", async () => {
    const { time, queue } = setUp();
    const gate = new Gate();
    for (let index = 0; index < 9; index++) queue.add(gate.job(String(index)));
    await time.settle();
    expect(gate.begun).toEqual(["0", "1", "2", "3"]);
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses a concurrency of %s", (concurrency) => {
    expect(() => new TransferQueue({ concurrency })).toThrow("concurrency");
  });

  it("begins nothing while it is paused", async () => {
    const { time, queue } = setUp();
    const gate = new Gate();
    queue.pause();
    queue.add(gate.job("a"));
    await time.settle();
    expect(gate.begun).toEqual([]);
    queue.resume();
    await time.settle();
    expect(gate.begun).toEqual(["a"]);
  });
});

describe("results", () => {
  it("hands on what the job resolves to", async () => {
    const { queue } = setUp();
    const transfer = queue.add({ name: "a", bytes: 5, run: async () => 42 });
    expect(await transfer.finished).toBe(42);
    expect(transfer).toMatchObject({ name: "a", bytes: 5, bytesDone: 5, phase: "finished", retries: 0 });
  });

  it("tries again from the beginning, with the same job", async () => {
    const { time, queue } = setUp();
    const store = withFaults(createMemoryStore(), [{ kind: "reject", method: "put", times: 2 }]);
    const seen: number[] = [];
    const transfer = queue.add({
      name: "a",
      bytes: 3,
      run: ({ number, signal }) => {
        seen.push(number);
        return store.put("a", new Uint8Array(3), { signal });
      },
    });
    await time.advance(10_000);
    expect(await transfer.finished).toBe(true);
    expect(seen).toEqual([1, 2, 3]);
    expect(transfer.retries).toBe(2);
    expect(queue.progress()).toMatchObject({ retries: 2, finished: 1, bytesDone: 3, bytesTotal: 3 });
  });

  it("rejects with the last error, and does not hold the others up", async () => {
    const { time, queue } = setUp({ retry: { attempts: 2 } });
    const bad = queue.add({ name: "bad", bytes: 7, run: () => Promise.reject(offline()) });
    const good = queue.add({ name: "good", bytes: 3, run: async () => "good" });
    await time.advance(1000);
    await expect(bad.finished).rejects.toMatchObject({ kind: "network" });
    expect(await good.finished).toBe("good");
    expect(bad.phase).toBe("failed");
    expect(queue.progress()).toMatchObject({ failed: 1, finished: 1, bytesDone: 3, bytesTotal: 3 });
  });

  it("never raises an unhandled rejection when nobody looks", async () => {
    const { time, queue } = setUp({ retry: { attempts: 1 } });
    queue.add({ name: "bad", bytes: 1, run: () => Promise.reject(offline()) });
    queue.add({
      name: "throws",
      bytes: 1,
      run: () => {
        throw new TypeError("a mistake");
      },
    });
    await queue.drain();
    await time.settle();
    expect(queue.progress().failed).toBe(2);
  });

  it("drains when everything has settled, however it ended", async () => {
    const { time, queue } = setUp();
    const gate = new Gate();
    queue.add(gate.job("a"));
    const events: string[] = [];
    const drain = queue.drain().finally(() => events.push("drained"));
    await time.settle();
    events.push("open");
    gate.open("a");
    await drain;
    await queue.drain();
    expect(events).toEqual(["open", "drained"]);
  });
});

describe("bandwidth and progress", () => {
  it("holds all jobs together to the rate, retries included", async () => {
    const { time, queue } = setUp({ maxBytesPerSecond: 1000 });
    const begun: [string, number][] = [];
    const job = (name: string, failures = 0): TransferJob<void> => ({
      name,
      bytes: 1000,
      run: async ({ number }) => {
        begun.push([name, time.nowMs]);
        if (number <= failures) throw offline();
      },
    });
    queue.add(job("a", 1));
    queue.add(job("b"));
    queue.add(job("c"));
    await time.advance(20_000);
    expect(begun).toEqual([
      ["a", 0],
      ["b", 750],
      ["c", 1750],
      ["a", 2750],
    ]);
  });

  it("tells bytes, rate and time to go, and takes back what a failed try had moved", async () => {
    const { time, queue } = setUp({ concurrency: 1 });
    const next = Promise.withResolvers<void>();
    queue.add({
      name: "a",
      bytes: 4000,
      run: async ({ number, report }) => {
        report(1000);
        if (number === 1) throw offline();
        await next.promise;
      },
    });
    queue.add({ name: "b", bytes: 6000, run: async () => undefined });
    await time.settle();
    expect(queue.progress()).toMatchObject({ bytesDone: 0, bytesTotal: 10_000, running: 1, waiting: 1, retries: 1 });
    await time.advance(4000);
    expect(queue.progress()).toMatchObject({ bytesDone: 1000, bytesPerSecond: 500, etaMs: 18_000 });
    next.resolve();
    await time.settle();
    expect(queue.progress()).toMatchObject({ bytesDone: 10_000, running: 0, waiting: 0, finished: 2, etaMs: 0 });
    await time.advance(60_000);
    expect(queue.progress()).toMatchObject({ bytesPerSecond: 0, etaMs: null });
  });

  it("gives up a try that stands still, and not one that is slow", async () => {
    const { time, queue } = setUp({ stallTimeoutMs: 1000 });
    const store = withFaults(createMemoryStore(), [{ kind: "stall", method: "put" }]);
    const stalled = queue.add({
      name: "stalled",
      bytes: 1,
      run: ({ signal }) => store.put("stalled", new Uint8Array(1), { signal }),
    });
    const deaf = queue.add({
      name: "deaf",
      bytes: 1,
      run: ({ number }) => (number === 1 ? new Promise<string>(() => undefined) : Promise.resolve("heard")),
    });
    const slow = queue.add({
      name: "slow",
      bytes: 10,
      run: async ({ number, report }) => {
        for (let done = 1; done <= 10; done++) {
          await time.sleep(900);
          report(done);
        }
        return number;
      },
    });
    await time.advance(20_000);
    expect(await stalled.finished).toBe(true);
    expect(await deaf.finished).toBe("heard");
    expect(await slow.finished).toBe(1);
    expect(queue.progress().retries).toBe(2);
    expect(time.sleeping).toBe(0);
  });
});

describe("cancelling", () => {
  it("rejects what waits and what runs, and stays usable", async () => {
    const { time, queue } = setUp({ concurrency: 1 });
    const gate = new Gate();
    const running = queue.add(gate.job("running"));
    const waiting = queue.add(gate.job("waiting"));
    await time.settle();
    queue.cancel(new Error("enough"));
    for (const transfer of [running, waiting]) {
      await expect(transfer.finished).rejects.toMatchObject({ code: "VARVE_STORE", kind: "aborted" });
      expect(transfer.phase).toBe("cancelled");
    }
    expect(gate.begun).toEqual(["running"]);
    expect(queue.progress()).toMatchObject({ cancelled: 2, running: 0, waiting: 0, bytesTotal: 0 });
    expect(await queue.add({ name: "next", bytes: 1, run: async () => "next" }).finished).toBe("next");
  });

  it("ends the wait for bandwidth and for a retry", async () => {
    const { time, queue } = setUp({ maxBytesPerSecond: 1, concurrency: 2 });
    const retrying = queue.add({ name: "a", bytes: 100, run: () => Promise.reject(offline()) });
    const throttled = queue.add({ name: "b", bytes: 100, run: async () => "b" });
    await time.settle();
    retrying.cancel();
    throttled.cancel();
    await expect(retrying.finished).rejects.toMatchObject({ kind: "aborted" });
    await expect(throttled.finished).rejects.toMatchObject({ kind: "aborted" });
    expect(time.sleeping).toBe(0);
  });

  it("heeds the job's own signal, also one that was aborted before", async () => {
    const { time, queue } = setUp();
    const gate = new Gate();
    const controller = new AbortController();
    const one = queue.add({ ...gate.job("one"), signal: controller.signal });
    const two = queue.add(gate.job("two"));
    await time.settle();
    controller.abort();
    const late = queue.add({ ...gate.job("late"), signal: controller.signal });
    await expect(one.finished).rejects.toMatchObject({ kind: "aborted" });
    await expect(late.finished).rejects.toMatchObject({ kind: "aborted" });
    gate.open("two");
    expect(await two.finished).toBe("two");
    expect(gate.begun).toEqual(["one", "two"]);
  });

  it("rejects a waiting job at once while the queue is paused", async () => {
    const { queue } = setUp();
    queue.pause();
    const transfer = queue.add(new Gate().job("a"));
    transfer.cancel();
    await expect(transfer.finished).rejects.toMatchObject({ kind: "aborted" });
  });
});

describe("room", () => {
  it("lets jobs in, in order, as bytes are finished; one that is too large goes alone", async () => {
    const { time, queue } = setUp({ maxQueuedBytes: 100 });
    const gate = new Gate();
    const entered: string[] = [];
    for (const [name, bytes] of [
      ["a", 60],
      ["b", 60],
      ["c", 10],
      ["huge", 1000],
      ["d", 1],
    ] as const) {
      void queue.addWhenRoom(gate.job(name, 0, bytes)).then(({ name: added }) => entered.push(added));
    }
    await time.settle();
    expect(entered).toEqual(["a"]);
    gate.open("a");
    await time.settle();
    expect(entered).toEqual(["a", "b", "c"]);
    gate.open("b");
    await time.settle();
    expect(entered).toEqual(["a", "b", "c"]);
    gate.open("c");
    await time.settle();
    expect(entered).toEqual(["a", "b", "c", "huge"]);
    gate.open("huge");
    await time.settle();
    expect(entered).toEqual(["a", "b", "c", "huge", "d"]);
  });

  it("lets the next in when one that waited gave up", async () => {
    const { time, queue } = setUp({ maxQueuedBytes: 100 });
    const gate = new Gate();
    const controller = new AbortController();
    await queue.addWhenRoom(gate.job("a", 0, 60));
    const outcome = queue
      .addWhenRoom({ ...gate.job("b", 0, 60), signal: controller.signal })
      .catch((error: unknown) => error);
    const small = queue.addWhenRoom(gate.job("c", 0, 40));
    await time.settle();
    controller.abort();
    expect(await outcome).toMatchObject({ kind: "aborted" });
    expect((await small).name).toBe("c");
  });
});

describe("draining with a deadline", () => {
  it("has done what was worth most when the time is up, and keeps the rest", async () => {
    const { time, queue } = setUp({ concurrency: 1, maxBytesPerSecond: 1000 });
    const sent: string[] = [];
    for (const [name, priority] of [
      ["rows 1", 0],
      ["rows 2", 0],
      ["state", 5],
      ["manifest", 9],
    ] as const) {
      queue.add({ name, bytes: 1000, priority, run: async () => sent.push(name) });
    }
    const drained = queue.drain({ timeoutMs: 2500 });
    await time.advance(2500);
    expect(await drained).toBe(false);
    // The first was under way when the others came.
    expect(sent).toEqual(["rows 1", "manifest", "state"]);
    expect(queue.progress()).toMatchObject({ finished: 3, running: 1 });
    const rest = queue.drain({ timeoutMs: 60_000 });
    await time.advance(2000);
    expect(await rest).toBe(true);
    expect(sent.at(-1)).toBe("rows 2");
    expect(time.sleeping).toBe(0);
  });

  it("ends with its signal, and never for a time without end", async () => {
    const { time, queue } = setUp();
    const gate = new Gate();
    queue.add(gate.job("a"));
    const controller = new AbortController();
    const drained = queue.drain({ timeoutMs: Number.POSITIVE_INFINITY, signal: controller.signal });
    await time.advance(10 ** 12);
    controller.abort();
    expect(await drained).toBe(false);
    gate.open("a");
    await time.settle();
    expect(await queue.drain({ timeoutMs: 0 })).toBe(true);
  });

  it("shares its limit with what is sent outside", async () => {
    const time = new FakeTime();
    const bandwidth = new TokenBucket(1000, time.clock, time.sleep, 0);
    const queue = new TransferQueue({ clock: time.clock, sleep: time.sleep, bandwidth, maxBytesPerSecond: 1e9 });
    const begun: number[] = [];
    await bandwidth.take(2000);
    queue.add({ name: "a", bytes: 10, run: async () => begun.push(time.nowMs) });
    await time.advance(5000);
    expect(begun).toEqual([2000]);
  });
});
