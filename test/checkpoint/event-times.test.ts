import { expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { FromSaver } from "../../src/checkpoint/messages.ts";
import type { CheckpointEvent } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { type SessionOfTest, startSession } from "./session-of-test.ts";
import { open, temporaryFolder } from "./support.ts";

const NOW_MS = 1_000_000;

const eventOf = (message: FromSaver | undefined): unknown => (message?.type === "event" ? message.event : undefined);

/** The times that the only event of this kind tells. */
function timesOf(session: SessionOfTest, kind: "durable" | "committed"): unknown {
  const told = session.told(kind).flatMap((message) => eventOf(message) ?? []);
  expect(told).toHaveLength(1);
  return told[0];
}

test("a save tells when it was taken up, first written and durable, and with two tiers when it was sent", async () => {
  const localStore = withFaults(createMemoryStore());
  const remote = withFaults(createMemoryStore());
  const session = await startSession({ remote, localStore });
  localStore.faults.add({ kind: "stall", method: "head" }, { kind: "stall", method: "put", name: /^writers/ });
  localStore.faults.add({ kind: "stall", method: "put", name: /^packs/ });
  session.save();
  await session.until(() => localStore.faults.injected.stall === 1);
  await session.time.advance(1000);
  localStore.faults.release();
  localStore.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
  remote.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
  await session.until(() => localStore.faults.injected.stall === 2);
  await session.time.advance(500);
  localStore.faults.release();
  await session.until(() => remote.faults.injected.stall === 1);
  await session.time.advance(200);
  remote.faults.release();
  await session.idle();
  expect(timesOf(session, "durable")).toMatchObject({
    encodingAtMs: NOW_MS,
    writingAtMs: NOW_MS + 1000,
    atMs: NOW_MS + 1500,
  });
  expect(timesOf(session, "committed")).toMatchObject({ sendingAtMs: NOW_MS + 1500, atMs: NOW_MS + 1700 });
});

test("a save to the only store is durable and committed at once, and was not sent on", async () => {
  const session = await startSession({ remote: createMemoryStore() });
  session.save();
  await session.idle();
  expect(timesOf(session, "durable")).toMatchObject({ atMs: NOW_MS });
  expect(timesOf(session, "committed")).toMatchObject({ sendingAtMs: null, atMs: NOW_MS });
});

test("queued tells when the snapshot was taken, by the clock handed in, not when it was heard of", async () => {
  const snapshotAtMs = 5000;
  const times = [snapshotAtMs, snapshotAtMs + 3000];
  const log: CheckpointEvent[] = [];
  const clock = { now: () => times.shift() ?? Number.NaN, monotonicMs: () => systemClock.monotonicMs() };
  const checkpointer = await open({ store: await temporaryFolder(), clock, log: (event) => log.push(event) });
  await checkpointer.save({ step: 1, state: { step: 1 } }).committed;
  expect(log.find(({ kind }) => kind === "queued")).toMatchObject({ step: 1, atMs: snapshotAtMs });
});
