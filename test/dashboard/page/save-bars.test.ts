import { describe, expect, it } from "vitest";
import { hasOneTier, saveBars } from "../../../src/dashboard/page/save-bars.ts";
import { committed, durable, failed, modelOf, queued, resume, start, status } from "./records.ts";

const shapesOf = (...input: Parameters<typeof saveBars>) =>
  saveBars(...input).map(({ row, kind, fromMs, toMs, isOpen }) => [row, kind, fromMs, toMs, isOpen]);

describe("the bars of a save", () => {
  it("are its wait, its encoding, its writing and its upload, end to end", () => {
    const model = modelOf(start(0), queued(1, 1000), durable(1, 1060), committed(1, 1500, 1100));
    expect(shapesOf(model, 2000, false)).toEqual([
      ["encode", "wait", 1000, 1010, false],
      ["encode", "work", 1010, 1030, false],
      ["write", "work", 1030, 1060, false],
      ["upload", "wait", 1060, 1100, false],
      ["upload", "work", 1100, 1500, false],
    ]);
  });

  it("have no upload where the store is the only tier", () => {
    const model = modelOf(start(0), queued(1, 1000), durable(1, 1060), committed(1, 1060, null));
    expect(saveBars(model, 2000, false).filter(({ row }) => row === "upload")).toEqual([]);
    expect(hasOneTier(model)).toBe(true);
    expect(hasOneTier(modelOf(start(0)))).toBe(false);
  });

  it.each([
    ["encoding", "encode", "work"],
    ["writing", "write", "work"],
    ["waiting", "encode", "wait"],
  ] as const)("stay open while it is %s", (phase, row, kind) => {
    const model = modelOf(start(0), queued(1, 1000), status(1500, { current: { sequence: 1, phase } }));
    expect(shapesOf(model, 2000, false)).toEqual([[row, kind, 1000, 2000, true]]);
  });

  it("wait for the upload where the store is behind", () => {
    const model = modelOf(start(0), queued(1, 1000), durable(1, 1060), status(1100, { behind: 1 }));
    expect(shapesOf(model, 2000, false).at(-1)).toEqual(["upload", "wait", 1060, 2000, true]);
  });

  it("end in a cross where it failed", () => {
    const model = modelOf(start(0), queued(1, 1000), failed(1, 1200));
    expect(shapesOf(model, 2000, false)).toEqual([["write", "failed", 1200, 1200, false]]);
  });

  it("are none where its process ended without a word of it", () => {
    const model = modelOf(start(0), queued(1, 1000), resume(1800, 0));
    expect(saveBars(model, 2000, false)).toEqual([]);
    expect(saveBars(modelOf(start(0), queued(1, 1000)), 2000, true)).toEqual([]);
  });

  it("never run backwards, whatever clocks say", () => {
    const model = modelOf(start(0), queued(1, 1050), durable(1, 1060), committed(1, 1040, 1055));
    for (const { fromMs, toMs } of saveBars(model, 2000, false)) expect(toMs).toBeGreaterThanOrEqual(fromMs);
  });
});
