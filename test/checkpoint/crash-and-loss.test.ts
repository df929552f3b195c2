import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { Checkpointer, createRandom, ReplayBuffer, stateHash } from "../../src/index.ts";
import { interruptedAfter } from "./interrupted.ts";
import { sequencesIn, startSession, stateOf } from "./session-of-test.ts";
import { namesIn, open, temporaryFolder } from "./support.ts";

describe("a process that dies at any request, and a store that loses packs before the next one", () => {
  it.each([
    ["one", (names: readonly string[], at: number) => names.slice(at % names.length).slice(0, 1), "removed"],
    ["every other", (names: readonly string[], at: number) => names.filter((_, i) => (i + at) % 2 === 0), "cut"],
    ["all", (names: readonly string[]) => names, "removed"],
  ] as const)("is made whole by the next opening: %s", async (_, choose, damage) => {
    const { requests } = await interruptedAfter(Number.POSITIVE_INFINITY);
    expect(requests).toBeGreaterThan(8);
    for (let allowed = 0; allowed <= requests; allowed++) {
      const { recorded, localStore } = await interruptedAfter(allowed);
      const chosen = choose(await namesIn(recorded, "packs/"), allowed);
      for (const name of chosen) {
        if (damage === "removed") await recorded.delete(name);
        else await recorded.put(name, new Uint8Array(1));
      }
      const session = await startSession({ remote: recorded, localStore });
      await session.idle();
      expect(await stateOf(recorded), `after ${allowed}`).toEqual({
        checkpoints: await namesIn(localStore, "checkpoints/"),
        isIntact: true,
      });
      expect(session.status.get("behind")).toBe(0);
      // And the next checkpoint rests on what is there.
      session.save();
      await session.idle();
      expect(await sequencesIn(recorded)).toEqual(await sequencesIn(localStore));
      expect((await stateOf(recorded)).isIntact).toBe(true);
    }
  });
});

/** Runs the trainer of two tiers until it has told so many saves, and kills it then. @returns hash by step */
async function killedAfter(folder: string, saves: number): Promise<Map<number, string>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "fixtures", "two-tiers.ts"), folder]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const told = new Map<number, string>();
  const closed = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) {
    const { step, hash } = JSON.parse(line) as { step: number; hash: string };
    told.set(step, hash);
    if (told.size === saves) child.kill("SIGKILL");
  }
  expect(await closed).toEqual([null, "SIGKILL"]);
  return told;
}

describe("a trainer that is killed, and a person who deletes what he should not", () => {
  it("is told by verify which place lacks what, and sync makes the store whole again", async () => {
    const folder = await temporaryFolder();
    const [store, local] = [join(folder, "store"), join(folder, "local")];
    const seed = 20_261_128;
    const random = createRandom(seed);
    const hashes = new Map<number, string>();
    let repaired = 0;
    for (const [round, saves] of [3, 1, 5].entries()) {
      for (const [step, hash] of await killedAfter(folder, saves)) hashes.set(step, hash);
      const packs = readdirSync(join(store, "packs")).filter((name) => name.endsWith(".pack"));
      const harmed = packs.filter(() => random.uniform() < 0.5);
      for (const [index, name] of harmed.entries()) {
        const path = join(store, "packs", name);
        if (index % 2 === 0) rmSync(path);
        else truncateSync(path, statSync(path).size - 1);
      }
      const reader = await Checkpointer.open({ store, local, readOnly: true });
      const before = await reader.verify({ readData: true });
      const inStore = new Set(before.tiers[1]?.problems.map(({ object }) => object.slice("packs/".length)));
      expect(
        [...inStore].filter((name) => !harmed.includes(name)),
        `round ${round}, seed ${seed}`,
      ).toEqual([]);
      expect(before.tiers[0]?.problems).toEqual([]);
      expect(before.checkpoints.every(({ isRestorable }) => isRestorable)).toBe(true);
      await reader.close();

      const syncing = await Checkpointer.open({ store, local, sendMissing: false });
      const report = await syncing.sync();
      expect(report).toMatchObject({ broken: [], unrelated: [], unreadable: [] });
      expect(report.repaired.length > 0).toBe(
        before.checkpoints.some(({ heldIn, problems }) => heldIn.length === 2 && problems.length > 0),
      );
      repaired += report.repaired.length;
      expect((await syncing.verify({ readData: true })).isIntact).toBe(true);
      await syncing.close();

      // The store stands alone: what was told to be durable is there, bit for bit.
      const alone = await open({ store, readOnly: true });
      expect((await alone.list()).map(({ step }) => step)).toEqual(expect.arrayContaining([...hashes.keys()]));
      for (const [step, hash] of hashes) {
        const buffer = new ReplayBuffer({ capacity: 300, seed: 1, fields });
        const restored = await alone.restore({ step, buffer });
        expect(stateHash({ buffer, state: restored?.state }), `step ${step}`).toBe(hash);
      }
    }
    expect(repaired).toBeGreaterThan(0);
  });
});

const fields = { observation: { dtype: "float32", shape: [8] }, action: { dtype: "int32", shape: [] } } as const;
