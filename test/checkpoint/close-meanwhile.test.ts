import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { Checkpointer } from "../../src/index.ts";
import { startChaosProxy } from "../servers/chaos-proxy.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { addInline, inlineBuffer, observedStore, open } from "./support.ts";

describe("a run that is closed while something else is under way", () => {
  it("ends in time, with a save that waits for a prune which the store does not answer", async () => {
    const cloud = await startS3Cloud();
    const proxy = await startChaosProxy(cloud.port);
    onTestFinished(async () => {
      await proxy.close();
      await cloud.close();
    });
    const options = `endpoint=http://127.0.0.1:${proxy.port}&region=us-east-1&forcePathStyle=true`;
    const checkpointer = await Checkpointer.open({ store: `${cloud.newUrl()}?${options}`, log: false });
    await checkpointer.save({ step: 1, state: { weight: 1 } }).committed;
    const stalled = Promise.withResolvers<void>();
    proxy.always(({ method, path }) => {
      if (method !== "GET" || !/prefix=[^&]*packs/.test(path)) return null;
      stalled.resolve();
      return { kind: "answer stalled", atByte: 0 };
    });
    const pruned = checkpointer.prune().catch((error: Error) => error);
    await stalled.promise;
    const save = checkpointer.save({ step: 2, state: { weight: 2 } });
    const fate = save.committed.catch((error: Error) => error);
    const closed = checkpointer.close({ timeoutMs: 500 });
    await expect(Promise.race([closed, sleep(20_000, "still waits")])).resolves.toMatchObject({
      failed: 1,
      pending: 0,
    });
    expect(await fate).toMatchObject({ code: "VARVE_WAIT_TIMEOUT" });
    expect(await pruned).toBeInstanceOf(Error);
  });

  it("tells a restore of that when nobody writes into its buffer any more", async () => {
    const { store, faulty } = observedStore();
    const writer = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 20);
    await writer.save({ step: 1, buffer }).committed;
    const happened: string[] = [];
    const note = (worker: Worker): void => void worker.once("exit", () => happened.push("the thread has ended"));
    process.on("worker", note);
    onTestFinished(() => void process.off("worker", note));
    const reader = await Checkpointer.open({ store, readOnly: true, log: false });
    faulty.faults.add({ kind: "stall", method: "get", name: /^packs/ });
    const told = reader
      .restore({ buffer: inlineBuffer() })
      .catch((error: { readonly code: string }) => happened.push(error.code));
    await expect.poll(() => faulty.faults.injected.stall).toBe(1);
    await reader.close();
    await told;
    expect(happened).toEqual(["the thread has ended", "VARVE_CLOSED"]);
  });
});
