import { describe, expect, it } from "vitest";
import { materialise, SaverDouble } from "./saver-double.ts";
import { addMoments, windowStore } from "./small-buffers.ts";

/** The first observation value of every row of a snapshot: 0, 1, 2, … for rows added in order. */
function firstValues(saver: SaverDouble, snapshot: ReturnType<SaverDouble["snapshot"]>): (number | undefined)[] {
  return materialise(saver.read(snapshot), "observation").map((values) => values[0]);
}

const upTo20 = Array.from({ length: 20 }, (_, i) => i);

describe("rule 2: pins", () => {
  it("keeps what a snapshot covers until it is released, through many turnovers", () => {
    const store = windowStore({ capacity: 20 });
    const saver = new SaverDouble(store);
    addMoments(store, 0, 20);
    const snapshot = saver.snapshot();
    addMoments(store, 1000, 200);
    expect(firstValues(saver, snapshot)).toEqual(upTo20);
    expect(store.stats().pinnedBytes).toBeGreaterThan(0);
    const resident = store.stats().residentBytes;
    saver.release(store.totalAdded + 1000);
    expect(store.stats().pinnedBytes).toBe(0);
    addMoments(store, 2000, 200);
    expect(store.stats().residentBytes).toBe(resident);
  });

  it("is what keeps it: a saver that releases before it has read finds other rows", () => {
    const store = windowStore({ capacity: 20 });
    const saver = new SaverDouble(store);
    addMoments(store, 0, 20);
    const snapshot = saver.snapshot();
    saver.release(1_000_000);
    addMoments(store, 1000, 200);
    expect(() => expect(firstValues(saver, snapshot)).toEqual(upTo20)).toThrow();
  });

  it("makes retired blocks wait for a full notice too, and for every saver", () => {
    const store = windowStore({ capacity: 20 });
    const savers = [new SaverDouble(store), new SaverDouble(store)] as const;
    addMoments(store, 0, 60);
    const pinned = store.stats().pinnedBytes;
    expect(pinned).toBeGreaterThan(0);
    const newest = Math.max(...savers[0].events.map((event) => (event.kind === "full" ? event.number : 0))) + 1;
    savers[0].release(newest);
    expect(store.stats().pinnedBytes).toBe(pinned);
    savers[1].release(newest);
    expect(store.stats().pinnedBytes).toBe(0);
  });

  it("gives snapshots and full notices of all savers different, growing numbers", () => {
    const store = windowStore({ capacity: 20 });
    const savers = [new SaverDouble(store), new SaverDouble(store)] as const;
    const numbers: number[] = [];
    for (let i = 0; i < 5; i++) {
      addMoments(store, 20 * i, 20);
      numbers.push(savers[i % 2 === 0 ? 0 : 1].snapshot().number);
    }
    const all = savers.flatMap(({ events }) =>
      events.flatMap((event) => (event.kind === "full" ? [event.number] : [])),
    );
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(new Set([...numbers, ...all]).size).toBe(numbers.length + all.length);
  });

  it("gives a detached saver's holds up", () => {
    const store = windowStore({ capacity: 20 });
    const saver = new SaverDouble(store);
    addMoments(store, 0, 60);
    saver.attachment.detach();
    expect(store.stats().pinnedBytes).toBe(0);
  });

  it("reuses blocks at once where nobody is attached", () => {
    const store = windowStore({ capacity: 20 });
    addMoments(store, 0, 60);
    const resident = store.stats().residentBytes;
    addMoments(store, 60, 1000);
    expect(store.stats().residentBytes).toBe(resident);
  });
});

describe("rule 1: visibility", () => {
  it("announces a segment as full only after its last row is written", () => {
    const store = windowStore({ capacity: 20 });
    const seen: number[] = [];
    const { rowsPerBlock } = store.describe().logs[0] ?? { rowsPerBlock: 0 };
    store.attach({
      sink: (event) => {
        if (event.kind === "full" && event.log === 0) seen.push((event.segment + 1) * rowsPerBlock - store.totalAdded);
      },
    });
    addMoments(store, 0, 50);
    expect(seen.length).toBe(Math.floor(50 / rowsPerBlock));
    expect(new Set(seen)).toEqual(new Set([0]));
  });

  it("announces every memory once, and every segment before a snapshot covers it", () => {
    const store = windowStore({ capacity: 20 });
    addMoments(store, 0, 30);
    const saver = new SaverDouble(store);
    addMoments(store, 30, 30);
    const memories = saver.events.flatMap((event) => (event.kind === "memory" ? [`${event.log}/${event.block}`] : []));
    expect(new Set(memories).size).toBe(memories.length);
    expect(firstValues(saver, saver.snapshot())).toEqual(Array.from({ length: 20 }, (_, i) => 40 + i));
  });
});

describe("memory pressure", () => {
  it("asks the saver that pins too much, and uses what it lets go", () => {
    const store = windowStore({ capacity: 20 });
    const asked: number[] = [];
    const saver: SaverDouble = new SaverDouble(store, {
      maxPinnedBytes: 600,
      onPressure: (pinnedBytes) => {
        asked.push(pinnedBytes);
        saver.release(1_000_000);
      },
    });
    addMoments(store, 0, 20);
    saver.snapshot();
    addMoments(store, 20, 300);
    expect(asked.length).toBeGreaterThan(0);
    // A row may be the last of a block in each log, and those retire after room was made for it.
    const oneOfEach = store.describe().logs.reduce((sum, { blockBytes }) => sum + blockBytes, 0);
    expect(Math.max(...asked)).toBeLessThanOrEqual(600 + oneOfEach);
    expect(store.stats().pinnedBytes).toBeLessThanOrEqual(600 + oneOfEach);
  });

  it("goes on with more memory where the saver cannot help, and asks again next time", () => {
    const store = windowStore({ capacity: 20 });
    let asked = 0;
    const saver = new SaverDouble(store, { maxPinnedBytes: 200, onPressure: () => (asked += 1) });
    addMoments(store, 0, 20);
    const snapshot = saver.snapshot();
    addMoments(store, 1000, 60);
    expect(asked).toBeGreaterThan(3);
    expect(firstValues(saver, snapshot)).toEqual(upTo20);
  });
});

describe("rule 4: incarnation", () => {
  it("is new at construction and clear(), and ends attachments", () => {
    const ids = ["first", "second", "third"];
    const store = windowStore({ newId: () => ids.shift() ?? "none" });
    const saver = new SaverDouble(store);
    addMoments(store, 0, 10);
    const snapshot = saver.snapshot();
    expect(store.describe().incarnation).toBe("first");
    store.clear();
    expect(store.describe().incarnation).toBe("second");
    const heard = saver.events.length;
    addMoments(store, 50, 100);
    expect(saver.events.length).toBe(heard);
    expect(() => saver.snapshot()).toThrow(expect.objectContaining({ code: "VARVE_CLOSED" }));
    expect(firstValues(saver, snapshot)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("does not let indices from before clear() mean rows after it", () => {
    const store = windowStore({ prioritized: { alpha: 1 } });
    addMoments(store, 0, 10);
    const { indices } = store.sample(4);
    store.clear();
    addMoments(store, 0, 10);
    store.updatePriorities(indices, [9, 9, 9, 9]);
    expect(store.stats().ignoredPriorityUpdates).toBe(4);
    expect([store.size, store.totalAdded]).toEqual([10, 20]);
  });
});
