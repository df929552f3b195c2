import { describe, expect, it } from "vitest";
import type { TensorSource, ToSaver } from "../../src/checkpoint/messages.ts";
import { MAX_HOLDS, SharedStatus } from "../../src/checkpoint/shared-status.ts";
import { type CopiedTensors, StateArenas } from "../../src/checkpoint/state-arena.ts";

const MIB = 1024 * 1024;

/** Arenas whose saver is the test: it lets go of what a save holds when the test says so. */
function arenasOf(maxBytes: number, makeRoom: () => boolean = () => false) {
  const status = new SharedStatus();
  const memory = new Map<number, SharedArrayBuffer>();
  const posted: ToSaver[] = [];
  const post = (message: ToSaver): void => {
    posted.push(message);
    if (message.type === "arena") memory.set(message.id, message.memory);
  };
  const arenas = new StateArenas({ status, post, maxBytes, alwaysAdmitted: 2, makeRoom });
  let sequence = 0;
  return {
    arenas,
    save: (...tensors: Float32Array[]) => arenas.copy(tensors, ++sequence, 0),
    release: ({ hold }: CopiedTensors) => void (hold !== null && Atomics.store(status.holds, hold.slot, 0)),
    read: ({ memory: { id }, byteOffset, length }: TensorSource) => [
      ...new Float32Array(memory.get(id) as SharedArrayBuffer, byteOffset, length),
    ],
    allocations: () => posted.filter(({ type }) => type === "arena").length,
    totalBytes: () => [...memory.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

const filled = (bytes: number, value: number): Float32Array => new Float32Array(bytes / 4).fill(value);

describe("the pool of copied state", () => {
  it("lays small states of many saves behind one another, and none over one that is still read", () => {
    const { save, read, release, allocations } = arenasOf(256 * MIB);
    const saves = Array.from({ length: 300 }, (_, index) => save(filled(8, index), filled(40_000, -index)));
    for (const [index, { sources }] of saves.entries()) {
      const [first, second] = sources as [TensorSource, TensorSource];
      expect([read(first), new Set(read(second))]).toEqual([[index, index], new Set([-index])]);
    }
    // 12 MB in arenas of 4 MiB, and one that is ready for the next.
    expect(allocations()).toBeLessThanOrEqual(4);
    for (const each of saves) release(each);
    for (let index = 0; index < 5000; index++) release(save(filled(40_000, index)));
    expect(allocations()).toBeLessThanOrEqual(4);
  });

  it("uses an arena from its beginning only when the last of its readers is done", () => {
    const { save, read, release } = arenasOf(256 * MIB);
    const [first, second] = [save(filled(64, 1)), save(filled(64, 2))];
    release(first);
    const third = save(filled(64, 3));
    const places = [first, second, third].map(({ sources }) => {
      const { memory, byteOffset } = sources[0] as TensorSource;
      return [memory.id, byteOffset];
    });
    expect(places).toEqual([0, 64, 128].map((byteOffset) => [places[0]?.[0], byteOffset]));
    expect(read(second.sources[0] as TensorSource)).toEqual(new Array(16).fill(2));
    for (const each of [second, third]) release(each);
    expect(save(filled(64, 4)).sources[0]).toMatchObject({ memory: { id: places[0]?.[0] }, byteOffset: 0 });
  });

  it("is used again by large states, and grows to the limit and no further", () => {
    const { arenas, save, release, totalBytes } = arenasOf(64 * MIB);
    const waiting: CopiedTensors[] = [];
    let [refused, peakBytes] = [0, 0];
    for (let index = 0; index < 100; index++) {
      const copied = save(filled(8 * MIB, index));
      if (copied.hold === null) refused++;
      else waiting.push(copied);
      if (index % 2 === 0) release(waiting.shift() as CopiedTensors);
      peakBytes = Math.max(peakBytes, arenas.budget.heldBytes);
    }
    expect(refused).toBeGreaterThan(10);
    // The oldest is not counted: it is the one under way.
    expect(peakBytes).toBeLessThanOrEqual(64 * MIB + 9 * MIB);
    expect(totalBytes()).toBeLessThanOrEqual(64 * MIB + 2 * 8 * MIB);
  });

  it("has room for the save under way and one more, whatever their size", () => {
    const { save, release } = arenasOf(1 * MIB);
    const first = save(filled(6 * MIB, 1));
    expect([first.hold, save(filled(6 * MIB, 2)).hold]).not.toContain(null);
    expect(save(filled(1024, 3)).hold).toBeNull();
    release(first);
    expect(save(filled(1024, 4)).hold).not.toBeNull();
  });

  it("asks for room when so many saves wait that there is no number left, however small they are", () => {
    let asked = 0;
    const { save } = arenasOf(256 * MIB, () => ++asked < 0);
    for (let index = 0; index < MAX_HOLDS; index++) expect(save(filled(8, index)).hold).not.toBeNull();
    expect([save(filled(8, 0)).hold, asked]).toEqual([null, 1]);
  });
});
