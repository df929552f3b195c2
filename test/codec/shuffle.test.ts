import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ShuffleElementSize, shuffle, unshuffle } from "../../src/codec/shuffle.ts";

const elementSizes: readonly ShuffleElementSize[] = [2, 4, 8];

/** The definition, byte by byte. */
function shuffledByDefinition(bytes: Uint8Array, elementSize: number): number[] {
  const count = bytes.length / elementSize;
  return Array.from(bytes, (_, i) => bytes[(i % count) * elementSize + Math.floor(i / count)] as number);
}

/** A copy of the bytes that starts at an address with the given remainder modulo 8. */
function placedAt(bytes: Uint8Array, misalignment: number, shared: boolean): Uint8Array {
  const memory = shared ? new SharedArrayBuffer(bytes.length + 16) : new ArrayBuffer(bytes.length + 16);
  const view = new Uint8Array(memory, misalignment, bytes.length);
  view.set(bytes);
  return view;
}

const cases = fc.record({
  elementSize: fc.constantFrom(...elementSizes),
  count: fc.integer({ min: 0, max: 70 }),
  seed: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  sourceAt: fc.integer({ min: 0, max: 7 }),
  targetAt: fc.integer({ min: 0, max: 7 }),
  shared: fc.boolean(),
});

function bytesOf(seed: Uint8Array, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((seed[i % seed.length] as number) * 31 + i * 7) & 255);
}

describe("byte shuffle", () => {
  it("groups bytes of equal significance, whatever the count and the addresses", () => {
    fc.assert(
      fc.property(cases, ({ elementSize, count, seed, sourceAt, targetAt, shared }) => {
        const bytes = bytesOf(seed, count * elementSize);
        const target = placedAt(new Uint8Array(bytes.length), targetAt, shared);
        shuffle(placedAt(bytes, sourceAt, shared), elementSize, target);
        expect([...target]).toEqual(shuffledByDefinition(bytes, elementSize));
      }),
      { numRuns: 2000 },
    );
  });

  it("is undone exactly, and writes nothing beyond its target", () => {
    fc.assert(
      fc.property(cases, ({ elementSize, count, seed, sourceAt, targetAt, shared }) => {
        const bytes = bytesOf(seed, count * elementSize);
        const shuffled = new Uint8Array(bytes.length);
        shuffle(bytes, elementSize, shuffled);
        const target = placedAt(new Uint8Array(bytes.length), targetAt, shared);
        const memory = new Uint8Array(target.buffer);
        memory.fill(0xa5);
        unshuffle(placedAt(shuffled, sourceAt, shared), elementSize, target);
        expect([...target]).toEqual([...bytes]);
        expect(memory.subarray(0, targetAt).every((byte) => byte === 0xa5)).toBe(true);
        expect(memory.subarray(targetAt + bytes.length).every((byte) => byte === 0xa5)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("agrees with numcodecs on an example worked out by hand", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24, 31, 32, 33, 34);
    const target = new Uint8Array(16);
    shuffle(bytes, 4, target);
    expect([...target]).toEqual([1, 11, 21, 31, 2, 12, 22, 32, 3, 13, 23, 33, 4, 14, 24, 34]);
  });

  it("refuses lengths that are not whole elements, or differ", () => {
    expect(() => shuffle(new Uint8Array(6), 4, new Uint8Array(6))).toThrow(/multiple of 4/);
    expect(() => unshuffle(new Uint8Array(8), 4, new Uint8Array(12))).toThrow(/8 bytes long/);
  });
});
