import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Checkpointer, PruneRefusedError, stateHash } from "../../src/index.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { addInline, inlineBuffer, namesIn, observedStore, open, temporaryFolder } from "./support.ts";

async function saveSteps(checkpointer: Checkpointer, from: number, to: number, buffer = inlineBuffer()): Promise<void> {
  for (let step = from; step <= to; step++) {
    addInline(buffer, 20);
    const metrics = { score: [5, 1, 9, 2, 8, 3, 7, 4, 6, 0][step % 10] ?? 0 };
    await checkpointer.save({
      step,
      buffer,
      state: { weights: new Float32Array(500).map(() => Math.random()) },
      metrics,
    }).committed;
  }
}

const stepsOf = async (checkpointer: Checkpointer): Promise<number[]> =>
  (await checkpointer.list()).map(({ step }) => step);

describe("retention", () => {
  it.each([
    ["the newest", { keepLast: 3 }, [8, 9, 10]],
    ["every fourth as well", { keepLast: 2, keepEvery: 4 }, [4, 8, 9, 10]],
    ["the best as well", { keepLast: 1, keepBest: { metric: "score", mode: "max", count: 2 } }, [2, 4, 10]],
    ["the lowest as well", { keepLast: 1, keepBest: { metric: "score", mode: "min", count: 1 } }, [9, 10]],
    ["everything", {}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ] as const)("keeps %s", async (_, options, kept) => {
    const { store } = observedStore();
    const checkpointer = await open({ store, ...options });
    const buffer = inlineBuffer();
    await saveSteps(checkpointer, 1, 10, buffer);
    await checkpointer.close();
    const reader = await open({ store, readOnly: true });
    expect(await stepsOf(reader)).toEqual(kept);
    const report = await reader.verify({ readData: true });
    expect(report.isIntact).toBe(true);
    expect(report.unnamedPacks).toBe(0);
    const copy = inlineBuffer();
    await reader.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });

  it("keeps what is pinned, until it is unpinned", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store, keepLast: 1 });
    const buffer = inlineBuffer();
    await saveSteps(checkpointer, 1, 1, buffer);
    await checkpointer.pin(1);
    await saveSteps(checkpointer, 2, 4, buffer);
    await checkpointer.prune();
    expect(await stepsOf(checkpointer)).toEqual([1, 4]);
    expect((await checkpointer.list()).map(({ pinned }) => pinned)).toEqual([true, false]);
    expect((await checkpointer.restore({ step: 1, buffer: inlineBuffer() }))?.step).toBe(1);
    await checkpointer.unpin(1);
    // What was restored stays until the next commit.
    await saveSteps(checkpointer, 5, 5, buffer);
    await checkpointer.prune();
    expect(await stepsOf(checkpointer)).toEqual([5]);
    await expect(checkpointer.pin(1)).rejects.toMatchObject({ code: "VARVE_CHECKPOINT_NOT_FOUND" });
  });

  it("keeps the root of a branch until the branch has a checkpoint", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    await saveSteps(checkpointer, 1, 5);
    await checkpointer.close();
    const branch = await open({ store, keepLast: 1 });
    const buffer = inlineBuffer();
    await branch.restore({ step: 2, buffer });
    await branch.prune();
    expect(await stepsOf(branch)).toEqual([2, 5]);
    await saveSteps(branch, 3, 3, buffer);
    await branch.close();
    const reader = await open({ store, readOnly: true });
    expect(await stepsOf(reader)).toEqual([3]);
    const copy = inlineBuffer();
    await reader.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });
});

describe("prune", () => {
  it("only tells what it would do: dryRun", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    await saveSteps(checkpointer, 1, 4);
    await checkpointer.close();
    const before = await namesIn(store, "");
    const pruner = await open({ store, keepLast: 2, gracePeriodMs: 0 });
    const told = await pruner.prune({ dryRun: true });
    expect(told).toMatchObject({
      dryRun: true,
      checkpoints: ["checkpoints/00000001-000000000001.json", "checkpoints/00000001-000000000002.json"],
    });
    expect(await namesIn(store, "")).toEqual(before);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const done = await pruner.prune();
    expect(done.checkpoints).toEqual(told.checkpoints);
    expect(done.packs.length).toBeGreaterThan(0);
    const after = await namesIn(store, "");
    expect(before.filter((name) => !after.includes(name)).sort()).toEqual([...done.checkpoints, ...done.packs].sort());
    expect((await pruner.verify({ readData: true })).isIntact).toBe(true);
  });

  it("removes the markers that a crash left behind, with one listing a process", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    await saveSteps(checkpointer, 1, 2);
    await checkpointer.close();
    await store.put("markers/00000001.json", new Uint8Array(1));
    const recorded = withRecording(store);
    const pruner = await open({ store: recorded });
    await pruner.prune({ dryRun: true });
    expect(await namesIn(store, "markers/")).toEqual(["markers/00000001.json"]);
    await pruner.prune();
    await pruner.prune();
    expect(await namesIn(store, "markers/")).toEqual([]);
    const listings = recorded.operations.filter(({ method, name }) => method === "list" && name === "markers/");
    expect(listings).toHaveLength(1);
  });

  it("asks for the store's time only while there are packs of earlier writers, and removes one that comes later", async () => {
    const { store } = observedStore();
    const earlier = await open({ store });
    await saveSteps(earlier, 1, 3);
    await earlier.close();
    const packs = await namesIn(store, "packs/");
    const stray = packs[0] ?? "";
    const bytes = await store.get(stray);
    if (bytes === null) return expect.unreachable();
    const recorded = withRecording(store);
    const asked = (): number =>
      recorded.operations.filter(({ method, name }) => method === "put" && name.startsWith("markers/")).length;
    const trainer = await open({ store: recorded, keepLast: 1, gracePeriodMs: 0 });
    const buffer = inlineBuffer();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await saveSteps(trainer, 4, 8, buffer);
    await trainer.prune();
    expect((await namesIn(store, "packs/")).filter((name) => packs.includes(name))).toEqual([]);
    // The first plan knows nothing, and the second only that there were some.
    expect(asked()).toBe(2);
    await store.put(stray, bytes);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await trainer.prune();
    expect(asked()).toBe(2);
    expect((await trainer.prune()).packs).toEqual([stray]);
    expect(asked()).toBe(3);
    expect(await stepsOf(trainer)).toEqual([8]);
  });

  it("rule 10: refuses on a run that may be live, unless told to take it over", async () => {
    const { store } = observedStore();
    const trainer = await open({ store });
    await saveSteps(trainer, 1, 3);
    const pruner = await open({ store, keepLast: 1 });
    await expect(pruner.prune()).rejects.toBeInstanceOf(PruneRefusedError);
    expect((await pruner.prune({ dryRun: true })).checkpoints).toHaveLength(2);
    await trainer.save({ step: 4 }).committed;
    await pruner.restore();
    expect((await pruner.prune({ takeOver: true })).checkpoints).toHaveLength(3);
    await expect(trainer.save({ step: 5 }).committed).rejects.toMatchObject({ code: "VARVE_FENCED" });
  });

  it("rule 10: spares packs that nobody names until their grace is over", async () => {
    const { store, inner } = observedStore();
    const trainer = await open({ store });
    await saveSteps(trainer, 1, 2);
    await trainer.close();
    const orphan = `packs/00000001-${"a".repeat(64)}.pack`;
    const future = `packs/00000009-${"b".repeat(64)}.pack`;
    for (const name of [orphan, future]) await inner.put(name, Uint8Array.of(1));
    const patient = await open({ store, keepLast: 1 });
    expect((await patient.prune()).packs).toEqual([]);
    await patient.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const impatient = await open({ store, keepLast: 1, gracePeriodMs: 0 });
    expect((await impatient.prune()).packs).toContain(orphan);
    expect(await namesIn(store, "packs/0000000")).toContain(future);
  });

  it("rule 10: stops at a manifest that cannot be read, which quarantine moves aside", async () => {
    const folder = await temporaryFolder();
    const trainer = await open({ store: folder });
    await saveSteps(trainer, 1, 3);
    await trainer.close();
    await writeFile(join(folder, "checkpoints/00000001-000000000002.json"), "garbage");
    const pruner = await open({ store: folder, keepLast: 1 });
    await expect(pruner.prune()).rejects.toThrow("000000000002.json");
    expect((await pruner.prune({ dryRun: true, quarantine: true })).quarantined).toEqual([
      "checkpoints/00000001-000000000002.json",
    ]);
    const report = await pruner.prune({ quarantine: true });
    expect(report.quarantined).toEqual(["checkpoints/00000001-000000000002.json"]);
    expect(await stepsOf(pruner)).toEqual([3]);
    expect((await pruner.verify({ readData: true })).isIntact).toBe(true);
  });

  it("prunes between saves of the same writer, after a crash of its thread too", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store, keepLast: 2 });
    const buffer = inlineBuffer();
    for (let step = 1; step <= 12; step += 3) {
      await saveSteps(checkpointer, step, step + 2, buffer);
      await checkpointer.prune();
      addInline(buffer, 50);
    }
    await checkpointer.save({ step: 13, buffer }).committed;
    const copy = inlineBuffer();
    await checkpointer.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
    expect((await checkpointer.verify({ readData: true })).isIntact).toBe(true);
  });
});
