import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CheckpointReader, ReplayBuffer, type RowBatch, type TypedArray } from "../../src/index.ts";
import { addInline, addWindows, inlineBuffer, open, temporaryFolder, windowBuffer } from "./support.ts";

/** All batches as one array a column. */
async function joined(batches: AsyncIterable<RowBatch>): Promise<Record<string, number[]>> {
  const columns: Record<string, number[]> = {};
  let next: number | null = null;
  for await (const batch of batches) {
    if (next !== null) expect(batch.from).toBe(next);
    next = batch.to;
    for (const [name, values] of Object.entries(batch.columns)) {
      columns[name] = [...(columns[name] ?? []), ...Array.from(values as Float32Array)];
    }
  }
  return columns;
}

async function newest(reader: Promise<CheckpointReader | null>): Promise<CheckpointReader> {
  const found = await reader;
  if (found === null) throw new Error("there is a checkpoint");
  return found;
}

/** What the buffer itself says of its rows. */
function heldRows(buffer: { rowRange(): { from: number; to: number }; readRows(from: number, to: number): object }) {
  const { from, to } = buffer.rowRange();
  const { observation, nextObservation, action, reward } = buffer.readRows(from, to) as Record<string, Float32Array>;
  const held = { observation, nextObservation, action, reward };
  return Object.fromEntries(Object.entries(held).map(([name, values]) => [name, Array.from(values ?? [])]));
}

describe("reading a checkpoint in parts", () => {
  it("gives what a buffer held, past its capacity and over several saves, in batches of any size", async () => {
    const store = await temporaryFolder();
    const checkpointer = await open({ store });
    const [inline, windows] = [inlineBuffer(), windowBuffer()];
    for (const step of [1, 2, 3]) {
      addInline(inline, 50);
      addWindows(windows, 50);
      await checkpointer.save({ step, buffer: { inline, windows } }).committed;
    }
    const reader = await newest(checkpointer.openCheckpoint());
    expect(reader).toMatchObject({ step: 3, sequence: 3, state: null, tensors: [], skipped: [] });
    for (const [name, buffer] of Object.entries({ inline, windows })) {
      expect(reader.buffers[name]).toMatchObject({ capacity: 64, transitions: 64 });
      for (const maxBatchBytes of [1, 200, 1e6]) {
        expect(await joined(reader.rows({ buffer: name, maxBatchBytes }))).toMatchObject(heldRows(buffer));
      }
      const names = reader.buffers[name]?.columns.map((column) => column.name);
      expect(Object.keys(await joined(reader.rows({ buffer: name })))).toEqual(names);
    }
    const some = await joined(reader.rows({ buffer: "inline", from: 10, to: 13 }));
    expect(some["action"]).toEqual([96, 97, 98]);
    expect(some["env"]).toEqual([0, 1, 2]);
  });

  it("gives ids that are indices into the frames", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const buffer = windowBuffer();
    addWindows(buffer, 200);
    await checkpointer.save({ step: 1, buffer }).committed;
    const reader = await newest(checkpointer.openCheckpoint({ step: 1 }));
    const info = reader.buffers["default"];
    expect(info?.frames).toEqual([{ name: "observation", dtype: "float32", shape: [2], count: expect.any(Number) }]);
    const frames = (await joined(reader.frames("observation", { maxBatchBytes: 50 })))["frame"] ?? [];
    expect(frames).toHaveLength((info?.frames[0]?.count ?? 0) * 2);
    const rows = await joined(reader.rows({ observations: "ids", maxBatchBytes: 100 }));
    expect(Object.keys(rows)).toEqual(info?.columnsWithIds.map(({ name }) => name));
    const gathered = (rows["ids.nextObservation"] ?? []).flatMap((id) => frames.slice(2 * id, 2 * id + 2));
    expect(gathered).toEqual(heldRows(buffer)["nextObservation"]);
  });

  it("gives records, and priorities as the tree holds them", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const fields = {
      observation: {
        pose: { dtype: "float64", shape: [2] },
        camera: { dtype: "uint8", shape: [4, 80], frames: 2 },
      },
      action: { dtype: "float32", shape: [] },
    } as const;
    const buffer = new ReplayBuffer({ capacity: 10, seed: 1, fields, prioritized: { alpha: 0.5, beta: 1 } });
    const at = (time: number) => ({
      pose: Float64Array.of(time, -time),
      camera: Uint8Array.from({ length: 320 }, (_, i) => time + Math.floor(i / 160)),
    });
    for (let time = 0; time < 14; time++) {
      const flags = { terminated: false, truncated: false };
      buffer.add({ observation: at(time), nextObservation: at(time + 1), action: time, reward: 1, ...flags });
    }
    buffer.updatePriorities(Uint32Array.of(5, 9), Float32Array.of(4, 9));
    await checkpointer.save({ step: 1, buffer }).committed;
    const rows = await joined((await newest(checkpointer.openCheckpoint())).rows({ maxBatchBytes: 700 }));
    expect(rows["observation.pose"]?.slice(0, 4)).toEqual([4, -4, 5, -5]);
    expect(rows["nextObservation.camera"]).toEqual([...Array(10).keys()].flatMap((i) => [...at(i + 5).camera]));
    // priority^alpha, and a priority is never quite 0.
    const scaled = [1, expect.closeTo(2, 5), 1, 1, 1, expect.closeTo(3, 5), 1, 1, 1, 1];
    expect(rows["priority.scaled"]).toEqual(scaled);
  });

  it("gives the state as a tree that names its tensors, and each of them in pieces", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const large = new Float32Array(5 * 2 ** 20).map((_, i) => i % 1000);
    const state = { nets: [{ $w: Float64Array.of(1, -2) }, large], step: 7n, none: new Int8Array(0) };
    await checkpointer.save({ step: 1, state }).committed;
    const reader = await newest(checkpointer.openCheckpoint());
    expect(reader.state).toEqual({
      nets: [{ $$w: { $tensor: 0 } }, { $tensor: 1 }],
      step: { $bigint: "7" },
      none: { $tensor: 2 },
    });
    expect(reader.tensors).toEqual([
      { path: ["nets", 0, "$w"], dtype: "float64", length: 2 },
      { path: ["nets", 1], dtype: "float32", length: large.length },
      { path: ["none"], dtype: "int8", length: 0 },
    ]);
    const pieces: TypedArray[] = await Array.fromAsync(reader.tensor(1));
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.concat(pieces.map((piece) => Buffer.from(piece.buffer))).equals(Buffer.from(large.buffer))).toBe(
      true,
    );
    await expect(reader.tensor(3).next()).rejects.toMatchObject({ argument: "index" });
  });

  it("is null in an empty run, and refuses what is not held", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    expect(await checkpointer.openCheckpoint()).toBeNull();
    const buffer = inlineBuffer();
    addInline(buffer, 5);
    await checkpointer.save({ step: 1, buffer }).committed;
    await expect(checkpointer.openCheckpoint({ step: 2 })).rejects.toMatchObject({
      code: "VARVE_CHECKPOINT_NOT_FOUND",
    });
    const reader = await newest(checkpointer.openCheckpoint());
    await expect(reader.rows({ buffer: "other" }).next()).rejects.toThrow("one of the checkpoint's buffers (default)");
    await expect(reader.rows({ to: 6 }).next()).rejects.toThrow("rows of 0 to 5");
    await expect(reader.rows({ from: 1.5 }).next()).rejects.toMatchObject({ argument: "from" });
    await expect(reader.frames("observation").next()).rejects.toThrow("none is");
  });

  it("hands out nothing of a pack that was damaged", async () => {
    const store = await temporaryFolder();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 60);
    await checkpointer.save({ step: 1, buffer }).committed;
    const reader = await newest(checkpointer.openCheckpoint());
    for (const name of readdirSync(join(store, "packs"))) {
      const path = join(store, "packs", name);
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
      writeFileSync(path, bytes);
    }
    await expect(reader.rows().next()).rejects.toMatchObject({ code: "VARVE_CORRUPT" });
  });
});
