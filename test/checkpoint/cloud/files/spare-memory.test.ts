import { describe, expect, it } from "vitest";
import { SpareMemory } from "../../../../src/checkpoint/cloud/files/spare-memory.ts";

const MIB = 2 ** 20;

describe("memory of what was sent", () => {
  it("is used again for what has about the same size, while another one is under way", () => {
    const memory = new SpareMemory();
    const [first, second] = [memory.take(3 * MIB), memory.take(3 * MIB)];
    expect(second.buffer).not.toBe(first.buffer);
    const kept = first.buffer;
    memory.giveBack(first);
    const third = memory.take(3 * MIB - 5);
    expect([third.buffer, third.byteOffset, third.length]).toEqual([kept, 0, 3 * MIB - 5]);
    expect(memory.take(8 * MIB).buffer.byteLength).toBe(8 * MIB);
  });

  it("is given back as soon as nothing is under way", () => {
    const memory = new SpareMemory();
    const [first, second] = [memory.take(MIB), memory.take(2 * MIB)];
    memory.giveBack(first);
    expect(first.length).toBe(MIB);
    memory.giveBack(second);
    expect([first.length, second.length]).toEqual([0, 0]);
  });

  it("is two pieces at most, and never more than are in use", () => {
    const memory = new SpareMemory();
    const taken = Array.from({ length: 6 }, () => memory.take(MIB));
    const lengths = () => taken.map(({ length }) => length);
    for (const bytes of taken.slice(0, 3)) memory.giveBack(bytes);
    expect(lengths()).toEqual([0, MIB, MIB, MIB, MIB, MIB]);
    for (const bytes of taken.slice(3, 5)) memory.giveBack(bytes);
    expect(lengths()).toEqual([0, 0, 0, 0, MIB, MIB]);
  });

  it("that could not be had is not counted as in use", () => {
    const memory = new SpareMemory();
    expect(() => memory.take(2 ** 60)).toThrow(RangeError);
    const bytes = memory.take(MIB);
    memory.giveBack(bytes);
    expect(bytes.length).toBe(0);
  });

  it("is not used again where a connection may still hold it", () => {
    const memory = new SpareMemory();
    memory.take(MIB);
    const failed = memory.take(MIB).fill(7);
    memory.drop();
    expect(memory.take(MIB).buffer).not.toBe(failed.buffer);
    expect(failed[MIB - 1]).toBe(7);
  });

  it("may be none at all", () => {
    const memory = new SpareMemory();
    const nothing = memory.take(0);
    expect(nothing.length).toBe(0);
    memory.giveBack(nothing);
  });
});
