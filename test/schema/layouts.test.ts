import { describe, expect, it } from "vitest";
import { parseFields } from "../../src/schema/fields.ts";
import { layOut, mostCapacity } from "../../src/schema/layouts.ts";

const record = parseFields({
  observation: {
    camera: { dtype: "uint8", shape: [4, 84, 84], frames: 4 },
    pose: { dtype: "float64", shape: [3] },
  },
  action: { dtype: "int16", shape: [] },
  goal: { dtype: "int8", shape: [3] },
});

describe("logs", () => {
  it("have a column for every value, with its filter", () => {
    const [transitions, frames, slices] = layOut(record, 1000);
    expect(transitions?.columns.map(({ name, dtype, shape, filter }) => [name, dtype, shape, filter])).toEqual([
      ["action", "int16", [], "shuffle"],
      ["reward", "float32", [], "shuffle"],
      ["terminated", "uint8", [], "none"],
      ["truncated", "uint8", [], "none"],
      ["episodeStart", "uint8", [], "none"],
      ["env", "uint16", [], "shuffle"],
      ["goal", "int8", [3], "none"],
      ["slices.observation.camera", "uint32", [], "delta-shuffle"],
      ["slices.nextObservation.camera", "uint32", [], "delta-shuffle"],
      ["observation.pose", "float64", [3], "shuffle"],
      ["nextObservation.pose", "float64", [3], "next-of"],
    ]);
    expect(transitions?.columns.at(-1)?.nextOf).toBe("observation.pose");
    expect(frames?.name).toBe("frames/camera");
    expect(frames?.columns).toEqual([
      {
        name: "frame",
        dtype: "uint8",
        shape: [84, 84],
        elementsPerRow: 7056,
        bytesPerRow: 7056,
        offset: 0,
        filter: "none",
      },
    ]);
    expect(slices?.name).toBe("slices/camera");
    expect(slices?.columns.map(({ name, dtype, shape, filter }) => [name, dtype, shape, filter])).toEqual([
      ["start", "uint32", [], "delta-shuffle"],
      ["count", "uint16", [], "shuffle"],
      ["step", "int16", [], "shuffle"],
    ]);
  });

  it("name an only observation field plainly", () => {
    const fields = parseFields({
      observation: { dtype: "float32", shape: [64] },
      action: { dtype: "uint8", shape: [] },
    });
    const [transitions, frames] = layOut(fields, 10);
    expect(transitions?.columns.map(({ name }) => name).slice(-2)).toEqual([
      "slices.observation",
      "slices.nextObservation",
    ]);
    expect(frames?.name).toBe("frames/observation");
  });

  it("start every column at a multiple of 8 bytes, and none inside another", () => {
    const [transitions] = layOut(record, 1000);
    let end = 0;
    for (const { offset, bytesPerRow } of transitions?.columns ?? []) {
      expect(offset % 8).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + bytesPerRow * (transitions?.rowsPerBlock ?? 0);
    }
    expect(transitions?.blockBytes).toBeGreaterThanOrEqual(end);
  });

  it.each([
    // [capacity, rows per block of transitions, of frames, of slices]: an eighth of the capacity, 16 at least, 4 MiB
    // at most; of slices four times as many
    [1, 16, 16, 64],
    [1000, 125, 125, 500],
    [4000, 500, 500, 2000],
    [100_000, 12_500, 594, 50_000],
    [10_000_000, 59_918, 594, 524_288],
  ])("have blocks that suit a capacity of %i", (capacity, rows, frames, slices) => {
    expect(layOut(record, capacity).map(({ rowsPerBlock }) => rowsPerBlock)).toEqual([rows, frames, slices]);
  });

  it("have at most 8,192 frames a block, and two windows at least", () => {
    const tiny = parseFields({
      observation: { dtype: "float32", shape: [504, 9], frames: 504 },
      action: { dtype: "float32", shape: [2] },
    });
    expect(layOut(tiny, 100)[1]?.rowsPerBlock).toBe(1008);
    expect(layOut(tiny, 1_000_000)[1]?.rowsPerBlock).toBe(8192);
  });

  it("put a row that is larger than a block in one of its own", () => {
    const huge = parseFields({
      observation: { dtype: "float32", shape: [2_000_000] },
      action: { dtype: "float32", shape: [2] },
    });
    expect(layOut(huge, 100)[1]).toMatchObject({ rowsPerBlock: 1, blockBytes: 8_000_000 });
  });

  it("leave room for ids: two windows a row, two turnovers", () => {
    expect(mostCapacity(record)).toBe(268_434_432);
    const inline = parseFields({
      observation: { dtype: "float32", shape: [3] },
      action: { dtype: "uint8", shape: [] },
    });
    expect(mostCapacity(inline)).toBe(2_147_483_647);
  });
});
