import { cp, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { randomId } from "../../src/base/ids.ts";
import { StoreError } from "../../src/errors.ts";
import {
  Checkpointer,
  InvalidArgumentError,
  ReadOnlyError,
  RunMismatchError,
  type SyncProgress,
} from "../../src/index.ts";
import { ensureRunFile } from "../../src/manifest/run-file.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { sequencesIn, stateOf } from "./session-of-test.ts";
import { addInline, inlineBuffer, namesIn, open, temporaryFolder } from "./support.ts";

let made: string;

beforeAll(async () => {
  made = await mkdtemp(join(await realpath(tmpdir()), "varve-sync-"));
  const checkpointer = await Checkpointer.open({ store: made, onBacklog: "queue" });
  const buffer = inlineBuffer();
  for (let step = 1; step <= 3; step++) {
    addInline(buffer, 10);
    await checkpointer.save({ step, buffer, state: { weights: Float32Array.of(step) } }).durable;
  }
  await checkpointer.close();
});

afterAll(() => rm(made, { recursive: true, force: true }));

/** A folder with three checkpoints of a run. */
async function threeLocally(): Promise<string> {
  const local = await temporaryFolder();
  await cp(made, local, { recursive: true });
  return local;
}

describe("sync", () => {
  it("sends what the store lacks, tells how far it is, and claims nothing", async () => {
    const local = await threeLocally();
    const store = createMemoryStore();
    const checkpointer = await open({ store, local, sendMissing: false });
    expect(checkpointer.status()).toMatchObject({ behind: 3, isDegraded: false });
    expect(checkpointer.status().behindBytes).toBeGreaterThan(500);
    expect(checkpointer.status().behindMs).toBeGreaterThan(0);
    const seen: SyncProgress[] = [];
    const report = await checkpointer.sync({ onProgress: (progress) => seen.push(progress) });
    expect(report.sent).toEqual(await namesIn(createLocalStore(local), "checkpoints/"));
    expect(report).toMatchObject({ alreadyThere: [], unrelated: [], unreadable: [] });
    expect(report.packs).toBe((await namesIn(store, "packs/")).length);
    expect(report.bytes).toBe(seen.at(-1)?.bytesDone);
    expect(seen.at(-1)).toMatchObject({ checkpointsDone: 3, checkpointsTotal: 3, bytesTotal: report.bytes });
    expect(seen.map(({ bytesDone }) => bytesDone)).toEqual(
      [...seen.map(({ bytesDone }) => bytesDone)].sort((a, b) => a - b),
    );
    expect(await stateOf(store)).toMatchObject({ isIntact: true });
    expect(await namesIn(store, "writers/")).toEqual([]);
    expect(checkpointer.status()).toMatchObject({ behind: 0, behindBytes: 0, behindMs: 0 });
    const again = await checkpointer.sync();
    expect(again).toEqual({ ...report, sent: [], alreadyThere: report.sent, packs: 0, bytes: 0 });
  });

  it("rejects with the store's own error, and again sends all when the store is back", async () => {
    const local = await threeLocally();
    const inner = createMemoryStore();
    const store = withFaults(inner);
    const checkpointer = await open({ store, local, sendMissing: false });
    const error = (): StoreError => new StoreError("permission", "put", "x", "HTTP 403");
    store.faults.add({ kind: "reject", method: "put", name: /^packs/, error, times: Number.POSITIVE_INFINITY });
    await expect(checkpointer.sync()).rejects.toMatchObject({ code: "VARVE_STORE", kind: "permission" });
    expect(checkpointer.status()).toMatchObject({ behind: 3, isDegraded: true });
    store.faults.release();
    expect((await checkpointer.sync()).sent).toHaveLength(3);
    expect(checkpointer.status()).toMatchObject({ behind: 0, isDegraded: false });
  });

  it("can be given up; the rest goes on in the background", async () => {
    const local = await threeLocally();
    const store = withFaults(createMemoryStore());
    const checkpointer = await open({ store, local, sendMissing: false });
    store.faults.add({ kind: "stall", method: "put", name: /^checkpoints/ });
    const controller = new AbortController();
    const sync = checkpointer.sync({ signal: controller.signal });
    while (store.faults.injected.stall === 0) await new Promise(setImmediate);
    controller.abort();
    await expect(sync).rejects.toThrow();
    store.faults.release();
    await checkpointer.close();
    expect(await sequencesIn(store)).toEqual([1, 2, 3]);
  });

  it("tells what stays local: another branch, and what is damaged", async () => {
    const local = await threeLocally();
    const store = createMemoryStore();
    const first = await open({ store, local });
    await first.sync();
    await first.close();
    // On another machine training goes on from the first checkpoint; here the newest two are of the abandoned future.
    await store.delete("checkpoints/00000001-000000000003.json");
    await store.delete("checkpoints/00000001-000000000002.json");
    const other = await open({ store });
    await other.restore();
    await other.save({ step: 9, state: 9 }).committed;
    await other.close();
    const warnings: string[] = [];
    const checkpointer = await open({
      ...{ store, local, sendMissing: false },
      log: (event) => event.kind === "warning" && warnings.push(event.message),
    });
    const names = [2, 3].map((sequence) => `checkpoints/00000001-00000000000${sequence}.json`);
    expect(await checkpointer.sync()).toMatchObject({ sent: [], unrelated: names, unreadable: [] });
    await createLocalStore(local).put(names[1] ?? "", new Uint8Array(3));
    expect(await checkpointer.sync()).toMatchObject({ sent: [], unrelated: [names[0]], unreadable: [names[1]] });
    expect(warnings).toEqual([
      expect.stringMatching(`^${names[0]} stays local: it does not descend`),
      expect.stringMatching(`^${names[1]} stays local: it does not descend`),
      expect.stringMatching(`^${names[1]} stays local: it cannot be read`),
    ]);
    expect(await sequencesIn(store)).toEqual([1, 2]);
  });

  it("is refused without a local tier, read-only, and between two runs", async () => {
    const local = await threeLocally();
    const one = await open({ store: local });
    await expect(one.sync()).rejects.toThrow(InvalidArgumentError);
    const reader = await open({ store: createMemoryStore(), local, readOnly: true });
    await expect(reader.sync()).rejects.toThrow(ReadOnlyError);
    const store = createMemoryStore();
    await ensureRunFile(store, { clock: systemClock, newId: randomId });
    await expect(Checkpointer.open({ store, local, sendMissing: false })).rejects.toThrow(RunMismatchError);
    for (const wrong of [{ retry: 3 }, { retry: { tries: 3 } }, { retry: { attempts: 0 } }, { closeTimeoutMs: -1 }]) {
      await expect(Checkpointer.open({ store: local, ...wrong } as never)).rejects.toThrow(InvalidArgumentError);
    }
  });
});
