import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import { withFaults } from "../../src/testing/index.ts";
import { stateOf } from "./session-of-test.ts";
import { open, temporaryFolder } from "./support.ts";

const state = (step: number) => ({ step, state: Float32Array.of(step) });

/** Every answer takes a while: what happens meanwhile meets a request that is under way. */
function slow(store: Store, delayMs: number): Store {
  const late = async <T>(answer: () => Promise<T>): Promise<T> => {
    await sleep(delayMs);
    return answer();
  };
  return {
    ...{ url: store.url, traits: store.traits },
    put: (name, bytes, options) => late(() => store.put(name, bytes, options)),
    get: (name, options) => late(() => store.get(name, options)),
    head: (name, options) => late(() => store.head(name, options)),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => late(() => store.delete(name, options)),
  };
}

/** A run on local disk that is so many checkpoints ahead of its store. */
async function runAhead(count: number) {
  const local = await temporaryFolder();
  const memory = createMemoryStore();
  const faulty = withFaults(memory);
  const run = await open({ store: faulty, local, closeTimeoutMs: 0 });
  await run.save(state(0)).committed;
  faulty.faults.add({
    kind: "reject",
    times: Infinity,
    error: (method, name) => new StoreError("permission", method, name, "denied"),
  });
  for (let step = 1; step <= count; step++) await run.save(state(step)).durable;
  await run.close();
  faulty.faults.release();
  return { local, memory };
}

describe("a process that claims its epoch while it sends what an earlier one left", () => {
  it("is not fenced by its own claim, and sends everything", async () => {
    for (let round = 0; round < 3; round++) {
      const { local, memory } = await runAhead(6);
      const next = await open({ store: slow(memory, 15), local });
      await next.restore();
      for (let step = 7; step < 10; step++) await next.save(state(step)).committed;
      expect(next.status()).toMatchObject({ completed: 3, failed: 0, behind: 0 });
      await next.close();
      const { checkpoints, isIntact } = await stateOf(memory);
      expect([checkpoints.length, isIntact]).toEqual([10, true]);
    }
  });
});

describe("a writer that was replaced", () => {
  it("is fenced also where sync() has shown it the newer epoch", async () => {
    const local = await temporaryFolder();
    const store = createMemoryStore();
    const older = await open({ store, local, closeTimeoutMs: 0 });
    await older.save(state(1)).committed;
    const newer = await open({ store });
    await newer.restore();
    await newer.save(state(2)).committed;
    await older.sync();
    await expect(older.save(state(3)).committed).rejects.toMatchObject({ code: "VARVE_FENCED" });
    await expect(older.save(state(4)).durable).rejects.toMatchObject({ code: "VARVE_FENCED" });
    expect((await stateOf(store)).checkpoints).toEqual([
      "checkpoints/00000001-000000000001.json",
      "checkpoints/00000002-000000000002.json",
    ]);
  });
});

describe("a store that stands still at the end", () => {
  it("does not keep close() waiting, also where it has everything", async () => {
    const faulty = withFaults(createMemoryStore());
    const warnings: string[] = [];
    const log = (event: { kind: string; message?: string }) => {
      if (event.kind === "warning") warnings.push(event.message ?? "");
    };
    const run = await open({ store: faulty, local: await temporaryFolder(), closeTimeoutMs: 1000, log });
    await run.save(state(1)).committed;
    faulty.faults.add({ kind: "stall", times: Infinity });
    await run.close();
    faulty.faults.release();
    expect(warnings.join()).toMatch(/could not be noted/);
  });
});
