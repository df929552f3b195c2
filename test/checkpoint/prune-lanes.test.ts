import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { startSession } from "./session-of-test.ts";
import { observedStore, open } from "./support.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
const PRUNE = { method: "prune", dryRun: false, takeOver: false, quarantine: false } as const;

it("two tiers: local saves go on while prune() waits for the run's store", async () => {
  const remote = withFaults(createMemoryStore());
  const session = await startSession({ remote, localStore: createMemoryStore() });
  session.save();
  await session.idle();
  remote.faults.add({ kind: "stall", method: "list", name: /^packs/, ...forEver });
  const pruned = session.call(PRUNE);
  await session.until(() => remote.faults.injected.stall > 0);
  session.save();
  await session.until(() => session.fateOf(2).includes("durable"));
  remote.faults.release();
  await pruned;
  await session.idle();
});

it("two tiers: a sync and a save's commit while prune() waits for a save end", async () => {
  const [remote, local] = [createMemoryStore(), withFaults(createMemoryStore())];
  const session = await startSession({ remote, localStore: local });
  session.save();
  await session.idle();
  local.faults.add({ kind: "stall", method: "put", name: /^packs/, ...forEver });
  session.save();
  await session.until(() => local.faults.injected.stall > 0);
  const pruned = session.call(PRUNE);
  const synced = session.call({ method: "sync" });
  await session.time.settle();
  local.faults.release();
  await Promise.all([pruned, synced]);
  await session.idle();
  expect(session.fateOf(2)).toEqual(["durable", "committed"]);
});

const weights = (value: number): Float64Array => new Float64Array(1000).fill(value);

it("prune() reports the bytes that it deleted, where a checkpoint was chosen meanwhile", async () => {
  const { store, faulty } = observedStore();
  const trainer = await open({ store });
  for (const step of [1, 2]) await trainer.save({ step, state: weights(step) }).committed;
  await trainer.close();
  const pruner = await open({ store, keepLast: 1, gracePeriodMs: 0 });
  faulty.faults.add({ kind: "stall", method: "delete", name: /^checkpoints/, times: Number.POSITIVE_INFINITY });
  const pruned = pruner.prune();
  while (faulty.faults.injected.stall < 1) await sleep(5);
  await pruner.restore({ step: 1 });
  faulty.faults.release();
  const report = await pruned;
  expect([report.packs.length === 0, report.bytes === 0]).toEqual([true, true]);
});
