import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Savers } from "../../src/buffer/savers.ts";
import { SliceLog } from "../../src/buffer/slice-log.ts";
import { TransitionStore } from "../../src/buffer/transition-store.ts";
import { parseFields } from "../../src/schema/fields.ts";
import { layOut } from "../../src/schema/layouts.ts";
import type { LogLayout } from "../../src/schema/log-layout.ts";

const fields = {
  observation: { dtype: "uint8", shape: [8], frames: 8 },
  action: { dtype: "uint8", shape: [] },
} as const;

type Push = readonly [id: number, count: number];

function sliceLog(): SliceLog {
  const layout = layOut(parseFields(fields), 100)[2] as LogLayout;
  return new SliceLog(2, layout, { savers: new Savers(), makeRoom: () => false });
}

/** The slices of a window, as [start, count, step]. */
function slicesOf(pushes: readonly Push[], log: SliceLog = sliceLog()): number[][] {
  const first = log.begin();
  for (const [id, count] of pushes) log.push(id, count);
  log.end();
  return Array.from({ length: log.log.head - first }, (_, i) => {
    const { start, count, step } = log.log.blockOf(first + i);
    const place = (first + i) % log.log.rowsPerBlock;
    return [start, count, step].map((column) => column[place] as number);
  });
}

describe("windows as slices", () => {
  it.each<[string, readonly Push[], number[][]]>([
    [
      "frames one after another",
      [
        [7, 3],
        [10, 2],
        [12, 1],
      ],
      [[7, 6, 1]],
    ],
    [
      "every fourth frame",
      [
        [8, 1],
        [12, 1],
        [16, 1],
      ],
      [[8, 3, 4]],
    ],
    [
      "one frame again and again",
      [
        [5, 1],
        [5, 1],
        [5, 1],
      ],
      [[5, 3, 0]],
    ],
    [
      "newest first",
      [
        [9, 1],
        [8, 1],
        [7, 1],
      ],
      [[9, 3, -1]],
    ],
    [
      "old frames, then new ones",
      [
        [900, 4],
        [3, 2],
      ],
      [
        [900, 4, 1],
        [3, 2, 1],
      ],
    ],
    [
      "a frame before a run that it does not begin",
      [
        [2, 1],
        [20, 3],
      ],
      [
        [2, 1, 1],
        [20, 3, 1],
      ],
    ],
    [
      "a step that is as long as can be",
      [
        [0, 1],
        [32_767, 1],
      ],
      [[0, 2, 32_767]],
    ],
    [
      "a step that is too long",
      [
        [0, 1],
        [32_768, 1],
      ],
      [
        [0, 1, 1],
        [32_768, 1, 1],
      ],
    ],
    [
      "a step back that is too long",
      [
        [32_768, 1],
        [0, 1],
      ],
      [
        [32_768, 1, 1],
        [0, 1, 1],
      ],
    ],
    [
      "ids that begin anew",
      [
        [2 ** 32 - 1, 1],
        [0, 2],
      ],
      [
        [2 ** 32 - 1, 1, 1],
        [0, 2, 1],
      ],
    ],
    [
      "as many frames as a slice can have, and one more",
      [
        [0, 65_535],
        [65_535, 1],
      ],
      [
        [0, 65_535, 1],
        [65_535, 1, 1],
      ],
    ],
  ])("are few: %s", (_what, pushes, slices) => {
    expect(slicesOf(pushes)).toEqual(slices);
  });

  it("name the frames that were pushed, in their order, in 8 bytes for each at most", () => {
    const id = fc.oneof(fc.nat(12), fc.integer({ min: 2 ** 32 - 9, max: 2 ** 32 - 4 }), fc.constant(40_000));
    const pushes = fc.array(fc.tuple(id, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 60 });
    const log = sliceLog();
    fc.assert(
      fc.property(pushes, (list) => {
        const slices = slicesOf(list, log) as [number, number, number][];
        const named = slices.flatMap(([start, count, step]) =>
          Array.from({ length: count }, (_, i) => start + i * step),
        );
        const pushed = list.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i));
        expect(named).toEqual(pushed);
        expect(slices.length).toBeLessThanOrEqual(list.length);
      }),
    );
  });

  it("forget a window that was begun and not ended", () => {
    const log = sliceLog();
    log.begin();
    log.push(77, 1);
    expect(slicesOf([[5, 2]], log)).toEqual([[5, 2, 1]]);
  });

  it("take one slice each where many envs step together", () => {
    const capacity = 800;
    const store = new TransitionStore({ capacity, fields });
    const envs = 4;
    const window = (env: number, at: number): Uint8Array => Uint8Array.from({ length: 8 }, (_, i) => env * 60 + at + i);
    for (let at = 0; at < 50; at++) {
      for (let env = 0; env < envs; env++) {
        const moves = { observation: window(env, at), nextObservation: window(env, at + 1) };
        store.add({ ...moves, action: 0, reward: 0, terminated: false, truncated: false }, { env });
      }
    }
    const saver = store.attach({ sink: () => undefined });
    const [rows, , slices] = saver.snapshot().bounds;
    // The first windows of each env were stored one by one; then their frames take turns.
    expect((slices?.head ?? 0) / (rows?.head ?? 1)).toBeLessThan(4);
    expect(slicesPerRow(store, 190)).toBe(2);
  });
});

function slicesPerRow(store: TransitionStore<typeof fields>, row: number): number {
  const blocks = new Map<string, SharedArrayBuffer>();
  const segments = new Map<number, number>();
  store.attach({
    sink: (event) => {
      if (event.kind === "memory") blocks.set(`${event.log} ${event.block}`, event.memory);
      if (event.kind === "opened" && event.log === 0) segments.set(event.segment, event.block);
    },
  });
  const layout = store.describe().logs[0] as LogLayout;
  const column = layout.columns.find(({ name }) => name === "slices.observation");
  const first = (at: number): number => {
    const block = segments.get(Math.floor(at / layout.rowsPerBlock));
    const memory = blocks.get(`0 ${block}`) as SharedArrayBuffer;
    return new Uint32Array(memory, column?.offset, layout.rowsPerBlock)[at % layout.rowsPerBlock] as number;
  };
  return first(row + 1) - first(row);
}
