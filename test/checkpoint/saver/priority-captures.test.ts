import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/base/hash.ts";
import { PriorityPages } from "../../../src/buffer/priority-pages.ts";
import { type Saver, Savers } from "../../../src/buffer/savers.ts";
import { type PriorityCapture, PriorityCaptures } from "../../../src/checkpoint/saver/priority-captures.ts";

const LEAVES = 9000;
const bounds = { bounds: [], meta: {} } as never;

interface World {
  readonly pages: PriorityPages;
  readonly saver: Saver;
  readonly captures: PriorityCaptures;
  /** What the leaves are now. */
  readonly model: Float64Array;
  write(leaf: number, value: number): void;
  /** Takes a snapshot and copies it at once. */
  capture(): PriorityCapture;
}

/** Leaves in three pages, the last of them short. */
function world(): World {
  const savers = new Savers();
  const pages = new PriorityPages(LEAVES, savers, () => 0);
  const saver = savers.attach({ sink: () => undefined }, (number) => ({ ...(bounds as object), number }) as never);
  const captures = new PriorityCaptures(pages.memory);
  const model = new Float64Array(LEAVES);
  const copy = (number: number): PriorityCapture => {
    const capture = captures.capture(number);
    Atomics.store(saver.captured, 0, number);
    return capture;
  };
  return {
    ...{ pages, saver, captures, model },
    write(leaf, value) {
      pages.write(leaf, value);
      model[leaf] = value;
    },
    capture: () => copy(saver.snapshot().number),
  };
}

function leavesOf(capture: PriorityCapture): number[] {
  return capture.tensors().flatMap((tensor) => {
    if (tensor.kind !== "tensor") return [];
    const { memory, byteOffset, length, sha256 } = tensor;
    expect(sha256Hex(new Uint8Array(memory, byteOffset, length * 8))).toBe(sha256);
    return [...new Float64Array(memory, byteOffset, length)];
  });
}

const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("write"), leaf: fc.nat(LEAVES - 1), value: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("capture") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release"), which: fc.nat(5) }) },
);

describe("captured priorities", () => {
  it("are those of their snapshot, whichever memory they come to lie in", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        const { model, write, capture } = world();
        const held: { readonly capture: PriorityCapture; readonly expected: number[] }[] = [];
        for (const step of steps) {
          if ("leaf" in step) write(step.leaf, step.value);
          else if ("which" in step) held.splice(step.which, 1)[0]?.capture.release();
          else held.push({ capture: capture(), expected: [...model] });
        }
        for (const { capture: each, expected } of held) expect(leavesOf(each)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("do not touch a page again to which nothing was written since", () => {
    const { pages, write, capture } = world();
    write(0, 1);
    const first = capture();
    first.tensors();
    first.release();
    // As only a test can: nobody is told.
    const live = new Float64Array(pages.memory.live);
    [live[5], live[4100], live[8500]] = [9, 9, 9];
    write(4097, 2);
    const second = leavesOf(capture());
    expect([second[0], second[5], second[4097], second[4100], second[8500]]).toEqual([1, 0, 2, 9, 0]);
  });

  it("have memory of their own as long as they are held, and give it back once", () => {
    const { write, capture } = world();
    write(7, 1);
    const first = capture();
    write(7, 2);
    const second = capture();
    expect([leavesOf(first)[7], leavesOf(second)[7]]).toEqual([1, 2]);
    first.release();
    first.release();
    write(7, 3);
    const [third, fourth] = [capture(), capture()];
    expect(third).toBe(first);
    expect(fourth).not.toBe(first);
    expect([leavesOf(second)[7], leavesOf(third)[7], leavesOf(fourth)[7]]).toEqual([2, 3, 3]);
  });

  it("come to lie where least has changed, and keep the memory of two", () => {
    const { capture } = world();
    const [a, b, c] = [capture(), capture(), capture()];
    for (const each of [c, a, b]) each.release();
    const again = [capture(), capture(), capture()];
    expect(again.map((each) => [a, b, c].indexOf(each))).toEqual([2, 1, -1]);
  });

  it("of a page that is written while it is read are those before", () => {
    const { pages, captures, saver, write } = world();
    write(4, 1);
    const first = saver.snapshot().number;
    captures.capture(first).release();
    Atomics.store(saver.captured, 0, first);
    const second = saver.snapshot().number;
    write(4, 2);
    expect(new Int32Array(pages.memory.written)[0]).toBe(second);
    expect(leavesOf(captures.capture(second))[4]).toBe(1);
  });

  it("hold what a page of a whole tree is written with", () => {
    const { pages, capture } = world();
    capture().release();
    const leaves = new Float64Array(LEAVES).map((_, leaf) => leaf);
    pages.writeAll(leaves);
    expect(leavesOf(capture())).toEqual([...leaves]);
  });
});
