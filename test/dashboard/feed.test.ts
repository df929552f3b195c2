import { describe, expect, test, vi } from "vitest";
import type { Sleep } from "../../src/base/timers.ts";
import { eventStream } from "../../src/dashboard/event-stream.ts";
import { RecordPost } from "../../src/dashboard/record-post.ts";
import { RunFeed } from "../../src/dashboard/run-feed.ts";
import type { RunRecord } from "../../src/record/run-record.ts";
import { END, generation, START, status } from "../record/sample-records.ts";

const parsed = (texts: readonly string[]): RunRecord[] => texts.map((text) => JSON.parse(text) as RunRecord);

describe("what is kept of a run", () => {
  test("is told from the beginning to each reader, with the newest status alone", () => {
    const feed = new RunFeed();
    feed.add([START, status({}, 1), generation(1), status({}, 2)]);
    const reader = feed.start();
    expect(parsed(feed.take(reader, 100))).toEqual([START, generation(1), status({}, 2)]);
    expect(feed.take(reader, 100)).toEqual([]);
    feed.add([status({}, 3), status({}, 4), generation(2)]);
    expect(parsed(feed.take(reader, 100))).toEqual([generation(2), status({}, 4)]);
  });

  test("is told in parts, the newest status only when a reader has caught up", () => {
    const feed = new RunFeed();
    feed.add([START, ...Array.from({ length: 9 }, (_, i) => generation(i + 1)), status()]);
    const reader = feed.start();
    const parts = [1, 2, 3, 4].map(() => parsed(feed.take(reader, 5)).map(({ event }) => event));
    expect(parts.map(({ length }) => length)).toEqual([5, 5, 1, 0]);
    expect(parts[2]).toEqual(["status"]);
  });

  test("has a bound: the oldest go, the settings stay, and it is said; a reader that was behind begins anew", () => {
    const feed = new RunFeed(20_000);
    const reader = feed.start();
    feed.add([START]);
    for (let i = 1; i <= 200; i++) feed.add([generation(i)]);
    expect(feed.hasLost(reader)).toBe(true);
    const again = parsed(feed.take(feed.start(), 1000));
    expect(again.length).toBeLessThan(50);
    expect(again[0]).toEqual(START);
    expect(again[1]).toMatchObject({ event: "warning", message: expect.stringMatching(/first 1\d\d records are not/) });
    expect(again.at(-1)).toEqual(generation(200));
    expect(feed.hasLost(feed.start())).toBe(false);
  });

  test("of a process that begins, nothing is shown of the status of the one before", () => {
    const feed = new RunFeed();
    feed.add([START, status(), START]);
    expect(parsed(feed.take(feed.start(), 100))).toEqual([START, START]);
  });
});

describe("records for a thread that does not keep up", () => {
  const taken = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

  test("are left out from a bound on, which is said once there is room again", () => {
    const sent: RunRecord[] = [];
    const count = taken();
    const post = new RecordPost(count, (record) => sent.push(record));
    for (let i = 1; i <= 10_005; i++) post.post(generation(i));
    expect(sent).toHaveLength(10_000);
    Atomics.store(count, 0, 5000);
    post.post(generation(10_006));
    expect(sent.slice(10_000)).toEqual([
      { event: "warning", atMs: 10_006_000, message: expect.stringContaining("5 records are not shown") },
      generation(10_006),
    ]);
  });

  test("leave out what is soon told anew long before", () => {
    const sent: RunRecord[] = [];
    const post = new RecordPost(taken(), (record) => sent.push(record));
    for (let i = 0; i < 500; i++) post.post(status());
    post.post(END);
    expect([sent.length, sent.at(-1)]).toEqual([101, END]);
  });

  test("are all posted to a thread that keeps up", () => {
    const sent: RunRecord[] = [];
    const count = taken();
    const post = new RecordPost(count, (record) => sent.push(record));
    for (let i = 0; i < 300; i++) {
      post.post(status());
      Atomics.add(count, 0, 1);
    }
    expect(sent).toHaveLength(300);
  });
});

/** Sleeps that a test ends by their length. */
function controlledSleep() {
  const sleeping = new Set<{ readonly delayMs: number; readonly wake: () => void }>();
  const sleep: Sleep = (delayMs, signal) =>
    new Promise((resolve, reject) => {
      const entry = { delayMs, wake: resolve };
      sleeping.add(entry);
      signal?.addEventListener("abort", () => {
        sleeping.delete(entry);
        reject(signal.reason as Error);
      });
    });
  const wake = (delayMs: number): void => {
    for (const entry of sleeping) if (entry.delayMs === delayMs) entry.wake();
  };
  return { sleep, wake, lengths: (): number[] => [...sleeping].map(({ delayMs }) => delayMs) };
}

function streamOf(feed: RunFeed) {
  const time = controlledSleep();
  const closing = new AbortController();
  const [drop, onEnd] = [vi.fn<() => void>(), vi.fn<() => void>()];
  const reader = eventStream(feed, { sleep: time.sleep, signal: closing.signal, drop, onEnd }).getReader();
  const next = async (): Promise<string | null> => {
    const { value } = await reader.read();
    return value === undefined ? null : new TextDecoder().decode(value);
  };
  return { feed, time, closing, drop, onEnd, reader, next };
}

describe("a stream of events", () => {
  test("says ready once everything that there was is told, and keeps a silent connection open", async () => {
    const feed = new RunFeed();
    feed.add([START]);
    const { next, time, drop } = streamOf(feed);
    expect(await next()).toBe("event: reset\ndata: {}\n\n");
    expect(await next()).toBe(`event: records\ndata: [${JSON.stringify(START)}]\n\n`);
    const ready = next();
    feed.ready();
    expect(await ready).toBe("event: ready\ndata: {}\n\n");
    const silence = next();
    await vi.waitFor(() => expect(time.lengths()).toEqual([15_000]));
    time.wake(15_000);
    expect(await silence).toMatch(/^: .*\n\n$/);
    expect(drop).not.toHaveBeenCalled();
  });

  test("makes nothing for a reader that takes nothing, and drops it", async () => {
    const feed = new RunFeed();
    const { next, time, drop, onEnd } = streamOf(feed);
    await next();
    const take = vi.spyOn(feed, "take");
    for (let i = 1; i <= 1000; i++) feed.add([generation(i)]);
    expect(time.lengths()).toEqual([30_000]);
    time.wake(30_000);
    await vi.waitFor(() => expect(drop).toHaveBeenCalledTimes(1));
    expect(onEnd).toHaveBeenCalledTimes(1);
    expect(take).not.toHaveBeenCalled();
  });

  test("ends for its reader when the server closes, everything told, and for the server when the reader goes, once each", async () => {
    const first = streamOf(new RunFeed());
    await first.next();
    const end = first.next();
    first.feed.add([START, END]);
    first.closing.abort();
    expect(await end).toContain('"event":"end"');
    expect(await first.next()).toBeNull();
    expect(first.onEnd).toHaveBeenCalledTimes(1);
    const second = streamOf(new RunFeed());
    await second.next();
    const waiting = second.next();
    await second.reader.cancel();
    expect(await waiting).toBeNull();
    expect(second.onEnd).toHaveBeenCalledTimes(1);
    expect(second.time.lengths()).toEqual([]);
  });
});
