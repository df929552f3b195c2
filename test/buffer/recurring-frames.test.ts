import { describe, expect, it } from "vitest";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import { SaverDouble } from "./saver-double.ts";
import { addMoments, windowAt, windowStore } from "./small-buffers.ts";

/** Adds rows whose first frame is always the same one, and whose others are new. */
function addWithAnchor(store: ReturnType<typeof windowStore>, from: number, count: number): void {
  for (let at = from; at < from + 2 * count; at += 2) {
    store.add({
      observation: windowAt([-1, at, at + 1]),
      nextObservation: windowAt([-1, at + 1, at + 2]),
      action: store.totalAdded,
      reward: 0,
      terminated: false,
      truncated: false,
    });
  }
}

function frameBounds(store: ReturnType<typeof windowStore>) {
  const saver = new SaverDouble(store);
  const bounds = saver.snapshot().bounds[1] ?? { tail: 0, head: 0 };
  saver.attachment.detach();
  return bounds;
}

describe("rule 5: guesses take living, open frames; a frame that recurs for ever", () => {
  it("keeps no old block: frames in [tail, head) stay within two turnovers of the buffer", () => {
    const store = windowStore({ capacity: 20 });
    for (let turn = 0; turn < 40; turn++) {
      addWithAnchor(store, 100 * turn, 20);
      const { tail, head } = frameBounds(store);
      // 2 new frames a row at most, plus one for the first, two turnovers of 20 rows, and blocks of 15 at both ends.
      expect(head - tail).toBeLessThanOrEqual(2 * 20 * 2 + 2 + 30);
    }
    expect(store.stats().residentBytes).toBeLessThan(6000);
  });

  it("is stored again about once a turnover, not once a transition", () => {
    const store = windowStore({ capacity: 20, internal: { blockBytes: 4000 } });
    const observation = windowAt([7, 7, 7]);
    for (let i = 0; i < 400; i++) {
      store.add({
        observation,
        nextObservation: observation,
        action: i,
        reward: 0,
        terminated: false,
        truncated: false,
      });
    }
    // 400 transitions are 20 turnovers; the one frame there is was stored once in each.
    expect(frameBounds(store).head).toBe(20);
  });

  it("does not run out of ids: they wrap at 2^32 and windows read the same", () => {
    const store = windowStore({ capacity: 20, internal: { blockBytes: 120, firstFrame: 2 ** 32 - 31 } });
    addWithAnchor(store, 0, 60);
    const { tail, head } = frameBounds(store);
    expect(head).toBeGreaterThan(2 ** 32);
    expect(tail).toBeGreaterThan(2 ** 32 - 31);
    const rows = store.readRows(40, 60);
    for (let i = 0; i < 20; i++) {
      const at = 2 * (40 + i);
      expect(rows.observation.slice(6 * i, 6 * i + 6)).toEqual(windowAt([-1, at, at + 1]));
      expect(rows.nextObservation.slice(6 * i, 6 * i + 6)).toEqual(windowAt([-1, at + 1, at + 2]));
    }
  });

  it("is referenced across the wrap itself while it is open to reuse", () => {
    const store = windowStore({ capacity: 20, internal: { blockBytes: 120, firstFrame: 2 ** 32 - 4 } });
    addMoments(store, 0, 6);
    addMoments(store, 0, 6);
    const { tail, head } = frameBounds(store);
    expect([tail, head]).toEqual([2 ** 32 - 4, 2 ** 32 + 5]);
    const { from, to } = store.rowRange();
    expect([...store.readRows(from, to).observation.slice(36, 42)]).toEqual([0, 0.5, 1, 1.5, 2, 2.5]);
  });
});

describe("sharing", () => {
  it("is confirmed byte for byte: of 200,000 frames several have the same 32 bits of hash, and none is taken for another", () => {
    const fields = {
      observation: { dtype: "uint32", shape: [1], frames: 1 },
      action: { dtype: "uint8", shape: [] },
    } as const;
    const count = 100_000;
    const store = new TransitionStore({ capacity: count, fields });
    for (let i = 0; i < count; i++) {
      const observation = Uint32Array.of(2 * i);
      const nextObservation = Uint32Array.of(2 * i + 1);
      store.add({ observation, nextObservation, action: 0, reward: 0, terminated: false, truncated: false });
    }
    const { observation, nextObservation } = store.readRows(0, count);
    expect(observation.findIndex((value, i) => value !== 2 * i)).toBe(-1);
    expect(nextObservation.findIndex((value, i) => value !== 2 * i + 1)).toBe(-1);
    expect(store.stats().uniqueFrames).toBe(200_000);
  });

  it("stores each day of a market once, however many episodes look at it", () => {
    const store = windowStore({ capacity: 200 });
    for (let episode = 0; episode < 10; episode++) addMoments(store, 5 * (episode % 4), 20);
    // Days 0..37 are seen: starts at 0, 5, 10, 15, twenty steps each, windows of three and the next one.
    expect(store.stats().uniqueFrames).toBe(38);
  });

  it("does not depend on the env number", () => {
    const fields = {
      observation: { dtype: "uint8", shape: [2, 2], frames: 2 },
      action: { dtype: "uint8", shape: [] },
    } as const;
    const store = new TransitionStore({ capacity: 50, fields });
    for (let i = 0; i < 10; i++) {
      const observation = Uint8Array.of(i, 0, i + 1, 0);
      const nextObservation = Uint8Array.of(i + 1, 0, i + 2, 0);
      store.add(
        { observation, nextObservation, action: 0, reward: 0, terminated: false, truncated: false },
        { env: 7 * i },
      );
    }
    expect(store.stats().uniqueFrames).toBe(12);
  });
});
