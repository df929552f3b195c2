import { expect, it, onTestFinished } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { startS3Thread } from "../servers/s3-thread.ts";
import { startSession } from "./session-of-test.ts";
import { open } from "./support.ts";

// What docs/clouds.md says under "What it costs".

const KINDS = ["puts", "gets", "heads", "lists", "deletes"] as const;

async function costOfSaves(keepLast: number | null) {
  const retention = { keepLast, keepEvery: null, keepBest: null, gracePeriodMs: 0 };
  const session = await startSession({ remote: createMemoryStore(), localStore: createMemoryStore(), retention });
  const costs: number[][] = [];
  for (let save = 0; save < 6; save++) {
    const before = KINDS.map((kind) => session.status.get(kind));
    const sequence = session.save();
    await session.idle();
    await session.until(() => session.fateOf(sequence).includes("committed"));
    await session.call({ method: "prune", dryRun: true, takeOver: false, quarantine: false });
    costs.push(KINDS.map((kind, index) => session.status.get(kind) - (before[index] ?? 0)));
  }
  return costs.slice(2);
}

it("a save lists nothing, and retention adds a few requests for each save", async () => {
  const [without, retained] = [await costOfSaves(null), await costOfSaves(2)];
  const added = retained.map((cost, save) => cost.map((count, kind) => count - (without[save]?.[kind] ?? 0)));
  for (const [puts = 0, gets = 0, heads = 0, lists = 0, deletes = 0] of added) {
    expect([puts, lists]).toEqual([0, 5]);
    expect([gets <= 1, heads <= 4, deletes <= 4]).toEqual([true, true, true]);
  }
});

it("a save with nothing new is 3 requests, and on S3 two more, which say what is absent", async () => {
  const server = await startS3Thread();
  onTestFinished(() => server.close());
  const run = await open({ store: server.url });
  const state = { weights: new Float32Array(1000).fill(1) };
  await run.save({ step: 1, state }).committed;
  const before = run.status().requestsByKind;
  await run.save({ step: 2, state }).committed;
  const after = run.status().requestsByKind;
  expect([after.put - before.put, after.head - before.head, after.get - before.get]).toEqual([1, 2, 2]);
  expect([after.list - before.list, after.delete - before.delete]).toEqual([0, 0]);
});
