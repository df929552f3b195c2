import { describe, expect, it } from "vitest";
import { type CheckpointEvent, Checkpointer, ClosedError, ReadOnlyError } from "../../src/index.ts";
import { addInline, inlineBuffer, namesIn, observedStore, open } from "./support.ts";

/** Three saves while the first cannot end; what became of them when it can. */
async function threeSaves(onBacklog: "coalesce" | "queue" | "skip") {
  const { store, faulty } = observedStore();
  const events: CheckpointEvent[] = [];
  const checkpointer = await open({ store, onBacklog, log: (event) => events.push(event) });
  faulty.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
  const first = checkpointer.save({ step: 1, state: 1 });
  while (first.phase !== "writing") await new Promise(setImmediate);
  const second = checkpointer.save({ step: 2, state: 2 });
  const third = checkpointer.save({ step: 3, state: 3 });
  const during = await checkpointer.waitUntilFinished({ timeoutMs: 50 });
  faulty.faults.release();
  const result = await checkpointer.waitUntilFinished();
  const saves = [first, second, third];
  const settled = await Promise.all(
    saves.map(({ committed }) =>
      committed.then(
        ({ step }) => step,
        (error: { code: string }) => error.code,
      ),
    ),
  );
  const kinds = events.map((event) => ("step" in event ? `${event.kind} ${event.step}` : event.kind));
  return {
    settled,
    phases: saves.map(({ phase }) => phase),
    during,
    result,
    status: checkpointer.status(),
    kinds,
    checkpointer,
  };
}

describe("a save while another is under way", () => {
  it("replaces one that waits: coalesce", async () => {
    const { settled, phases, during, result, status, kinds, checkpointer } = await threeSaves("coalesce");
    expect(settled).toEqual([1, 3, 3]);
    expect(phases).toEqual(["committed", "replaced", "committed"]);
    expect(during).toMatchObject({ succeeded: 0, pending: 2 });
    expect(result).toEqual({ succeeded: 2, failed: 0, pending: 0, errors: [] });
    expect(status).toMatchObject({ completed: 2, replaced: 1, skipped: 0, failed: 0, pending: 0 });
    expect(kinds.filter((kind) => !kind.startsWith("queued"))).toEqual([
      "replaced 2",
      "durable 1",
      "committed 1",
      "durable 3",
      "committed 3",
    ]);
    expect((await checkpointer.list()).map(({ sequence }) => sequence)).toEqual([1, 3]);
  });

  it("waits for its turn: queue", async () => {
    const { settled, phases, during, status, checkpointer } = await threeSaves("queue");
    expect(settled).toEqual([1, 2, 3]);
    expect(phases).toEqual(["committed", "committed", "committed"]);
    expect(during.pending).toBe(3);
    expect(status).toMatchObject({ completed: 3, replaced: 0, skipped: 0 });
    expect(await checkpointer.latestStep()).toBe(3);
  });

  it("is not made: skip", async () => {
    const { settled, phases, result, status, kinds } = await threeSaves("skip");
    expect(settled).toEqual([1, "VARVE_SAVE_SKIPPED", "VARVE_SAVE_SKIPPED"]);
    expect(phases).toEqual(["committed", "skipped", "skipped"]);
    expect(result).toEqual({ succeeded: 1, failed: 0, pending: 0, errors: [] });
    expect(status).toMatchObject({ completed: 1, skipped: 2, lastError: null });
    expect(kinds).toContain("skipped 2");
  });
});

describe("the life of a checkpointer", () => {
  it("ends when it leaves its scope, with every save made", async () => {
    const { store } = observedStore();
    {
      await using checkpointer = await Checkpointer.open({ store });
      checkpointer.save({ step: 1, state: { a: 1 } });
    }
    const reader = await open({ store, readOnly: true });
    expect(await reader.latestStep()).toBe(1);
    expect(await namesIn(store, "writers/")).toEqual(["writers/00000001.closed", "writers/00000001.json"]);
  });

  it("refuses everything after close, but for its status", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const save = checkpointer.save({ step: 1 });
    expect(await checkpointer.close()).toEqual({ succeeded: 1, failed: 0, pending: 0, errors: [] });
    expect(await checkpointer.close()).toMatchObject({ failed: 0 });
    expect(save.phase).toBe("committed");
    expect(checkpointer.status()).toMatchObject({ completed: 1, pending: 0 });
    expect(() => checkpointer.save({ step: 2 })).toThrow(ClosedError);
    for (const call of ["restore", "list", "latestStep", "verify", "prune"] as const) {
      await expect(checkpointer[call]()).rejects.toBeInstanceOf(ClosedError);
    }
    await expect(checkpointer.pin(1)).rejects.toBeInstanceOf(ClosedError);
  });

  it("writes nothing where it only reads", async () => {
    const { store } = observedStore();
    const writer = await open({ store });
    await writer.save({ step: 1, state: [1] }).committed;
    const place = store.length;
    const reader = await open({ store, readOnly: true });
    expect(() => reader.save({ step: 2 })).toThrow(ReadOnlyError);
    await expect(reader.prune()).rejects.toBeInstanceOf(ReadOnlyError);
    await expect(reader.pin(1)).rejects.toBeInstanceOf(ReadOnlyError);
    await reader.restore();
    await reader.list();
    await reader.verify({ readData: true });
    await reader.prune({ dryRun: true });
    await reader.close();
    const writes = store.operations.filter(
      ({ method, calledAt }) => calledAt >= place && (method === "put" || method === "delete"),
    );
    expect(writes).toEqual([]);
    await writer.save({ step: 2 }).committed;
  });

  it("refuses wrong options and requests before anything is done", async () => {
    const { store } = observedStore();
    const wrong = [
      {},
      { store: 5 },
      { store, keepLast: 0 },
      { store, onBacklog: "drop" },
      { store, concurency: 1 },
      { store, log: "file" },
    ];
    for (const options of wrong) {
      await expect(Checkpointer.open(options as never)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    }
    const checkpointer = await open({ store });
    for (const request of [
      null,
      {},
      { step: -1 },
      { step: 0.5 },
      { step: 1, buffer: [] },
      { step: 1, buffer: { a: 1 } },
      { step: 1, metrics: { a: "1" } },
    ]) {
      const save = (): unknown => checkpointer.save(request as never);
      if (JSON.stringify(request) !== '{"step":1,"buffer":[]}')
        expect(save).toThrow(expect.objectContaining({ code: "VARVE_INVALID_ARGUMENT" }));
    }
    expect(store.operations.filter(({ method }) => method === "put")).toEqual([]);
  });

  it("lets a save of two buffers fail whole, and training go on", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const [a, b] = [inlineBuffer({ prioritized: {} }), inlineBuffer({ prioritized: {} })];
    addInline(a, 64);
    await checkpointer.save({ step: 1, buffer: { a } }).committed;
    b.beginRestore([{ tail: 0, head: 1 }]);
    for (let step = 2; step < 5; step++) {
      expect(() => checkpointer.save({ step, buffer: { a, b } })).toThrow(ClosedError);
      // A snapshot that nobody captures would make this wait for ever.
      a.updatePriorities([5], [step]);
    }
    addInline(a, 640);
    expect((await checkpointer.save({ step: 5, buffer: { a } }).committed).step).toBe(5);
  });

  it("makes saves of several checkpointers from one buffer", async () => {
    const buffer = inlineBuffer();
    const runs = await Promise.all([1, 2].map(() => open({ store: observedStore().store })));
    for (let step = 1; step <= 3; step++) {
      addInline(buffer, 100);
      await Promise.all(runs.map((run) => run.save({ step, buffer }).committed));
    }
    for (const run of runs) {
      const copy = inlineBuffer();
      await run.restore({ buffer: copy });
      expect(copy.rowRange()).toEqual({ from: 236, to: 300 });
    }
  });
});
