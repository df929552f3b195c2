import { describe, expect, it, onTestFinished } from "vitest";
import { EndGate } from "../../../src/base/end-gate.ts";
import { Decoders } from "../../../src/checkpoint/saver/decoders.ts";
import type { PackInMemory } from "../../../src/checkpoint/saver/pack-reader.ts";
import type { SectionEntry } from "../../../src/codec/contract.ts";
import { buildPack } from "../../../src/codec/pack.ts";
import { readPackIndex } from "../../../src/codec/pack-index.ts";
import { encodeSection } from "../../../src/codec/section.ts";
import { createRandom, ReplayBuffer, stateHash } from "../../../src/index.ts";
import { open, temporaryFolder } from "../support.ts";

const fields = {
  observation: {
    sensors: { dtype: "float32", shape: [24] },
    image: { dtype: "uint8", shape: [4, 32, 32], frames: 4 },
  },
  action: { dtype: "float32", shape: [4] },
} as const;

/** Beyond what the saver decodes by itself. */
const ROWS = 56_000;

type BulkBuffer = ReplayBuffer<typeof fields>;

function bulkBuffer(): BulkBuffer {
  return new ReplayBuffer({ capacity: ROWS, seed: 7, fields });
}

/** Bytes that no codec makes smaller: several packs of them. */
function noiseOf(bytes: number): Uint8Array {
  const random = createRandom(3);
  const words = Uint32Array.from({ length: bytes / 4 }, () => random.int(2 ** 32));
  return new Uint8Array(words.buffer);
}

function filled(): BulkBuffer {
  const buffer = bulkBuffer();
  const noise = noiseOf(1 << 24);
  const [sensors, nextSensors] = [new Float32Array(24), new Float32Array(24)];
  const image = (row: number): Uint8Array => {
    const stack = new Uint8Array(4096);
    for (let frame = 0; frame < 4; frame++) {
      const at = ((row + frame) * 1024) % noise.length;
      stack.set(noise.subarray(at, at + 1024), frame * 1024);
      stack[frame * 1024] = (row + frame) & 255;
      stack[frame * 1024 + 1] = (row + frame) >> 8;
    }
    return stack;
  };
  for (let row = 0; row < ROWS + 1000; row++) {
    sensors.fill(row);
    nextSensors.fill(row % 50 === 49 ? -row : row + 1);
    buffer.add({
      observation: { sensors, image: image(row) },
      nextObservation: { sensors: nextSensors, image: image(row + 1) },
      action: Float32Array.of(row, -row, 1 / (row + 1), 0),
      reward: row,
      terminated: row % 50 === 49,
      truncated: false,
    });
  }
  return buffer;
}

describe("much to restore", () => {
  it("comes back as it was saved, decoded by threads of their own", { timeout: 180_000 }, async () => {
    const folder = await temporaryFolder();
    const saved = filled();
    const writer = await open({ store: folder });
    await writer.save({ step: 1, buffer: saved }).committed;
    const reader = await open({ store: folder, readOnly: true });
    const restored = bulkBuffer();
    const done: number[] = [];
    await reader.restore({ buffer: restored, onProgress: ({ bytesDone }) => done.push(bytesDone) });
    expect(stateHash({ buffer: restored })).toBe(stateHash({ buffer: saved }));
    expect(done.length).toBeGreaterThan(1);

    // Two at once: the threads are those of one of them.
    const twins = [bulkBuffer(), bulkBuffer()];
    await Promise.all(twins.map((buffer) => reader.restore({ buffer })));
    for (const buffer of twins) expect(stateHash({ buffer })).toBe(stateHash({ buffer: saved }));

    // Given up in the middle, the buffer holds nothing, and the next try does it all.
    const abort = new AbortController();
    const second = bulkBuffer();
    const halfway = reader.restore({ buffer: second, signal: abort.signal, onProgress: () => abort.abort() });
    await expect(halfway).rejects.toThrow();
    expect(second.size).toBe(0);
    await reader.restore({ buffer: second });
    expect(stateHash({ buffer: second })).toBe(stateHash({ buffer: saved }));
  });
});

describe("threads that decode", () => {
  const values = Float32Array.from({ length: 1000 }, (_, row) => row / 8);
  const column = { name: "reward", dtype: "float32", shape: [], elementsPerRow: 1, bytesPerRow: 4, offset: 0 } as const;
  const layout = {
    ...{ name: "transitions", rowsPerBlock: 1000, rowBytes: 4, blockBytes: 4000 },
    columns: [{ ...column, filter: "shuffle" }],
  } as const;
  const log = "default/transitions";
  const covers = [{ log, from: 0, to: 1000 }];

  function rewards(): PackInMemory {
    const section = encodeSection({
      ...{ content: { kind: "rows", log, column: "reward", from: 0, to: 1000 }, filter: "shuffle" },
      ...{ dtype: "float32", shape: [1000], raw: new Uint8Array(values.buffer) },
    });
    const { name, bytes } = buildPack([section], { epoch: 1 });
    return { name, bytes: new Uint8Array(bytes), index: readPackIndex(bytes, name), stored: () => new Uint8Array() };
  }

  function threads(): { readonly decoders: Decoders; readonly memory: SharedArrayBuffer } {
    const memory = new SharedArrayBuffer(layout.blockBytes);
    const places = new Map([[log, { layout, tail: 0, head: 1000, memory: new Map([[0, memory]]) }]]);
    const decoders = new Decoders(new EndGate(), places);
    onTestFinished(() => decoders.close());
    return { decoders, memory };
  }

  it("write rows into the blocks, whichever of them takes the pack", async () => {
    const { decoders, memory } = threads();
    const packs = Array.from({ length: 8 }, rewards);
    await Promise.all(packs.map((pack) => decoders.fill(pack, covers)));
    expect(new Float32Array(memory)).toEqual(values);
    // The memory of a pack went along.
    expect(packs.map(({ bytes }) => bytes.byteLength)).toEqual(packs.map(() => 0));
  });

  it("name a damaged section, and go on with the next pack", async () => {
    const { decoders, memory } = threads();
    const damaged = rewards();
    const [entry] = damaged.index.sections;
    damaged.bytes[(entry as SectionEntry).offset + 5]! ^= 1;
    await expect(decoders.fill(damaged, covers)).rejects.toMatchObject({
      ...{ code: "VARVE_CORRUPT", message: expect.stringContaining("CRC-32C") },
    });
    await decoders.fill(rewards(), covers);
    expect(new Float32Array(memory)).toEqual(values);
  });

  it("are told as lost where one ends, for what it had and for what comes", async () => {
    const { decoders } = threads();
    const pack = rewards();
    const under = decoders.fill(pack, covers);
    await decoders.close();
    await under;
    await expect(decoders.fill(rewards(), covers)).rejects.toMatchObject({ code: "VARVE_SAVER_CRASHED" });
  });
});
