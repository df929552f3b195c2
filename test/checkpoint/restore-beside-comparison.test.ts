import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { CheckpointEvent } from "../../src/index.ts";
import type { Store } from "../../src/store/store.ts";
import { addInline, inlineBuffer, namesIn, observedStore, open, temporaryFolder } from "./support.ts";

/** A store whose listing of packs, once held, tells later what was there when it was asked. */
function withLateList(inner: Store) {
  let isHeld = false;
  const [asked, answers] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const store: Store = {
    ...{ url: inner.url, traits: inner.traits },
    put: (...args) => inner.put(...args),
    get: (...args) => inner.get(...args),
    head: (...args) => inner.head(...args),
    delete: (...args) => inner.delete(...args),
    list: async function* (prefix, options) {
      const found = await Array.fromAsync(inner.list(prefix, options));
      if (isHeld && prefix === "packs/") {
        asked.resolve();
        await answers.promise;
      }
      yield* found;
    },
  };
  return { store, hold: () => void (isHeld = true), asked: asked.promise, answer: () => answers.resolve() };
}

/** A run in two tiers of steps 1 to 3, and a branch after step 1 that only the local tier has. */
async function withLocalBranch() {
  const { store, faulty } = observedStore();
  const local = await temporaryFolder();
  const first = await open({ store, local });
  const buffer = inlineBuffer();
  for (const step of [1, 2, 3]) {
    addInline(buffer, 10);
    await first.save({ step, buffer }).committed;
  }
  await first.close();
  const alone = await open({ store: local });
  const branch = inlineBuffer();
  await alone.restore({ step: 1, buffer: branch });
  addInline(branch, 3);
  const made = await alone.save({ step: 10, buffer: branch }).durable;
  await alone.close();
  return { store, faulty, local, made };
}

/** Takes the messages of warnings. */
function warningsTo(warnings: string[]): (event: CheckpointEvent) => void {
  return (event) => {
    if (event.kind === "warning") warnings.push(event.message);
  };
}

it("a restore during a comparison of the tiers, which did not see what it restores, has them compared again", async () => {
  const { store } = observedStore();
  const late = withLateList(store);
  const older = await open({ store });
  const buffer = inlineBuffer();
  addInline(buffer, 10);
  await older.save({ step: 1, buffer }).committed;
  const newer = await open({ store: late.store, local: await temporaryFolder() });
  late.hold();
  const syncing = newer.sync();
  await late.asked;
  addInline(buffer, 10);
  await older.save({ step: 2, buffer }).committed;
  const own = inlineBuffer();
  expect((await newer.restore({ buffer: own }))?.step).toBe(2);
  late.answer();
  await syncing;
  addInline(own, 5);
  expect((await newer.save({ step: 3, buffer: own }).committed).step).toBe(3);
});

it("what was restored since the comparison is no newer writer", async () => {
  const { store, faulty, local, made } = await withLocalBranch();
  const [first, second] = await namesIn(store, "checkpoints/");
  await store.delete(first as string);
  await store.delete(second as string);
  const before = faulty.faults.injected.stall;
  faulty.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
  const warnings: string[] = [];
  const opened = await open({ store, local, log: warningsTo(warnings) });
  await expect.poll(() => faulty.faults.injected.stall - before).toBe(1);
  const pruning = opened.prune({ dryRun: true, takeOver: true });
  // Nothing tells that it waits for its turn.
  await sleep(300);
  faulty.faults.release();
  faulty.faults.add({ kind: "stall", method: "list", name: /^packs/ });
  await expect.poll(() => faulty.faults.injected.stall - before).toBe(2);
  expect((await opened.restore({ sequence: made.sequence, buffer: inlineBuffer() }))?.step).toBe(10);
  faulty.faults.release();
  await pruning;
  await expect.poll(() => opened.status().behind).toBe(0);
  expect(warnings.filter((warning) => warning.includes("was replaced"))).toEqual([]);
});

it("no save of this process is said to stay local that is sent", async () => {
  const { store, local } = await withLocalBranch();
  const warnings: string[] = [];
  const opened = await open({ store, local, log: warningsTo(warnings) });
  const own = inlineBuffer();
  await opened.restore({ step: 10, buffer: own });
  addInline(own, 3);
  const saved = await opened.save({ step: 11, buffer: own }).committed;
  expect(await namesIn(store, "checkpoints/")).toContain(saved.manifest);
  expect(warnings.filter((warning) => warning.includes(saved.manifest))).toEqual([]);
});
