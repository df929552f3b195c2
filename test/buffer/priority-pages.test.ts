import { describe, expect, it } from "vitest";
import type { PriorityPagesMemory } from "../../src/buffer/contract.ts";
import { capturePriorityPage, pageRange } from "../../src/buffer/priority-pages.ts";
import { capturePriorities, SaverDouble } from "./saver-double.ts";
import { addNumbers, inlineStore } from "./small-buffers.ts";

const ROWS = 10_000;

/** 10,000 rows of priority 1, in three pages. */
function fullStore(): ReturnType<typeof inlineStore> {
  const store = inlineStore(ROWS, { alpha: 1 });
  addNumbers(store, ROWS);
  return store;
}

function setAll(store: ReturnType<typeof inlineStore>, rows: readonly number[], priority: number): void {
  store.updatePriorities(
    rows,
    rows.map(() => priority - 1e-6),
  );
}

type PageReader = (pages: PriorityPagesMemory, page: number, snapshot: number) => number[];

const readPage: PageReader = (pages, page, snapshot) => {
  const out = new Float64Array(pages.leavesPerPage);
  return [...out.subarray(0, capturePriorityPage(pages, page, snapshot, out))];
};

/** What a reader that knows nothing of shadows would do. */
const readLiveOnly: PageReader = (pages, page) => {
  const [from, to] = pageRange(pages, page);
  return [...new Float64Array(pages.live).subarray(from, to)];
};

/** Reads the pages of a snapshot while training goes on writing between one page and the next. */
function captureWhileWriting(read: PageReader): Set<number> {
  const store = fullStore();
  const saver = new SaverDouble(store);
  const { number } = saver.snapshot();
  const pages = store.describe().prioritized?.pages as PriorityPagesMemory;
  const seen = new Set<number>();
  for (let page = 0; page < 3; page++) {
    setAll(store, [0, 4095, 4096, 8191, 8192, 9999], 2 + page);
    for (const leaf of read(pages, page, number)) seen.add(leaf);
    setAll(store, [1, 4097, 8193], 20 + page);
  }
  return seen;
}

describe("priority pages", () => {
  it("read as they were at the snapshot, whatever is written meanwhile", () => {
    expect(captureWhileWriting(readPage)).toEqual(new Set([1]));
  });

  it("are what makes it so: a reader of the live leaves sees later writes", () => {
    expect(captureWhileWriting(readLiveOnly)).not.toEqual(new Set([1]));
  });

  it("serve two savers with snapshots of different moments", () => {
    const store = fullStore();
    const early = new SaverDouble(store, { onCaptureWait: undefined });
    const late = new SaverDouble(store, { onCaptureWait: undefined });
    const pages = store.describe().prioritized?.pages as PriorityPagesMemory;
    const first = early.snapshot().number;
    setAll(store, [5], 3);
    const second = late.snapshot().number;
    // Page 0 was written between the two, page 1 is written after both only.
    setAll(store, [5000], 4);
    const [ofFirst, ofSecond] = [capturePriorities(pages, first), capturePriorities(pages, second)];
    expect([ofFirst[5], ofFirst[5000]]).toEqual([1, 1]);
    expect([ofSecond[5], ofSecond[5000]]).toEqual([expect.closeTo(3, 9), 1]);
  });

  it("wait for the capture of an earlier snapshot before its shadow is used again", () => {
    const store = fullStore();
    const saver = new SaverDouble(store);
    const first = saver.snapshot();
    setAll(store, [5], 3);
    const second = saver.snapshot();
    expect(saver.captureWaits).toBe(0);
    setAll(store, [6], 4);
    expect(saver.captureWaits).toBe(1);
    const leaves = [saver.read(first).leaves, saver.read(second).leaves];
    expect(leaves.map((of) => [of?.[5], of?.[6]])).toEqual([
      [1, 1],
      [expect.closeTo(3, 9), 1],
    ]);
  });

  it("stop waiting for a saver that is detached because it is dead", () => {
    const store = fullStore();
    const waited: number[] = [];
    const saver: SaverDouble = new SaverDouble(store, {
      onCaptureWait: (waitedMs) => {
        waited.push(waitedMs);
        if (waited.length === 3) saver.attachment.detach();
      },
    });
    saver.snapshot();
    setAll(store, [5], 3);
    saver.snapshot();
    setAll(store, [5], 4);
    expect(waited).toEqual([50, 100, 150]);
  });

  it("do not count full notices as snapshots", () => {
    const store = inlineStore(20, { alpha: 1 });
    const saver = new SaverDouble(store, { onCaptureWait: () => expect.unreachable("there is nothing to capture") });
    addNumbers(store, 200);
    expect(saver.events.some(({ kind }) => kind === "full")).toBe(true);
    expect(saver.captureWaits).toBe(0);
  });

  it("are captured as they were also where every row was replaced since", () => {
    const store = fullStore();
    const saver = new SaverDouble(store);
    setAll(store, [3], 7);
    const snapshot = saver.snapshot();
    addNumbers(store, ROWS);
    const { leaves } = saver.read(snapshot);
    expect(leaves?.reduce((sum, leaf) => sum + leaf, 0)).toBeCloseTo(ROWS - 1 + 7, 6);
    expect(leaves?.[3]).toBeCloseTo(7, 9);
  });
});
