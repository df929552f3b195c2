import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { addInline, inlineBuffer, open, temporaryFolder } from "./support.ts";

describe("a request that is not what it should be", () => {
  it.each([
    ["a number", { buffer: 5 }],
    ["null", { buffer: null }],
    ["a Map, which has no entries of its own", { buffer: new Map([["a", 1]]) }],
    ["a record of nothing", { buffer: {} }],
    ["a record of something else", { buffer: { replay: [] } }],
    ["a misspelt key", { bufer: 1 }],
  ])("is refused by save() and restore(), and nothing is saved: %s", async (_, request) => {
    const checkpointer = await open({ store: await temporaryFolder() });
    expect(() => checkpointer.save({ step: 1, ...(request as object) })).toThrow(
      expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }),
    );
    await expect(checkpointer.restore(request as object)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    expect(checkpointer.status()).toMatchObject({ pending: 0, completed: 0, failed: 0 });
    expect(await checkpointer.list()).toEqual([]);
  });

  it("is refused by add(), and no row goes to env 0 by mistake", () => {
    const buffer = inlineBuffer();
    addInline(buffer, 1);
    const [observation, nextObservation] = [Float32Array.of(1, 2, 3), Float32Array.of(2, 3, 4)];
    const row = { observation, nextObservation, action: 1, reward: 0, terminated: false, truncated: false };
    const misspelt = { evn: 3 } as { env?: number };
    expect(() => buffer.add(row, misspelt)).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }));
    expect(buffer.size).toBe(1);
  });
});

describe("a run whose run file is gone", () => {
  it("is refused when it is opened for writing, not after a generation was trained for nothing", async () => {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    await checkpointer.save({ step: 1, state: 1 }).durable;
    await checkpointer.close();
    await rm(join(folder, "varve.json"));
    await expect(open({ store: folder })).rejects.toMatchObject({
      code: "VARVE_CORRUPT",
      objectName: "varve.json",
      hint: expect.stringContaining("varve verify"),
    });
  });
});

describe("a save at the wrong time", () => {
  it("is refused from the call of close() on, and what was saved before is not torn", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const buffer = inlineBuffer();
    addInline(buffer, 5);
    const save = checkpointer.save({ step: 1, buffer });
    const closed = checkpointer.close();
    expect(() => checkpointer.save({ step: 2, buffer })).toThrow(expect.objectContaining({ code: "VARVE_CLOSED" }));
    addInline(buffer, 50);
    expect(await closed).toMatchObject({ succeeded: 1, failed: 0 });
    expect(await checkpointer.close()).toMatchObject({ succeeded: 1 });
    expect((await save.committed).transitions).toBe(5);
  });

  it("is not waited for by a time that is none", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    for (const timeoutMs of [-5, Number.NaN, "x", "5", null] as number[]) {
      const refused = expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT", argument: "timeoutMs" });
      await expect(checkpointer.waitUntilFinished({ timeoutMs })).rejects.toEqual(refused);
      expect(() => checkpointer.close({ timeoutMs })).toThrow(refused);
    }
    await checkpointer.save({ step: 1, state: 1 }).committed;
    const { succeeded } = await checkpointer.waitUntilFinished({ timeoutMs: Number.POSITIVE_INFINITY });
    expect(succeeded).toBe(1);
  });

  it("is refused while a restore is under way: its parent would be a matter of chance", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    await checkpointer.save({ step: 1, state: 1 }).durable;
    const restored = checkpointer.restore();
    expect(() => checkpointer.save({ step: 2, state: 2 })).toThrow(
      expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }),
    );
    expect((await restored)?.step).toBe(1);
    await checkpointer.save({ step: 2, state: 2 }).durable;
  });
});

describe("state that cannot be copied", () => {
  it("is refused by its path, as often as it is tried, and holds nothing afterwards", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const buffer = inlineBuffer({ prioritized: {} });
    const detached = new Float32Array(8);
    structuredClone(detached, { transfer: [detached.buffer] });
    for (let attempt = 0; attempt < 70; attempt++) {
      const state = { kept: new Float32Array(8), gone: [detached] };
      expect(() => checkpointer.save({ step: 1, buffer, state })).toThrow(
        expect.objectContaining({ code: "VARVE_UNSUPPORTED_STATE", path: "state.gone[0]" }),
      );
      addInline(buffer, 1);
    }
    await checkpointer.save({ step: 1, buffer, state: { kept: new Float32Array(8) } }).durable;
    expect(buffer.stats().pinnedBytes).toBe(0);
  });
});

describe("metrics", () => {
  it("come back as they were given, also what JSON cannot say", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const metrics = {
      best: Number.NEGATIVE_INFINITY,
      top: Number.POSITIVE_INFINITY,
      none: Number.NaN,
      zero: -0,
      x: 1.5,
    };
    await checkpointer.save({ step: 1, metrics }).durable;
    expect((await checkpointer.restore())?.metrics).toEqual(metrics);
    expect((await checkpointer.list())[0]?.metrics).toEqual(metrics);
  });
});
