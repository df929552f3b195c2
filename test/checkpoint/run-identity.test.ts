import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import { Checkpointer, type Store } from "../../src/index.ts";
import { parseManifest } from "../../src/manifest/serialize.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { SessionOfTest } from "./session-of-test.ts";
import { namesIn, open, temporaryFolder } from "./support.ts";

const NOTHING = new Uint8Array(0);
const MISMATCH = "VARVE_RUN_MISMATCH";

interface SmallFile {
  run: string;
}

const jsonOf = async (store: Store, name: string): Promise<SmallFile> =>
  JSON.parse(new TextDecoder().decode((await store.get(name)) ?? NOTHING)) as SmallFile;

/** Changes one character of a file's run id, as a flipped bit does; what comes out is a valid file. */
async function flipRun(store: Store, name: string): Promise<{ readonly was: string; readonly is: string }> {
  const file = await jsonOf(store, name);
  const was = file.run;
  const is = (was.startsWith("0") ? "1" : "0") + was.slice(1);
  await store.put(name, new TextEncoder().encode(`${JSON.stringify({ ...file, run: is })}\n`));
  return { was, is };
}

async function saved(remote: Store, localStore?: Store): Promise<void> {
  const session = new SessionOfTest({ remote, localStore });
  await session.open();
  for (let save = 0; save < 2; save++) {
    session.save();
    await session.idle();
  }
  await session.call({ method: "close" });
}

const verify = (first: Store, second: Store | null = null) =>
  verifyRun(new Tiers(first, second), false, new AbortController().signal);

describe("a run file with a changed id", () => {
  it("stops opening for writing, before anything is written, and restore and list, and names both ids", async () => {
    const store = createMemoryStore();
    await saved(store);
    const { was, is } = await flipRun(store, "varve.json");
    const both = new RegExp(`varve\\.json.*says run ${is}.*belong to run ${was}`);
    const recorded = withRecording(store);
    const writing = new SessionOfTest({ remote: recorded });
    await expect(writing.open()).rejects.toMatchObject({
      ...{ code: MISMATCH, message: expect.stringMatching(both) },
      hint: expect.stringContaining(`"run":"${was}"`),
    });
    expect(recorded.operations.filter(({ method }) => method === "put" || method === "delete")).toEqual([]);
    const reading = await open({ store, readOnly: true });
    await expect(reading.restore()).rejects.toMatchObject({ code: MISMATCH, message: expect.stringMatching(both) });
    await expect(reading.restore({ step: 1 })).rejects.toMatchObject({ code: MISMATCH });
    await expect(reading.list()).rejects.toMatchObject({ code: MISMATCH, message: expect.stringMatching(both) });
    expect(await reading.verify()).toMatchObject({
      isIntact: false,
      tiers: [{ problems: [{ object: "varve.json", kind: "run", problem: expect.stringMatching(both) }] }],
    });
  });

  it("is found although the newest manifest cannot be read", async () => {
    const store = createMemoryStore();
    await saved(store);
    await flipRun(store, "varve.json");
    const newest = (await namesIn(store, "checkpoints/")).at(-1) ?? "";
    await store.put(newest, NOTHING);
    await expect(new SessionOfTest({ remote: store }).open()).rejects.toMatchObject({ code: MISMATCH });
  });

  it.each(["local", "store"] as const)("is told of the tier that has it: %s", async (place) => {
    const folder = await temporaryFolder();
    const local = await temporaryFolder();
    const writer = await open({ store: folder, local });
    await writer.save({ step: 1, state: 1 }).committed;
    await writer.close();
    const path = join(place === "local" ? local : folder, "varve.json");
    const text = await readFile(path, "utf8");
    const run = (JSON.parse(text) as SmallFile).run;
    await writeFile(path, text.replace(run, `x${run.slice(1)}`));
    const damaged = place === "local" ? local : folder;
    await expect(Checkpointer.open({ store: folder, local })).rejects.toMatchObject({
      code: MISMATCH,
      message: expect.stringMatching(`varve.json" in file:.*${damaged}.*x${run.slice(1)}.*${run}`),
    });
    const reader = await open({ store: folder, local, readOnly: true });
    await expect(reader.restore()).rejects.toMatchObject({ code: MISMATCH });
    const report = await reader.verify();
    const [at, other] = place === "local" ? [0, 1] : [1, 0];
    expect(report.tiers[at]?.problems).toMatchObject([{ object: "varve.json", kind: "run", isWholeElsewhere: true }]);
    expect(report.tiers[other]).toMatchObject({ isIntact: true });
    // Each checkpoint is whole all the same.
    expect(report.checkpoints).toMatchObject([{ problems: [], isRestorable: true }]);
    await writeFile(path, text);
    expect(await reader.restore()).toMatchObject({ step: 1 });
  });

  it("is not taken over by a save of a run that is open", async () => {
    const store = createMemoryStore();
    await saved(store);
    const session = new SessionOfTest({ remote: store });
    await session.open();
    const { is } = await flipRun(store, "varve.json");
    const before = await namesIn(store, "");
    const save = session.save();
    await session.idle();
    expect(session.fateOf(save)).toEqual(["failed"]);
    expect((await namesIn(store, "checkpoints/")).length).toBe(2);
    expect((await namesIn(store, "writers/")).length).toBe(before.filter((n) => n.startsWith("writers/")).length);
    const message = session.messages.find(({ type }) => type === "failed");
    expect(JSON.stringify(message)).toContain(is);
  });

  it("costs one get when a run is opened for writing, however many checkpoints it has", async () => {
    const store = createMemoryStore();
    await saved(store);
    const recorded = withRecording(store);
    await new SessionOfTest({ remote: recorded }).open();
    const gets = recorded.operations.filter(({ method }) => method === "get").map(({ name }) => name);
    expect(gets).toEqual(["varve.json", (await namesIn(store, "checkpoints/")).at(-1)]);
    expect(recorded.operations.filter(({ method }) => method === "list")).toHaveLength(1);
  });
});

describe("checkpoints of two runs in one place", () => {
  async function withStranger(): Promise<{ store: Store; stranger: string; run: string }> {
    const [store, other] = [createMemoryStore(), createMemoryStore()];
    await saved(store);
    await saved(other);
    // A newer number than any of this run's.
    const session = new SessionOfTest({ remote: other });
    await session.open();
    session.save();
    await session.idle();
    const stranger = (await namesIn(other, "checkpoints/")).at(-1) ?? "";
    for (const name of await namesIn(other, "packs/")) await store.put(name, (await other.get(name)) ?? NOTHING);
    // Ids of a test are counted, and would be the same ones.
    await store.put(stranger, (await other.get(stranger)) ?? NOTHING);
    const { run } = await jsonOf(store, "varve.json");
    return { store, stranger, run };
  }

  it("are broken ones where they are not of the run, and stop every prune", async () => {
    const { store, stranger, run } = await withStranger();
    const foreign = parseManifest((await store.get(stranger)) ?? NOTHING, stranger).manifest.run;
    expect(foreign).not.toBe(run);
    const checkpointer = await open({ store });
    expect((await checkpointer.list()).map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(await checkpointer.restore()).toMatchObject({
      sequence: 2,
      skipped: [{ sequence: 3, reason: expect.stringContaining(`belongs to run ${foreign}, expected ${run}`) }],
    });
    const { tiers } = await checkpointer.verify();
    expect(tiers[0]?.problems).toMatchObject([{ object: stranger, kind: "manifest" }]);
    await expect(checkpointer.prune({ takeOver: true, quarantine: true })).rejects.toMatchObject({
      ...{ code: "VARVE_PRUNE_REFUSED", message: expect.stringContaining(stranger) },
      hint: expect.stringContaining("Two runs lie in one place"),
    });
  });
});

describe("a writer's file", () => {
  it.each([
    ["of another run", async (store: Store): Promise<void> => void (await flipRun(store, "writers/00000001.json"))],
    [
      "of another number",
      async (store: Store): Promise<void> => {
        const file = await jsonOf(store, "writers/00000001.json");
        await store.put("writers/00000001.json", new TextEncoder().encode(JSON.stringify({ ...file, epoch: 2 })));
      },
    ],
    [
      "that is cut short",
      async (store: Store): Promise<void> =>
        void (await store.put("writers/00000001.json", new TextEncoder().encode("{"))),
    ],
  ] as const)("is damage of its tier: %s", async (_, damage) => {
    const store = createMemoryStore();
    await saved(store);
    expect(await verify(store)).toMatchObject({ isIntact: true });
    await damage(store);
    expect((await verify(store)).tiers[0]?.problems).toMatchObject([{ object: "writers/00000001.json", kind: "run" }]);
  });
});
