import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import { addMoments, windowStore } from "./small-buffers.ts";

const image = { observation: { dtype: "uint8", shape: [4, 16, 16] }, action: { dtype: "uint8", shape: [] } } as const;

function addImages(store: TransitionStore<typeof image>, count: number, picture: (at: number) => number): void {
  const make = (at: number) => new Uint8Array(1024).map((_, i) => (picture(at) * 31 + i) % 251);
  for (let at = 0; at < count; at++) {
    store.add({
      observation: make(at),
      nextObservation: make(at + 1),
      action: 0,
      reward: 0,
      terminated: false,
      truncated: false,
    });
  }
}

describe("stats()", () => {
  it("tells rows, frames and bytes", () => {
    const store = windowStore({ capacity: 20, internal: {} });
    addMoments(store, 0, 25);
    expect(store.stats()).toMatchObject({
      size: 20,
      capacity: 20,
      utilization: 1,
      totalAdded: 25,
      // Moments 0..27: the first are still in a block with others that are needed.
      uniqueFrames: 28,
      // Two windows of 6 f32, action i32, reward f32, two flags: 2 × 24 + 4 + 4 + 2 bytes a row.
      logicalBytes: 20 * 58,
      pinnedBytes: 0,
      ignoredPriorityUpdates: 0,
      hint: null,
    });
  });

  it("counts all memory: blocks, tables, and with priorities tree and pages", () => {
    const plain = windowStore();
    const prioritized = windowStore({ prioritized: {} });
    for (const store of [plain, prioritized]) addMoments(store, 0, 30);
    // A tree of 2 × 32 nodes, live and shadow leaves of 20; of one page the tag, and when it was written.
    expect(prioritized.stats().residentBytes - plain.stats().residentBytes).toBe(64 * 8 + 2 * 20 * 8 + 2 * 4);
  });

  it("hints at frames where a large observation is stored in full every time", () => {
    const store = new TransitionStore({ capacity: 200, fields: image });
    addImages(store, 63, (at) => at);
    expect(store.stats().hint).toBeNull();
    addImages(store, 10, (at) => 100 + at);
    expect(store.stats().hint).toMatch(
      /^Every observation \(1024 bytes\) is stored in full: 1\.\d\d new ones .*frames: 4/,
    );
  });

  it("does not where observations recur, or where frames are declared", () => {
    const recurring = new TransitionStore({ capacity: 200, fields: image });
    addImages(recurring, 100, (at) => at % 10);
    expect(recurring.stats().hint).toBeNull();
    const declared = new TransitionStore({
      capacity: 200,
      fields: { ...image, observation: { ...image.observation, frames: 4 } },
    });
    addImages(declared, 100, (at) => at);
    expect(declared.stats().hint).toBeNull();
  });
});

describe("estimate()", () => {
  it("is not passed by a buffer of which no two frames are equal, and not far off", () => {
    const options = { capacity: 300, fields: image, prioritized: {} };
    const store = new TransitionStore(options);
    let frame = 0;
    const unique = () => new Uint32Array(256).fill((frame += 1)).map((n, i) => n * 2_654_435_761 + i);
    for (let i = 0; i < 1000; i++) {
      const [observation, nextObservation] = [new Uint8Array(unique().buffer), new Uint8Array(unique().buffer)];
      store.add({ observation, nextObservation, action: 0, reward: 0, terminated: false, truncated: false });
    }
    const estimate = TransitionStore.estimate(options);
    const { residentBytes, logicalBytes, uniqueFrames } = store.stats();
    expect(uniqueFrames).toBeGreaterThanOrEqual(600);
    expect(residentBytes).toBeLessThanOrEqual(estimate);
    expect(estimate).toBeLessThan(1.6 * logicalBytes);
  });

  it("grows with capacity, and refuses what the constructor refuses", () => {
    const estimate = (capacity: number) => TransitionStore.estimate({ capacity, fields: image });
    // Two images of 1,024 bytes a row, a sixteenth more for blocks at the ends that are not full, and tables.
    expect((estimate(20_000) - estimate(10_000)) / 10_000).toBeGreaterThan(2048);
    expect((estimate(20_000) - estimate(10_000)) / 10_000).toBeLessThan(2500);
    expect(() => estimate(0)).toThrow(expect.objectContaining({ argument: "capacity" }));
  });
});
