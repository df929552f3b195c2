import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { SaveLedger } from "../../src/checkpoint/save-ledger.ts";
import type { CheckpointEvent } from "../../src/index.ts";
import { addInline, inlineBuffer, observedStore, open, temporaryFolder } from "./support.ts";

describe("status and events", () => {
  it("counts a save before its promise resolves", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    for (let step = 1; step <= 20; step++) {
      await checkpointer.save({ step, state: { step } }).committed;
      expect(checkpointer.status()).toMatchObject({ completed: step, pending: 0, failed: 0, current: null });
    }
  });

  it("tells the progress of every save", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const seen = new Set<number>();
    checkpointer.on("progress", ({ step }) => seen.add(step));
    const buffer = inlineBuffer();
    for (let step = 1; step <= 3; step++) {
      addInline(buffer, 41);
      await checkpointer.save({ step, buffer }).committed;
    }
    expect([...seen]).toEqual([1, 2, 3]);
  });

  it("goes on when listeners and the log function throw, and says so", async () => {
    const log: CheckpointEvent[] = [];
    const checkpointer = await open({
      store: await temporaryFolder(),
      log: (event) => {
        log.push(event);
        if (event.kind === "queued") throw new Error("log is full");
      },
    });
    checkpointer.on("durable", () => {
      throw new Error("listener is broken");
    });
    await checkpointer.save({ step: 1, state: { a: 1 } }).committed;
    await checkpointer.save({ step: 2, state: { a: 2 } }).committed;
    expect(await checkpointer.latestStep()).toBe(2);
    expect(checkpointer.status()).toMatchObject({ completed: 2, failed: 0 });
    const warnings = log.flatMap((event) => (event.kind === "warning" ? event.message : []));
    expect(warnings).toContainEqual(expect.stringContaining("listener is broken"));
    expect(checkpointer.status().lastError?.message).toContain("log is full");
  });

  it("goes on when async listeners and an async log function reject, and says so", async () => {
    const log: CheckpointEvent[] = [];
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", onUnhandled);
    onTestFinished(() => void process.off("unhandledRejection", onUnhandled));
    // As JavaScript may hand them in, against the types.
    const asyncLog: unknown = async (event: CheckpointEvent) => {
      log.push(event);
      if (event.kind === "queued") throw new Error("log is full");
    };
    const asyncListener: unknown = async () => {
      throw new Error("listener is broken");
    };
    const checkpointer = await open({
      store: await temporaryFolder(),
      log: asyncLog as (event: CheckpointEvent) => void,
    });
    checkpointer.on("durable", asyncListener as () => void);
    await checkpointer.save({ step: 1, state: { a: 1 } }).committed;
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
    const warnings = log.flatMap((event) => (event.kind === "warning" ? event.message : []));
    expect(warnings).toContainEqual(expect.stringMatching(/a listener of "durable" .*listener is broken/));
    expect(checkpointer.status().lastError?.message).toContain("log is full");
  });

  it("tells the phase of a save in a loop that never yields", async () => {
    const checkpointer = await open({ store: await temporaryFolder() });
    const buffer = inlineBuffer();
    addInline(buffer, 100);
    const save = checkpointer.save({ step: 1, buffer });
    const phases = new Set<string>();
    while (save.phase !== "committed") phases.add(save.phase);
    expect(checkpointer.status()).toMatchObject({ completed: 1, pending: 0 });
  });

  it("shows the save under way while others are skipped", async () => {
    const { store, faulty } = observedStore();
    const checkpointer = await open({ store, onBacklog: "skip" });
    faulty.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
    const first = checkpointer.save({ step: 1, state: 1 });
    while (first.phase !== "writing") await new Promise(setImmediate);
    const second = checkpointer.save({ step: 2, state: 2 });
    await expect(second.durable).rejects.toMatchObject({ code: "VARVE_SAVE_SKIPPED", sequence: 2 });
    expect(second.phase).toBe("skipped");
    expect(checkpointer.status()).toMatchObject({ skipped: 1, pending: 1, current: { sequence: 1, phase: "writing" } });
    faulty.faults.release();
    await first.committed;
  });

  it("rule 3: one message about progress waits for a loop that does not look, not hundreds", async () => {
    const folder = await temporaryFolder();
    const checkpointer = await open({ store: folder });
    const buffer = inlineBuffer({ capacity: 3000 });
    addInline(buffer, 3000);
    let heard = 0;
    checkpointer.on("progress", () => heard++);
    const save = checkpointer.save({ step: 1, buffer });
    const file = join(folder, "checkpoints/00000001-000000000001.json");
    while (!existsSync(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    await save.committed;
    // 500 blocks were encoded.
    expect(heard).toBeLessThanOrEqual(2);
  });

  it("takes no turn of the training thread's loop for progress that nobody listens to", async () => {
    const handled = vi.spyOn(SaveLedger.prototype, "handle");
    const messagesOfProgress = (): number =>
      handled.mock.calls.filter(([message]) => message.type === "progress").length;
    const checkpointer = await open({ store: await temporaryFolder() });
    const buffer = inlineBuffer({ capacity: 3000 });
    addInline(buffer, 3000);
    await checkpointer.save({ step: 1, buffer }).committed;
    expect({ handled: handled.mock.calls.length > 0, ofProgress: messagesOfProgress() }).toEqual({
      ...{ handled: true, ofProgress: 0 },
    });

    let heard = 0;
    const listener = (): void => void heard++;
    checkpointer.on("progress", listener);
    addInline(buffer, 3000);
    await checkpointer.save({ step: 2, buffer }).committed;
    expect(heard).toBeGreaterThan(1);
    expect(messagesOfProgress()).toBe(heard);

    checkpointer.off("progress", listener);
    addInline(buffer, 3000);
    await checkpointer.save({ step: 3, buffer }).committed;
    expect(messagesOfProgress()).toBeLessThanOrEqual(heard + 1);
    handled.mockRestore();
  });
});
