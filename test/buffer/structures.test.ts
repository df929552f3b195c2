import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameTable } from "../../src/buffer/frame-table.ts";
import { SumTree } from "../../src/buffer/sum-tree.ts";

/** All ids with this hash. */
function idsOf(table: FrameTable, hash: number): number[] {
  const ids: number[] = [];
  for (let slot = table.firstSlot(hash); table.hashAt(slot) !== 0; slot = table.nextSlot(slot)) {
    if (table.hashAt(slot) === hash) ids.push(table.idAt(slot));
  }
  return ids.toSorted((a, b) => a - b);
}

describe("the table of frames", () => {
  it("finds what was put in and not taken out, also where hashes collide", () => {
    // Few hashes, in slots that are neighbours or wrap round the end of the smallest table of 64.
    const hash = fc.constantFrom(1, 2, 3, 62, 63, 64 + 63, 128 + 63, 2 ** 32 - 1);
    const ops = fc.array(fc.record({ hash, id: fc.nat(12), remove: fc.boolean() }), { maxLength: 200 });
    fc.assert(
      fc.property(ops, (list) => {
        const table = new FrameTable();
        const model = new Map<string, { hash: number; id: number }>();
        for (const { hash, id, remove } of list) {
          const key = `${hash}/${id}`;
          if (remove) {
            table.remove(hash, id);
            model.delete(key);
          } else if (!model.has(key)) {
            table.insert(hash, id);
            model.set(key, { hash, id });
          }
        }
        expect(table.size).toBe(model.size);
        for (const hash of new Set(list.map((entry) => entry.hash))) {
          const expected = [...model.values()].filter((entry) => entry.hash === hash).map(({ id }) => id);
          expect(idsOf(table, hash)).toEqual(expected.toSorted((a, b) => a - b));
        }
      }),
    );
  });
});

describe("the sum-tree", () => {
  it("finds for every sum the leaf at which the running total passes it", () => {
    const leaves = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(leaves, (values) => {
        const tree = new SumTree(values.length);
        for (const [leaf, value] of values.entries()) tree.set(leaf, value);
        const expected = values.flatMap((value, leaf) => new Array<number>(value).fill(leaf));
        expect(tree.total).toBe(expected.length);
        expect(expected.map((_, sum) => tree.find(sum + 0.5))).toEqual(expected);
      }),
    );
  });

  it("is bit-equal when it is rebuilt from its leaves, whatever was written before", () => {
    const writes = fc.array(fc.tuple(fc.nat(12), fc.double({ min: 1e-9, max: 1e9, noNaN: true })), { maxLength: 60 });
    fc.assert(
      fc.property(writes, (list) => {
        const written = new SumTree(13);
        for (const [leaf, value] of list) written.set(leaf, value);
        const rebuilt = new SumTree(13);
        rebuilt.setAll(Float64Array.from({ length: 13 }, (_, leaf) => written.get(leaf)));
        expect(Object.is(rebuilt.total, written.total)).toBe(true);
        for (const share of [0, 0.2, 0.77, 0.999999]) {
          expect(rebuilt.find(share * rebuilt.total)).toBe(written.find(share * written.total));
        }
      }),
    );
  });

  it("never finds an empty leaf, not even when rounding carries the sum to the end", () => {
    const tree = new SumTree(8);
    tree.set(2, 0.1);
    tree.set(5, 0.2);
    expect([0, 0.1, 0.30000000000000004, 5].map((sum) => tree.find(sum))).toEqual([2, 5, 5, 5]);
  });
});
