import { describe, expect, it } from "vitest";
import { readPackIndex } from "../../src/codec/pack-index.ts";
import { type Checkpointer, stateHash } from "../../src/index.ts";
import type { RecordedStore } from "../../src/testing/recording-store.ts";
import {
  actionsOf,
  addInline,
  addWindows,
  bytesPutSince,
  inlineBuffer,
  namesIn,
  numbersFrom,
  observedStore,
  open,
  requestsSince,
  windowBuffer,
} from "./support.ts";

/** What a stored array costs: noise does not compress. */
function noise(length: number, seed: number): Float32Array {
  let state = seed * 2_654_435_761 + 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state;
  });
}

/** Rows of each log in the packs that were written since `place`: how often, and from where to where. */
function rowsWritten(store: RecordedStore, place: number): { count: number; from: number; to: number } {
  const packs = store.operations.filter(({ calledAt, method, name }) => {
    return calledAt >= place && method === "put" && name.startsWith("packs/");
  });
  const sections = packs.flatMap(({ bytes, name }) => readPackIndex(bytes ?? new Uint8Array(0), name).sections);
  const rows = sections.flatMap(({ content }) =>
    content.kind === "rows" && content.column === "action" ? [[content.from, content.to] as const] : [],
  );
  return {
    count: rows.reduce((sum, [from, to]) => sum + to - from, 0),
    from: Math.min(...rows.map(([from]) => from)),
    to: Math.max(...rows.map(([, to]) => to)),
  };
}

async function saved(checkpointer: Checkpointer, request: Parameters<Checkpointer["save"]>[0]): Promise<void> {
  await checkpointer.save(request).committed;
}

describe("saves of what is new", () => {
  it("needs next to nothing where nothing is new", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = windowBuffer({ prioritized: {} });
    addWindows(buffer, 100);
    const state = { tiny: Float32Array.of(1, 2), large: noise(300_000, 1), bias: new Float64Array(3), step: 1 };
    await saved(checkpointer, { step: 1, buffer, state });
    const place = store.length;
    await saved(checkpointer, { step: 2, buffer, state });
    expect(requestsSince(store, place)).toEqual(["head writers/", "put checkpoints/", "head writers/"]);
    expect(bytesPutSince(store, place)).toBeLessThan(64 * 1024);
  });

  it("encodes every row once, however many saves name it", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store, onBacklog: "queue" });
    const buffer = inlineBuffer({ capacity: 1000 });
    // Eight packs at most are small; from the ninth on they are merged.
    for (let step = 0; step < 8; step++) {
      addInline(buffer, 37);
      await saved(checkpointer, { step, buffer });
    }
    expect(rowsWritten(store, 0)).toEqual({ count: 296, from: 0, to: 296 });
  });

  it("writes only new rows after the run is opened again", async () => {
    const { store } = observedStore();
    const first = await open({ store });
    const buffer = inlineBuffer();
    addInline(buffer, 100);
    const state = { weights: noise(1000, 1) };
    await saved(first, { step: 1, buffer, state });
    await first.close();
    const second = await open({ store });
    const copy = inlineBuffer();
    await second.restore({ buffer: copy });
    addInline(copy, 10);
    const place = store.length;
    await saved(second, { step: 2, buffer: copy, state });
    expect(rowsWritten(store, place)).toEqual({ count: 10, from: 100, to: 110 });
    expect(bytesPutSince(store, place, "packs/")).toBeLessThan(3000);
  });

  it("stores an array that did not change once, and one that occurs twice once", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const agents = [1, 2, 3, 4].map((seed) => noise(100_000, seed));
    await saved(checkpointer, { step: 1, state: { agents, best: agents[0]?.slice() } });
    expect(bytesPutSince(store, 0, "packs/")).toBeLessThan(4 * 400_000 * 1.05);
    const place = store.length;
    const next = [agents[0], agents[1], agents[3], noise(100_000, 5)];
    await saved(checkpointer, { step: 2, state: { agents: next, best: agents[1] } });
    expect(bytesPutSince(store, place, "packs/")).toBeLessThan(400_000 * 1.05);
    expect((await checkpointer.restore())?.state.agents).toEqual(next);
    expect((await checkpointer.restore({ step: 1 }))?.state.agents).toEqual(agents);
  });

  it("keeps a survivor of small packs for nothing, until there are too many of them", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const elites: Float32Array[] = [];
    const newPacks: number[] = [];
    for (let step = 1; step <= 12; step++) {
      elites.push(noise(500, step));
      const others = Array.from({ length: 5 }, (_, i) => noise(500, 1000 * step + i));
      const place = store.length;
      await saved(checkpointer, { step, state: { elites, others } });
      newPacks.push(Math.round(bytesPutSince(store, place, "packs/") / 2000));
    }
    expect(newPacks.slice(0, 9)).toEqual([6, 6, 6, 6, 6, 6, 6, 6, 6]);
    expect(newPacks.slice(9).filter((count) => count > 6)).toEqual([expect.toSatisfy((count) => count >= 14)]);
    expect((await checkpointer.restore())?.state.elites).toEqual(elites);
  });

  it("does not keep a large pack alive for little", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const survivor = noise(50_000, 1);
    await saved(checkpointer, { step: 1, state: [survivor, noise(500_000, 2)] });
    await saved(checkpointer, { step: 2, state: [survivor, noise(500_000, 3)] });
    const [one, two] = await checkpointer.list();
    const packs = (await namesIn(store, "packs/")).length;
    expect(packs).toBe(2);
    expect(two?.storedBytes).toBeLessThan(1.1 * (one?.storedBytes ?? 0));
  });

  it("stores pages of priorities only where priorities changed", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ capacity: 10_000, prioritized: {}, internal: {} });
    addInline(buffer, 10_000);
    buffer.updatePriorities(numbersFrom(0, 10_000), numbersFrom(0, 10_000).map(Math.sin));
    await saved(checkpointer, { step: 1, buffer });
    const all = bytesPutSince(store, 0, "packs/");
    buffer.updatePriorities([5000], [3]);
    const place = store.length;
    await saved(checkpointer, { step: 2, buffer });
    const page = bytesPutSince(store, place, "packs/");
    expect(page).toBeGreaterThan(1000);
    expect(page).toBeLessThan(40_000);
    expect(all).toBeGreaterThan(2 * page);
    const copy = inlineBuffer({ capacity: 10_000, prioritized: {} });
    await checkpointer.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });

  it("merges small packs when there are more than eight, and restores the same", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = windowBuffer({ capacity: 2000 });
    for (let step = 1; step <= 30; step++) {
      addWindows(buffer, 7);
      await saved(checkpointer, { step, buffer });
    }
    const text = new TextDecoder().decode((await store.get("checkpoints/00000001-000000000030.json")) ?? undefined);
    const { packs } = JSON.parse(text) as { packs: { covers: { log: string }[] }[] };
    for (const log of ["default/transitions", "default/frames/observation"]) {
      const count = packs.filter(({ covers }) => covers.some((cover) => cover.log === log)).length;
      expect(count).toBeGreaterThan(0);
      expect(count).toBeLessThanOrEqual(9);
    }
    const copy = windowBuffer({ capacity: 2000 });
    await checkpointer.restore({ buffer: copy });
    expect(stateHash({ buffer: copy })).toBe(stateHash({ buffer }));
  });

  it("ships full blocks ahead, so that a save has only the tail left", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ capacity: 100_000, internal: { blockBytes: 64 * 1024 } });
    addInline(buffer, 2000);
    await saved(checkpointer, { step: 1, buffer });
    const before = checkpointer.status().bytes;
    addInline(buffer, 60_000);
    const place = store.length;
    // The open pack goes out with the next save; ask for one that holds nothing else.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const save = checkpointer.save({ step: 2, buffer });
    const { transitions } = await save.committed;
    expect(transitions).toBe(62_000);
    expect(checkpointer.status().bytes).toBeGreaterThan(before);
    expect(rowsWritten(store, place).to).toBe(62_000);
    const copy = inlineBuffer({ capacity: 100_000 });
    await checkpointer.restore({ buffer: copy });
    expect(actionsOf(copy)).toEqual(numbersFrom(0, 62_000));
  });

  it("holds shipping back where rows leave the buffer before they are saved", async () => {
    const { store } = observedStore();
    const checkpointer = await open({ store });
    const buffer = inlineBuffer({ capacity: 500, internal: {} });
    for (let step = 1; step <= 3; step++) {
      addInline(buffer, 20_000);
      await saved(checkpointer, { step, buffer });
    }
    // Two turnovers at most are shipped for a save that does not come, besides what the saves need.
    expect(rowsWritten(store, 0).count).toBeLessThan(3 * 500 + 2 * 1000);
    expect(checkpointer.status().failed).toBe(0);
  });
});
