import { describe, expect, it } from "vitest";
import { Tiers } from "../../src/checkpoint/saver/tiers.ts";
import { verifyRun } from "../../src/checkpoint/saver/verify.ts";
import { copyRun, deleteRun, type Store, StoreError, stateHash } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { startSession } from "./session-of-test.ts";
import { addInline, inlineBuffer, namesIn, open, temporaryFolder } from "./support.ts";

const signal = new AbortController().signal;

/** A run of so many checkpoints in a store in memory, closed unless it is to look as if a trainer were at it. */
async function runOf(saves: number, isClosed = true): Promise<Store> {
  const store = createMemoryStore();
  const session = await startSession({ remote: store });
  for (let save = 0; save < saves; save++) {
    session.save();
    await session.idle();
  }
  if (isClosed) await store.put("writers/00000001.closed", Buffer.from("{}\n"));
  return store;
}

async function contentOf(store: Store): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const name of await namesIn(store, ""))
    content[name] = Buffer.from((await store.get(name)) ?? []).toString("hex");
  return content;
}

async function isWhole(store: Store): Promise<boolean> {
  return (await verifyRun(new Tiers(store, null), true, signal)).isIntact;
}

const rejection = () => new StoreError("permission", "put", "x", "refused");

describe("copying a run", () => {
  it("copies every object of it, then only what is new", async () => {
    const [from, to] = [await runOf(3), createMemoryStore()];
    await from.put("pins/00000001-000000000002.json", Buffer.from("{}"));
    const progress: number[] = [];
    const report = await copyRun({ from, to, onProgress: ({ bytesDone }) => progress.push(bytesDone) });
    expect(await contentOf(to)).toEqual(await contentOf(from));
    const packs = await namesIn(from, "packs/");
    expect(report).toMatchObject({ packs: packs.length, alreadyThere: [], damaged: [] });
    expect(report.copied).toEqual(await namesIn(from, "checkpoints/"));
    expect(progress.at(-1)).toBe(report.bytes);
    const again = await copyRun({ from, to });
    expect(again).toMatchObject({ copied: [], packs: 0, bytes: 0 });
    expect(again.alreadyThere).toHaveLength(3);
  });

  it("is a run of its own, on disk, that restores the same", async () => {
    const [from, to] = [await temporaryFolder(), await temporaryFolder()];
    const source = await open({ store: from });
    const buffer = inlineBuffer();
    for (const step of [1, 2]) {
      addInline(buffer, 50);
      await source.save({ step, buffer, state: { step } }).committed;
    }
    await copyRun({ from, to });
    const restored = inlineBuffer();
    const copy = await open({ store: to });
    expect(await copy.restore({ buffer: restored })).toMatchObject({ step: 2, state: { step: 2 } });
    expect(stateHash({ buffer: restored })).toBe(stateHash({ buffer }));
    // The source goes on, and the copy follows.
    addInline(buffer, 5);
    await source.save({ step: 3, buffer }).committed;
    expect((await copyRun({ from, to })).copied).toHaveLength(1);
    expect(await copy.latestStep()).toBe(3);
  });

  it.each(["writers/", "checkpoints/"])(
    "has the writer of each checkpoint, and a sign of its end only beside all of them, whoever writes after %s is listed",
    async (prefix) => {
      const [from, to] = [withFaults(await runOf(1)), createMemoryStore()];
      const list = from.list.bind(from);
      let isFirst = true;
      from.list = async function* (listed, options) {
        yield* list(listed, options);
        if (listed !== prefix || !isFirst) return;
        isFirst = false;
        const writer = await startSession({ remote: from });
        writer.save();
        await writer.idle();
        await from.put("writers/00000002.closed", Buffer.from("{}\n"));
      };
      await copyRun({ from, to });
      const writers = (await namesIn(to, "checkpoints/")).map((name) => `writers/${name.slice(12, 20)}.json`);
      expect(await namesIn(to, "writers/")).toEqual(expect.arrayContaining(writers));
      const isClosed = (await to.head("writers/00000002.closed")) !== null;
      if (isClosed) expect(await namesIn(to, "checkpoints/")).toEqual(await namesIn(from, "checkpoints/"));
      await copyRun({ from, to });
      expect(await contentOf(to)).toEqual(await contentOf(from));
    },
  );

  it("leaves whole checkpoints only, wherever it ends, and goes on from there", async () => {
    const from = await runOf(3);
    const recorded = withRecording(createMemoryStore());
    await copyRun({ from, to: recorded });
    for (let place = 0; place < recorded.length; place++) {
      const to = await recorded.replay(place);
      if ((await namesIn(to, "")).length > 0) expect(await isWhole(to)).toBe(true);
      await copyRun({ from, to });
      expect(await contentOf(to)).toEqual(await contentOf(from));
    }
  });

  it("copies around what the source has damaged, and tells it", async () => {
    const [from, to] = [await runOf(3), createMemoryStore()];
    const [first, , last] = await namesIn(from, "checkpoints/");
    await from.put(last ?? "", Buffer.from("{"));
    const { packs } = JSON.parse(Buffer.from((await from.get(first ?? "")) ?? []).toString());
    await from.put(packs[0].name, Buffer.alloc(packs[0].bytes));
    const report = await copyRun({ from, to });
    expect(report.damaged.map(({ checkpoint }) => checkpoint)).toContain(last);
    expect(report.damaged.map(({ checkpoint }) => checkpoint)).toContain(first);
    expect(report.copied).not.toContain(first);
    expect(await isWhole(to)).toBe(true);
  });

  /** A run that holds one checkpoint at a time: where it is read for the second time, the next one is there instead. */
  async function shortLived(saves: number): Promise<{ from: Store; names: string[] }> {
    const from = await runOf(saves);
    const names = await namesIn(from, "checkpoints/");
    const [list, get] = [from.list.bind(from), from.get.bind(from)];
    const seen = new Set<string>();
    let held = 0;
    from.list = async function* (prefix, options) {
      for await (const info of list(prefix, options)) {
        if (prefix !== "checkpoints/" || info.name === names[held]) yield info;
      }
    };
    from.get = async (name, options) => {
      if (!names.includes(name)) return get(name, options);
      if (name !== names[held]) return null;
      // The last one stays.
      const isRemoved = seen.has(name) && held < names.length - 1;
      seen.add(name);
      if (!isRemoved) return get(name, options);
      held += 1;
      return null;
    };
    return { from, names };
  }

  it("lists again where retention removed all that was listed", async () => {
    const { from, names } = await shortLived(4);
    const to = createMemoryStore();
    expect(await copyRun({ from, to })).toMatchObject({ copied: [names[3]], removed: names.slice(0, 3), damaged: [] });
    expect(await namesIn(to, "checkpoints/")).toEqual([names[3]]);
    expect(await isWhole(to)).toBe(true);
  });

  it("ends after some listings, and says what was removed", async () => {
    const { from, names } = await shortLived(12);
    const report = await copyRun({ from, to: createMemoryStore() });
    expect(report).toMatchObject({ copied: [], alreadyThere: [], damaged: [], removed: names.slice(0, 10) });
  });

  it("copies a checkpoint whose manifest is removed while its packs are copied, packs being there", async () => {
    const [from, to] = [await runOf(1), createMemoryStore()];
    const [name = ""] = await namesIn(from, "checkpoints/");
    const get = from.get.bind(from);
    from.get = async (asked, options) => {
      if (asked.startsWith("packs/")) await from.delete(name);
      return get(asked, options);
    };
    expect(await copyRun({ from, to })).toMatchObject({ copied: [name], removed: [] });
    expect(await isWhole(to)).toBe(true);
  });

  it("mends a pack that the target has damaged", async () => {
    const [from, to] = [await runOf(2), createMemoryStore()];
    await copyRun({ from, to });
    const [pack] = await namesIn(to, "packs/");
    const bytes = Buffer.from((await to.get(pack ?? "")) ?? []);
    bytes[40] = (bytes[40] as number) ^ 1;
    await to.put(pack ?? "", bytes);
    expect(await copyRun({ from, to })).toMatchObject({ copied: [], packs: 1 });
    expect(await contentOf(to)).toEqual(await contentOf(from));
  });

  it("is refused where another run is, where the copy went on by itself, and onto itself", async () => {
    const from = await runOf(1);
    const other = await runOf(1);
    const before = await contentOf(other);
    await expect(copyRun({ from, to: other })).rejects.toMatchObject({ code: "VARVE_RUN_MISMATCH" });
    expect(await contentOf(other)).toEqual(before);
    await expect(copyRun({ from, to: from })).rejects.toMatchObject({ argument: "to" });
    const copy = createMemoryStore();
    await copyRun({ from, to: copy });
    const session = await startSession({ remote: copy });
    session.save();
    await session.idle();
    await expect(copyRun({ from, to: copy })).rejects.toThrow("went on by itself");
    await expect(copyRun({ from: createMemoryStore(), to: copy })).rejects.toThrow("there is none");
  });

  it("ends when a request fails for good, and when it is told to", async () => {
    const from = await runOf(2);
    const faulty = withFaults(createMemoryStore());
    faulty.faults.add({ kind: "reject", method: "put", name: /^packs/, error: rejection });
    await expect(copyRun({ from, to: faulty })).rejects.toMatchObject({ kind: "permission" });
    expect(await namesIn(faulty, "checkpoints/")).toEqual([]);
    const full = withFaults(createMemoryStore());
    const noSpace = () => new StoreError("no-space", "put", "x", "full", { hint: "Prune.", freeBytes: 5 });
    full.faults.add({ kind: "reject", method: "put", name: /^packs/, error: noSpace });
    await expect(copyRun({ from, to: full })).rejects.toMatchObject({
      ...{ kind: "no-space", freeBytes: 5, detail: "full", retryable: false },
      hint: expect.stringContaining("the same copy goes on"),
    });
    const stop = AbortSignal.abort();
    await expect(copyRun({ from, to: createMemoryStore(), signal: stop })).rejects.toMatchObject({ kind: "aborted" });
  });
});

describe("deleting a run", () => {
  it("says what there is, and deletes nothing before it is told to", async () => {
    const store = await runOf(2);
    const before = await contentOf(store);
    const report = await deleteRun({ store, confirmed: false });
    expect(report).toMatchObject({ isDeleted: false, checkpoints: 2, newestStep: 2 });
    expect(report?.packs).toBe((await namesIn(store, "packs/")).length);
    expect(await contentOf(store)).toEqual(before);
    expect(await deleteRun({ store: createMemoryStore(), confirmed: true })).toBeNull();
  });

  it("deletes all that is of the run and nothing else, children before parents, packs after all of them", async () => {
    const store = withRecording(await runOf(3));
    await store.put("logs/metrics.jsonl", Buffer.from("{}"));
    await store.put("packs/note.txt", Buffer.from("mine"));
    expect(await deleteRun({ store, confirmed: true })).toMatchObject({ isDeleted: true, checkpoints: 3 });
    expect(await namesIn(store, "")).toEqual(["logs/metrics.jsonl", "packs/note.txt"]);
    const deleted = store.operations.filter(({ method }) => method === "delete").map(({ name }) => name);
    expect(deleted.slice(0, 3)).toEqual([3, 2, 1].map((number) => `checkpoints/00000001-00000000000${number}.json`));
    expect(deleted.at(-1)).toBe("varve.json");
  });

  it("leaves whole checkpoints only, wherever it ends, and goes on from there", async () => {
    const recorded = withRecording(createMemoryStore());
    await copyRun({ from: await runOf(3), to: recorded });
    const start = recorded.length;
    await deleteRun({ store: recorded, confirmed: true });
    for (let place = start; place < recorded.length; place++) {
      const store = await recorded.replay(place);
      if ((await namesIn(store, "checkpoints/")).length > 0) expect(await isWhole(store)).toBe(true);
      // Between the claim and the sign that it is nobody's to wait for, it looks like a trainer's.
      const isClaimAlone = (await store.head("writers/00000002.json")) !== null;
      const force = isClaimAlone && (await store.head("writers/00000002.closed")) === null;
      await deleteRun({ store, confirmed: true, force });
      expect(await namesIn(store, "")).toEqual([]);
    }
  });

  it("is refused while a trainer may be at it, unless forced", async () => {
    const store = await runOf(1, false);
    const before = await contentOf(store);
    await expect(deleteRun({ store, confirmed: true })).rejects.toMatchObject({ code: "VARVE_PRUNE_REFUSED" });
    expect(await contentOf(store)).toEqual(before);
    expect(await deleteRun({ store, confirmed: true, force: true })).toMatchObject({ isDeleted: true });
    expect(await namesIn(store, "")).toEqual([]);
  });

  it("is refused for a run of a newer version", async () => {
    const store = await runOf(1);
    const text = Buffer.from((await store.get("varve.json")) ?? []).toString();
    await store.put("varve.json", Buffer.from(text.replace('"version":1', '"version":2')));
    const before = await contentOf(store);
    await expect(deleteRun({ store, confirmed: true, force: true })).rejects.toMatchObject({
      code: "VARVE_FORMAT_VERSION",
    });
    expect(await contentOf(store)).toEqual(before);
  });

  it("ends where another writer opens the run meanwhile", async () => {
    const store = await runOf(2);
    const faulty = withFaults(store);
    // Its claim is followed by another one before anything is deleted.
    const list = faulty.list.bind(faulty);
    let listings = 0;
    faulty.list = (prefix, options) => {
      if (prefix === "probe/") listings += 1;
      if (listings === 2) void store.put("writers/00000003.json", Buffer.from("{}"));
      return list(prefix, options);
    };
    await expect(deleteRun({ store: faulty, confirmed: true })).rejects.toMatchObject({ code: "VARVE_FENCED" });
    expect(await namesIn(store, "checkpoints/")).toHaveLength(2);
  });

  it("deletes a run whose run file or checkpoints cannot be read", async () => {
    const store = await runOf(2);
    await store.put("varve.json", Buffer.from("{"));
    const [name] = await namesIn(store, "checkpoints/");
    await store.put(name ?? "", Buffer.from("{"));
    expect(await deleteRun({ store, confirmed: true })).toMatchObject({ run: null, isDeleted: true, checkpoints: 2 });
    expect(await namesIn(store, "")).toEqual([]);
  });
});
