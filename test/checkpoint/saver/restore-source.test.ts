import { describe, expect, it } from "vitest";
import { EndGate } from "../../../src/base/end-gate.ts";
import { sha256Hex } from "../../../src/base/hash.ts";
import type { RestoredState, SaverCall, SelectedCheckpoint } from "../../../src/checkpoint/messages.ts";
import { gatherLeaves, RestoreSource, readTensor } from "../../../src/checkpoint/saver/restore-source.ts";
import { Tiers } from "../../../src/checkpoint/saver/tiers.ts";
import { buildPack } from "../../../src/codec/pack.ts";
import { readPackIndex } from "../../../src/codec/pack-index.ts";
import { encodeSection } from "../../../src/codec/section.ts";
import { sectionBytes } from "../../../src/codec/section-size.ts";
import {
  CorruptError,
  FormatVersionError,
  NoIntactCheckpointError,
  type Store,
  StoreError,
} from "../../../src/index.ts";
import { createMemoryStore } from "../../../src/store/memory.ts";
import { withFaults } from "../../../src/testing/fault-store.ts";
import { bytesOf, rowsOf, sourceOf } from "../../codec/sections.ts";
import { recordingStore } from "../../manifest/recording-store.ts";
import { type SessionOfTest, startSession } from "../session-of-test.ts";

const signal = new AbortController().signal;
const context = { signal, onProgress: () => undefined };
const nameOf = (sequence: number): string => `checkpoints/00000001-${String(sequence).padStart(12, "0")}.json`;
const question = { method: "select", step: null, sequence: null, after: null } as const;

type FillCall = Extract<SaverCall, { method: "fill" }>;
type Question = Partial<Pick<Extract<SaverCall, { method: "select" }>, "step" | "sequence" | "after">>;

/** A run of so many checkpoints, whose steps are their sequences. */
async function runOf(saves: number): Promise<{ store: Store; session: SessionOfTest; source: RestoreSource }> {
  const store = createMemoryStore();
  const session = await startSession({ remote: store });
  for (let save = 0; save < saves; save++) {
    session.save();
    await session.idle();
  }
  return { store, session, source: new RestoreSource(new Tiers(store, null), () => undefined, new EndGate()) };
}

const select = (source: RestoreSource, asked: Question = {}): Promise<SelectedCheckpoint | null> =>
  source.select({ ...question, ...asked }, signal);

const damage = (store: Store, sequence: number): Promise<boolean> => store.put(nameOf(sequence), Buffer.from("{"));

/** A manifest of a format that is not known here; nothing else is wrong with it. */
async function makeNewer(store: Store, sequence: number): Promise<void> {
  const text = Buffer.from((await store.get(nameOf(sequence))) ?? []).toString();
  const body = text.replace('"version":1', '"version":2').replace(/,"hash":"[0-9a-f]{64}"\}$/, "");
  const hash = sha256Hex(Buffer.from(body));
  await store.put(nameOf(sequence), Buffer.from(`${body},"hash":"${hash}"}`));
}

describe("choosing a checkpoint", () => {
  it("takes the newest, or that of a step, of a sequence, or of both where they belong together", async () => {
    const { source } = await runOf(3);
    expect(await select(source)).toMatchObject({ sequence: 3, skipped: [] });
    expect(await select(source, { step: 2 })).toMatchObject({ step: 2 });
    expect(await select(source, { sequence: 1 })).toMatchObject({ sequence: 1 });
    expect(await select(source, { step: 2, sequence: 2 })).toMatchObject({ sequence: 2 });
    const there = "there are: step 1 (sequence 1), step 2 (sequence 2), step 3 (sequence 3)";
    await expect(select(source, { step: 2, sequence: 1 })).rejects.toThrow(
      `No checkpoint with both step 2 and sequence 1: checkpoint 1 is of step 1; ${there}`,
    );
    await expect(select(source, { step: 9 })).rejects.toThrow(`No checkpoint with step 9; ${there}`);
  });

  it("names the first and the last of many checkpoints, and where all are listed", async () => {
    const { source } = await runOf(9);
    await expect(select(source, { step: 99 })).rejects.toMatchObject({
      message:
        "No checkpoint with step 99; there are 9: step 1 (sequence 1), step 2 (sequence 2), step 3 (sequence 3), …, " +
        "step 7 (sequence 7), step 8 (sequence 8), step 9 (sequence 9)",
      hint: expect.stringContaining("varve list"),
    });
  });

  it("passes over what is damaged, told by its sequence, and goes back one by one", async () => {
    const { source, store } = await runOf(4);
    await damage(store, 4);
    await damage(store, 1);
    const reason = expect.stringContaining(nameOf(4));
    expect(await select(source)).toMatchObject({ sequence: 3, skipped: [{ sequence: 4, reason }] });
    // It could not be taken over: the next best. What lies between was told before.
    expect(await select(source, { after: nameOf(3) })).toMatchObject({ sequence: 2, skipped: [] });
    expect(await select(source, { after: nameOf(2) })).toBeNull();
    await damage(store, 3);
    await damage(store, 2);
    await expect(select(source)).rejects.toBeInstanceOf(NoIntactCheckpointError);
    expect(await select((await runOf(0)).source)).toBeNull();
  });

  it("tells the damage of the one that was asked for, and of any where a step may have been its", async () => {
    const { source, store } = await runOf(2);
    await damage(store, 2);
    await expect(select(source, { sequence: 2 })).rejects.toThrow(nameOf(2));
    await expect(select(source, { step: 2 })).rejects.toBeInstanceOf(CorruptError);
    await expect(select(source, { sequence: 9 })).rejects.toMatchObject({ code: "VARVE_CHECKPOINT_NOT_FOUND" });
  });

  it("gives a manifest that was chosen, reads it again where others were chosen since, and tells when it is gone", async () => {
    const { source, store } = await runOf(6);
    const chosen = await select(source, { sequence: 1 });
    const first = await source.manifest(chosen?.manifest ?? "", signal);
    expect(await source.manifest(nameOf(1), signal)).toBe(first);
    for (const sequence of [2, 3, 4, 5]) await select(source, { sequence });
    const again = await source.manifest(nameOf(1), signal);
    expect(again).not.toBe(first);
    expect(again.hash).toBe(first.hash);
    await store.delete(nameOf(6));
    await expect(source.manifest(nameOf(6), signal)).rejects.toThrow("it was deleted while it was read");
  });

  it("goes back past no checkpoint of a newer format", async () => {
    const { source, store } = await runOf(2);
    await makeNewer(store, 2);
    await expect(select(source)).rejects.toBeInstanceOf(FormatVersionError);
    expect(await select(source, { step: 1 })).toMatchObject({ sequence: 1 });
  });

  it("takes the newer one where another process prunes what it has chosen", async () => {
    const { store, session } = await runOf(1);
    const pruned = recordingStore(store);
    const source = new RestoreSource(new Tiers(pruned, null), () => undefined, new EndGate());
    const prune = async (): Promise<void> => {
      session.save();
      await session.idle();
      await store.delete(nameOf(1));
    };
    pruned.before("get", nameOf(1), async () => pruned.before("get", nameOf(1), prune));
    expect(await select(source)).toMatchObject({ sequence: 2, skipped: [] });
  });

  it("takes none that is gone, whatever the listing says", async () => {
    const { store } = await runOf(2);
    let reads = 0;
    const untrue: Store = {
      ...{ url: store.url, traits: store.traits, put: store.put.bind(store), head: store.head.bind(store) },
      ...{ list: store.list.bind(store), delete: store.delete.bind(store) },
      get: async (name, options) => (++reads % 3 === 0 ? null : store.get(name, options)),
    };
    const source = new RestoreSource(new Tiers(untrue, null), () => undefined, new EndGate());
    await expect(select(source)).rejects.toThrow(`"${nameOf(2)}" is corrupt: it was deleted`);
    expect(reads).toBe(6);
    await expect(select(source, { step: 1 })).rejects.toThrow(`"${nameOf(1)}" is corrupt: it was deleted`);
  });

  it("keeps the last four, and takes only what was chosen", async () => {
    const { source } = await runOf(5);
    for (const sequence of [1, 2, 3, 4, 1, 5]) await select(source, { sequence });
    expect(() => source.loaded(nameOf(2))).toThrow(`Checkpoint ${nameOf(2)} was not selected`);
    for (const sequence of [1, 3, 4, 5]) expect(source.loaded(nameOf(sequence)).name).toBe(nameOf(sequence));
    const { recordOf, manifest } = source.loaded(nameOf(5));
    expect(recordOf(0)).toMatchObject({ name: manifest.packs[0]?.name, state: "stored" });
    expect(() => recordOf(manifest.packs.length)).toThrow(CorruptError);
  });

  it("has none to go on from where it is gone or damaged, and fails where that cannot be told", async () => {
    const { source, store } = await runOf(2);
    expect((await source.load(nameOf(1)))?.manifest.sequence).toBe(1);
    expect(await source.load(nameOf(9))).toBeNull();
    await damage(store, 2);
    expect(await source.load(nameOf(2))).toBeNull();
    const away = withFaults(store, [{ kind: "reject", method: "get" }]);
    const other = new RestoreSource(new Tiers(away, null), () => undefined, new EndGate());
    await expect(other.load(nameOf(1))).rejects.toBeInstanceOf(StoreError);
  });
});

describe("reading a checkpoint", () => {
  it("reads the tensors of the state, and none of the priorities", async () => {
    const { source } = await runOf(1);
    await select(source);
    const state = (await source.readState(nameOf(1), signal)) as RestoredState;
    const { manifest } = source.loaded(nameOf(1));
    expect(state.tensors.map(({ bytes }) => bytes.byteLength)).toEqual(
      manifest.tensors.map(({ length }, index) =>
        manifest.buffers["default"]?.priorityPages.includes(index) ? 0 : 8 * length,
      ),
    );
    expect(new Float64Array(state.tensors[0]?.bytes ?? new ArrayBuffer(0)).slice(0, 2)).toEqual(
      Float64Array.of(1, 1.5),
    );
    Object.assign(manifest, { state: null });
    expect(await source.readState(nameOf(1), signal)).toBeNull();
  });

  it("gives the leaves of a buffer with priorities only, and of one that there is", async () => {
    const { source } = await runOf(1);
    await select(source);
    const leavesOf = (call: FillCall): Promise<Float64Array | null> => source.fill(call, context);
    const targets = [{ log: 0, tail: 2, head: 10, segments: [] }];
    const whole = {
      method: "fill",
      manifest: nameOf(1),
      buffer: "default",
      layouts: [],
      targets,
      checkOnly: true,
    } as const;
    // Of two at once, one has the threads that decode, if it needs them.
    const leaves = new Float64Array(8).fill(1);
    expect(await Promise.all([leavesOf(whole), leavesOf(whole)])).toEqual([leaves, leaves]);
    expect(await leavesOf({ ...whole, targets: [] })).toBeNull();
    expect(await leavesOf({ ...whole, buffer: "other" })).toBeNull();
    Object.assign(source.loaded(nameOf(1)).manifest.buffers["default"] ?? {}, { prioritized: null });
    expect(await leavesOf(whole)).toBeNull();
  });

  it("takes a section for a tensor only where all that the manifest says of it holds", async () => {
    const values = Float64Array.of(1, 2, 3);
    const sha256 = sha256Hex(bytesOf(values));
    const pack = buildPack(
      [
        encodeSection({ ...sourceOf(bytesOf(values), "float64", [], "shuffle"), content: { kind: "tensor", sha256 } }),
        encodeSection({ ...sourceOf(bytesOf(values), "float64", [], "shuffle"), content: rowsOf("action", 0, 3) }),
      ],
      { epoch: 1 },
    );
    const index = readPackIndex(pack.bytes, pack.name);
    const stored = (entry: (typeof index.sections)[number]): Uint8Array => sectionBytes(pack.bytes, entry);
    const loaded = { name: pack.name, index, stored };
    const tensor = { sha256, dtype: "float64", length: 3, pack: 0, section: 0, storedBytes: 24 } as const;
    expect(new Float64Array(await readTensor(loaded, tensor))).toEqual(values);
    const lies = [
      { section: 1 },
      { section: 2 },
      { sha256: "0".repeat(64) },
      { dtype: "int64" },
      { length: 2 },
    ] as const;
    for (const lie of lies) {
      const message = `section ${"section" in lie ? lie.section : 0} is not the tensor that the manifest places there`;
      await expect(readTensor(loaded, { ...tensor, ...lie })).rejects.toThrow(message);
    }
  });

  it("takes leaves in the order of rows, wherever they lie, and refuses where one is missing", () => {
    const page = (...leaves: number[]): ArrayBuffer => Float64Array.from(leaves).buffer;
    const saved = { capacity: 5, priorityPages: [7, 3], leavesPerPage: 3 };
    const pages = new Map([
      [7, page(0, 1, 2)],
      [3, page(3, 4)],
    ]);
    expect(gatherLeaves("run", saved, pages, 8, 12)).toEqual(Float64Array.of(3, 4, 0, 1));
    pages.delete(3);
    expect(() => gatherLeaves("run", saved, pages, 8, 12)).toThrow("the priority of row 8 is missing");
    expect(gatherLeaves("run", saved, pages, 10, 12)).toEqual(Float64Array.of(0, 1));
  });
});
