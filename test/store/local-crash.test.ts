import { describe, expect, it } from "vitest";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createLocalStore } from "../../src/store/local.ts";
import type { Store } from "../../src/store/store.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { crashStates } from "../../src/testing/crash-states.ts";
import {
  type FileCall,
  failFileCalls,
  fileError,
  interceptFileSystem,
} from "../../src/testing/intercept-file-system.ts";

const RUN = "/runs/run-1";

function content(text: string): Uint8Array {
  return new TextEncoder().encode(text.repeat(40));
}

/** Puts a bug, or an ill-mannered disk, between the store and the disk that is recorded. */
type Plant = (disk: FileSystem) => FileSystem;

interface Step {
  readonly name: string;
  /** Null deletes. */
  readonly text: string | null;
  readonly ifAbsent?: boolean;
}

const STEPS: readonly Step[] = [
  { name: "varve.json", text: "run", ifAbsent: true },
  { name: "packs/1.pack", text: "one", ifAbsent: true },
  { name: "packs/deep/2.pack", text: "two" },
  { name: "varve.json", text: "replaced" },
  { name: "packs/1.pack", text: null },
  { name: "packs/1.pack", text: "again", ifAbsent: true },
];

/** Runs the steps, noting each that was acknowledged. */
async function record(plant: Plant): Promise<CrashFileSystem> {
  const disk = new CrashFileSystem();
  const store = createLocalStore(RUN, { fileSystem: plant(disk) });
  for (const [index, { name, text, ifAbsent }] of STEPS.entries()) {
    if (text === null) await store.delete(name);
    else await store.put(name, content(text), { ifAbsent });
    disk.note(String(index));
  }
  return disk;
}

/** What an object may hold when the steps before `acknowledged` are, and the next one may be under way. */
function allowed(name: string, acknowledged: number): readonly (string | null)[] {
  const settled = STEPS.slice(0, acknowledged).findLast((step) => step.name === name)?.text ?? null;
  const next = STEPS[acknowledged];
  return next?.name === name ? [settled, next.text] : [settled];
}

/** What is wrong in the states after a loss of power; a store is reopened in each, read, and written to. */
async function violations(plant: Plant): Promise<{ readonly states: number; readonly broken: ReadonlySet<string> }> {
  const broken = new Set<string>();
  let states = 0;
  for (const { notes, fileSystem } of crashStates(await record(plant), { maxStatesPerPoint: 100 })) {
    states++;
    const store = createLocalStore(RUN, { fileSystem });
    for (const name of new Set(STEPS.map((step) => step.name))) {
      const got = await store.get(name);
      const text = got === null ? null : new TextDecoder().decode(got);
      const expected = allowed(name, notes.length).map((word) => word?.repeat(40) ?? null);
      if (!expected.includes(text)) broken.add(`${name} is ${text === null ? "lost" : "not what was acknowledged"}`);
    }
    await store.put("packs/next.pack", content("next"), { ifAbsent: true });
    if (fileSystem.paths().some((path) => path.includes(".tmp-"))) broken.add("an unfinished file stays");
  }
  return { states, broken };
}

const honest: Plant = (disk) => disk;

/** Leaves out the calls that it matches, and says that they went well. */
function without(matches: (call: FileCall) => boolean): Plant {
  return (disk) => interceptFileSystem(disk, async (call, proceed) => (matches(call) ? undefined : proceed()));
}

/** Takes half of every write of more than a byte. */
function shortWrites(told: (taken: number, given: number) => number): Plant {
  return (disk) => ({
    ...interceptFileSystem(disk, (_, proceed) => proceed()),
    create: async (path) => {
      const file = await disk.create(path);
      const write = async (bytes: Uint8Array, position: number): Promise<number> => {
        const half = bytes.subarray(0, Math.ceil(bytes.length / 2));
        return told(await file.write(half, position), bytes.length);
      };
      return { write, sync: () => file.sync(), close: () => file.close(), info: () => file.info(), read: file.read };
    },
  });
}

/** What can be left of an object whose writer failed before its last sync, once another was told that it exists. */
async function afterBeingToldExists(plant: Plant): Promise<ReadonlySet<string>> {
  const disk = new CrashFileSystem();
  const stuck = failFileCalls(disk, "EIO", 0, 1, ({ operation, path }) => {
    return operation === "syncFolder" && path.endsWith("packs");
  });
  const put = createLocalStore(RUN, { fileSystem: stuck }).put("packs/1.pack", content("one"), { ifAbsent: true });
  await expect(put).rejects.toMatchObject({ code: "VARVE_STORE", kind: "io" });
  const other = createLocalStore(RUN, { fileSystem: plant(disk) });
  expect(await other.put("packs/1.pack", content("two"), { ifAbsent: true })).toBe(false);
  disk.note("exists");
  const left = new Set<string>();
  for (const { notes, fileSystem } of crashStates(disk)) {
    const got = await createLocalStore(RUN, { fileSystem }).get("packs/1.pack");
    if (notes.length > 0) left.add(String(got));
  }
  return left;
}

describe("loss of power", () => {
  it.each<[string, Plant]>([
    ["", honest],
    [" on a disk that takes half of every write", shortWrites((taken) => taken)],
  ])("leaves acknowledged objects whole, others whole or absent, and no litter%s", async (_, plant) => {
    const { states, broken } = await violations(plant);
    expect([...broken]).toEqual([]);
    expect(states).toBeGreaterThan(100);
  });

  it.each<[string, Plant]>([
    ["files are not synced", without(({ operation }) => operation === "sync")],
    ["folders are not synced", without(({ operation }) => operation === "syncFolder")],
    [
      "the parent of a new folder is not synced",
      without(({ operation, path }) => operation === "syncFolder" && !/(packs|deep)$/.test(path)),
    ],
    ["a short write counts as a whole one", shortWrites((_, given) => given)],
  ])("planted bug is caught: %s", async (_, plant) => {
    const { broken } = await violations(plant);
    expect(broken.size).toBeGreaterThan(0);
  });

  it("rule 7: an object that is said to exist survives, even if its writer had not synced the folder yet", async () => {
    expect(await afterBeingToldExists(honest)).toEqual(new Set([String(content("one"))]));
  });

  it("planted bug is caught: an object is said to exist without a sync", async () => {
    expect(await afterBeingToldExists(without(({ operation }) => operation === "syncFolder"))).toContain("null");
  });

  it("rule 7: what an object takes the place of stays until that object is durable", async () => {
    const disk = new CrashFileSystem();
    const [older, newer] = ["checkpoints/1.json", "checkpoints/2.json"];
    let isStuck = false;
    const fileSystem = interceptFileSystem(disk, async ({ operation, path }, proceed) => {
      if (isStuck && operation === "syncFolder") throw fileError("EIO", "fsync", path);
      return proceed();
    });
    const store = createLocalStore(RUN, { fileSystem });
    await store.put(older, content("older"), { ifAbsent: true });
    disk.note("acknowledged");
    isStuck = true;
    // It can be seen, as any prune sees it, and a loss of power can take it.
    await expect(store.put(newer, content("newer"), { ifAbsent: true })).rejects.toMatchObject({ kind: "io" });
    await expect(store.delete(older)).rejects.toMatchObject({ kind: "io" });
    expect(await store.get(older)).toEqual(content("older"));
    isStuck = false;
    await store.delete(older);
    const lost: string[] = [];
    for (const { notes, fileSystem: left, description } of crashStates(disk)) {
      const found = createLocalStore(RUN, { fileSystem: left });
      const isEmpty = (await found.get(older)) === null && (await found.get(newer)) === null;
      if (notes.includes("acknowledged") && isEmpty) lost.push(description);
    }
    expect(lost).toEqual([]);
  });

  it("keeps what two racing writers were told, whichever of them won", async () => {
    const disk = new CrashFileSystem();
    const names = ["writers/1.json", "writers/2.json", "packs/a.pack"];
    const write = async (store: Store, text: string, name: string): Promise<void> => {
      await store.put(name, content(text), { ifAbsent: true });
      disk.note(name);
    };
    const stores = ["one", "two"].map((text) => ({ text, store: createLocalStore(RUN, { fileSystem: disk }) }));
    await Promise.all(stores.flatMap(({ text, store }) => names.map((name) => write(store, text, name))));
    const wrong: string[] = [];
    for (const { notes, fileSystem, description } of crashStates(disk)) {
      const store = createLocalStore(RUN, { fileSystem });
      for (const name of names) {
        const got = String(await store.get(name));
        const winner = String(await createLocalStore(RUN, { fileSystem: disk }).get(name));
        if (got !== winner && (notes.includes(name) || got !== "null")) wrong.push(`${name} ${description}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
