import { describe, expect, it } from "vitest";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import { describeVerified } from "../../src/cli/verify-text.ts";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { namesIn, open } from "./support.ts";

/** Calls `between`, once or more often: after the manifests were listed, and before the packs are. */
function interrupted(inner: Store, between: () => Promise<void>, times = 1): Store {
  let left = times;
  return {
    ...{ url: inner.url, traits: inner.traits },
    put: (name, bytes, options) => inner.put(name, bytes, options),
    get: (name, options) => inner.get(name, options),
    head: (name, options) => inner.head(name, options),
    delete: (name, options) => inner.delete(name, options),
    list: async function* (prefix, options) {
      if (prefix === "packs/" && left > 0) {
        left -= 1;
        await between();
      }
      yield* inner.list(prefix, options);
    },
  };
}

async function storeWithThree(): Promise<Store> {
  const store = createMemoryStore();
  const writer = await open({ store, keepLast: 3, gracePeriodMs: 0 });
  for (const step of [1, 2, 3]) await writer.save({ step, state: new Float32Array(100).fill(step) }).durable;
  await writer.close();
  return store;
}

describe("verify beside a live trainer", () => {
  it("does not take for damaged what retention removes meanwhile", async () => {
    const store = await storeWithThree();
    const trainer = await open({ store, keepLast: 1, gracePeriodMs: 0 });
    const prune = async (): Promise<void> => void (await trainer.prune());
    const reader = await open({ store: interrupted(store, prune), readOnly: true });
    const report = await reader.verify({ readData: true });
    expect(await namesIn(store, "checkpoints/")).toHaveLength(1);
    expect(report.checkpoints.map(({ step, problems }) => [step, problems])).toEqual([[3, []]]);
    expect(report.isIntact).toBe(true);
  });

  /** Verifies while a trainer, whose retention keeps one checkpoint, saves another at each of so many looks. */
  async function besideSaves(saves: number) {
    const store = await storeWithThree();
    const trainer = await open({ store, keepLast: 1, gracePeriodMs: 0 });
    let step = 3;
    const save = async (): Promise<void> => {
      step += 1;
      await trainer.save({ step, state: new Float32Array(100).fill(step) }).durable;
      await trainer.prune();
    };
    // In this thread, as what a saver's thread runs is not counted as covered.
    const tiers = new Tiers(interrupted(store, save, saves), null);
    return { report: await verifyRun(tiers, true, AbortSignal.timeout(60_000)), steps: () => step };
  }

  it("looks again where retention removed all that it had listed", async () => {
    const { report } = await besideSaves(3);
    expect(report.checkpoints.map(({ step, problems }) => [step, problems])).toEqual([[6, []]]);
    expect(report).toMatchObject({ isIntact: true, packs: report.tiers[0]?.packs });
    expect(report.packs).toBeGreaterThan(0);
  });

  it("ends after some looks, and does not call intact what it has not seen", async () => {
    const { report, steps } = await besideSaves(100);
    expect([report.checkpoints, steps()]).toEqual([[], 13]);
    const style = { red: (text: string) => text } as Parameters<typeof describeVerified>[2]["style"];
    const text = describeVerified(report, { store: "run", local: undefined }, { readData: true, style });
    expect(text).toMatch(/^0 checkpoints.*: nothing verified$/);
  });

  it("tells of a pack that is missing while its manifest stays", async () => {
    const store = await storeWithThree();
    const [pack = ""] = await namesIn(store, "packs/");
    const reader = await open({ store: interrupted(store, () => store.delete(pack)), readOnly: true });
    const report = await reader.verify();
    expect(report.checkpoints).toHaveLength(3);
    expect(report.isIntact).toBe(false);
  });
});
