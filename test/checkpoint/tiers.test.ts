import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Checkpointer, FencedError, ReplayBuffer, RunMismatchError, type Store, stateHash } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/index.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-tiers-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const fields = { observation: { dtype: "float32", shape: [4] }, action: { dtype: "float32", shape: [] } } as const;

function createBuffer(rows: number): ReplayBuffer<typeof fields> {
  const buffer = new ReplayBuffer({ capacity: 100, seed: 7, fields });
  for (let row = 0; row < rows; row++) {
    const observation = Float32Array.of(row, row + 0.5, -row, 1);
    const nextObservation = Float32Array.of(row + 1, row + 1.5, -row - 1, 1);
    buffer.add({ observation, action: row / 10, reward: row, nextObservation, terminated: false, truncated: false });
  }
  return buffer;
}

const places = (): { store: string; local: string } => ({ store: join(folder, "store"), local: join(folder, "local") });

async function saveSteps(steps: readonly number[], resume = false): Promise<string> {
  const checkpointer = await Checkpointer.open({ ...places(), onBacklog: "queue" });
  const buffer = createBuffer(resume ? 0 : 30);
  if (resume) await checkpointer.restore({ buffer });
  for (const step of steps) await checkpointer.save({ step, buffer, state: { step } }).committed;
  expect(checkpointer.status()).toMatchObject({ pending: 0, behind: 0, failed: 0, completed: steps.length });
  await checkpointer.close();
  return stateHash({ buffer });
}

async function objects(place: string): Promise<string[]> {
  const names = await readdir(place, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(place.length));
}

describe("a local tier before the store", () => {
  it("commits every checkpoint in both places", async () => {
    await saveSteps([1, 2]);
    expect((await objects(places().store)).sort()).toEqual((await objects(places().local)).sort());
  });

  it("restores from either place when the other is gone", async () => {
    const hash = await saveSteps([1, 2]);
    for (const lost of [places().local, places().store]) {
      const kept = join(folder, "kept");
      await cp(lost, kept, { recursive: true });
      await rm(lost, { recursive: true });
      const checkpointer = await Checkpointer.open({ ...places(), readOnly: true });
      const buffer = createBuffer(0);
      expect((await checkpointer.restore({ buffer }))?.state).toEqual({ step: 2 });
      expect(stateHash({ buffer })).toBe(hash);
      await checkpointer.close();
      await cp(kept, lost, { recursive: true });
    }
  });

  it("sends what the store lacks when the run is opened again", async () => {
    await saveSteps([1]);
    const behind = join(folder, "behind");
    await cp(places().store, behind, { recursive: true });
    await saveSteps([2, 3], true);
    await rm(places().store, { recursive: true });
    // The store as it was after step 1: as if the process had died before it sent anything more.
    await cp(behind, places().store, { recursive: true });
    const checkpointer = await Checkpointer.open(places());
    await checkpointer.close();
    const store = await Checkpointer.open({ store: places().store, readOnly: true });
    expect((await store.list()).map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(await store.verify({ readData: true })).toMatchObject({ isIntact: true });
    await store.close();
  });

  it("rule 9: refuses a store and a folder of different runs", async () => {
    await saveSteps([1]);
    const other = await Checkpointer.open({ store: join(folder, "other") });
    await other.save({ step: 1, state: 1 }).durable;
    await other.close();
    const mixed = { store: join(folder, "other"), local: places().local };
    await expect(Checkpointer.open(mixed)).rejects.toThrow(RunMismatchError);
  });

  it("rule 8: a writer that was replaced in the store stops saving, though its folder is its own", async () => {
    const first = await Checkpointer.open({ store: places().store, local: join(folder, "local-1") });
    await first.save({ step: 1, state: 1 }).committed;
    const second = await Checkpointer.open({ store: places().store, local: join(folder, "local-2") });
    await second.restore();
    await second.save({ step: 2, state: 2 }).committed;
    const late = first.save({ step: 2, state: 3 });
    await expect(late.committed).rejects.toThrow(FencedError);
    await expect(first.save({ step: 3, state: 4 }).durable).rejects.toThrow(FencedError);
    await first.close();
    await second.close();
  });

  it("rule 10: content that comes back after the store pruned it is sent again", async () => {
    const checkpointer = await Checkpointer.open({ ...places(), keepLast: 1, onBacklog: "queue" });
    const [a, b] = [new Float32Array(1000).fill(1.5), new Float32Array(1000).fill(2.5)];
    for (const [step, weights] of [a, b, b, a].entries()) {
      await checkpointer.save({ step, state: { weights } }).committed;
    }
    await checkpointer.close();
    const store = await Checkpointer.open({ store: places().store, readOnly: true });
    expect(await store.verify({ readData: true })).toMatchObject({ isIntact: true });
    expect((await store.restore())?.state).toEqual({ weights: a });
    await store.close();
  });

  it("rule 10: retention never meets a checkpoint that is still being sent", async () => {
    const inner = createMemoryStore();
    const slow = withFaults(inner);
    const store: Store = {
      ...{ url: "slow:", traits: inner.traits, get: slow.get.bind(slow), head: slow.head.bind(slow) },
      ...{ list: slow.list.bind(slow), delete: slow.delete.bind(slow) },
      put: async (name, bytes, options) => {
        if (name.startsWith("checkpoints/")) await new Promise((resolve) => setTimeout(resolve, 150));
        return slow.put(name, bytes, options);
      },
    };
    const checkpointer = await Checkpointer.open({ store, local: places().local, keepLast: 2, onBacklog: "queue" });
    for (let step = 1; step <= 6; step++) {
      await checkpointer.save({ step, state: { weights: new Float32Array(1000).fill(step / 3) } }).durable;
    }
    expect(await checkpointer.close()).toMatchObject({ succeeded: 6, failed: 0 });
    const reader = await Checkpointer.open({ store: inner, readOnly: true });
    expect(await reader.verify({ readData: true })).toMatchObject({ isIntact: true });
    expect((await reader.restore())?.step).toBe(6);
    await reader.close();
  });
});
