import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyBytes } from "../../src/base/memory.ts";

const anyCopy = fc.record({
  bytes: fc.uint8Array({ maxLength: 300 }),
  before: fc.integer({ min: 0, max: 9 }),
  after: fc.integer({ min: 0, max: 9 }),
  fromShared: fc.boolean(),
  toShared: fc.boolean(),
});

function memory(length: number, isShared: boolean): Uint8Array {
  return new Uint8Array(isShared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
}

describe("copyBytes", () => {
  it("copies just these bytes, from and to shared memory and other", () => {
    fc.assert(
      fc.property(anyCopy, ({ bytes, before, after, fromShared, toShared }) => {
        const { length } = bytes;
        const source = memory(before + length, fromShared).subarray(before);
        source.set(bytes);
        const target = memory(before + length + after, toShared).fill(7);
        copyBytes(source, target.subarray(before, before + length));
        expect([...target]).toEqual([...Array(before).fill(7), ...bytes, ...Array(after).fill(7)]);
        expect([...source]).toEqual([...bytes]);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses a target of another length, which a shorter pattern would fill twice", () => {
    for (const length of [0, 1, 3]) {
      const target = memory(length, true);
      expect(() => copyBytes(Uint8Array.of(1, 2), target)).toThrow(RangeError);
      expect([...target]).toEqual(Array(length).fill(0));
    }
  });
});
