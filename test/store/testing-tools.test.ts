import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { CrashFileSystem, crashStates, withFaults, withRecording } from "../../src/testing/index.ts";

const bytes = new Uint8Array([1, 2, 3]);

describe("the contract suite", () => {
  it("runs in Node's own test runner too", async () => {
    const file = join(import.meta.dirname, "fixtures", "contract-in-node-test.ts");
    const { stdout } = await promisify(execFile)(process.execPath, ["--test", "--test-reporter=tap", file]);
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(25);
  });
});

describe("withFaults", () => {
  it("fails by method, name, after and times, and counts", async () => {
    const store = withFaults(createMemoryStore(), [
      { kind: "reject", method: "put", name: /^packs\//, after: 1, times: 2 },
    ]);
    await store.put("varve.json", bytes);
    await store.put("packs/1", bytes);
    await expect(store.put("packs/2", bytes)).rejects.toMatchObject({ kind: "network", retryable: true });
    await expect(store.put("packs/3", bytes)).rejects.toMatchObject({ operation: "put", objectName: "packs/3" });
    await store.put("packs/4", bytes);
    expect(await store.get("packs/2")).toBeNull();
    expect(store.faults.calls).toEqual({ put: 5, get: 1, head: 0, list: 0, delete: 0 });
    expect(store.faults.injected.reject).toBe(2);
  });

  it("loses answers: done, and told as failed", async () => {
    const store = withFaults(createMemoryStore(), [{ kind: "lost-answer", method: "put" }]);
    await expect(store.put("a", bytes, { ifAbsent: true })).rejects.toMatchObject({ kind: "network" });
    expect(await store.put("a", bytes, { ifAbsent: true })).toBe(false);
    expect(await store.get("a")).toEqual(bytes);
  });

  it("stalls until it is aborted or released", async () => {
    const store = withFaults(createMemoryStore(), [{ kind: "stall", times: Number.POSITIVE_INFINITY }]);
    const controller = new AbortController();
    const aborted = store.get("a", { signal: controller.signal }).catch((error: unknown) => error);
    const released = store.put("a", bytes);
    controller.abort();
    expect(await aborted).toMatchObject({ kind: "aborted" });
    store.faults.release();
    expect(await released).toBe(true);
    expect(await store.get("a")).toEqual(bytes);
  });

  it("flips a bit on the way up or down", async () => {
    const store = withFaults(createMemoryStore(), [
      { kind: "wrong-bytes", method: "put" },
      { kind: "wrong-bytes", method: "get", after: 1 },
    ]);
    await store.put("a", bytes);
    expect(await store.get("a")).toEqual(new Uint8Array([1, 3, 3]));
    expect(await store.get("a")).toEqual(bytes);
    expect(() => store.faults.add({ kind: "wrong-bytes", method: "list" })).toThrow("wrong-bytes");
  });
});

describe("withRecording", () => {
  it("tells what had been answered when something was asked", async () => {
    const store = withRecording(createMemoryStore());
    await Promise.all([store.put("packs/1", bytes), store.put("packs/2", bytes)]);
    await store.put("manifest", bytes, { ifAbsent: true });
    const [first, second, manifest] = store.operations;
    expect(store.operations.map(({ name }) => name)).toEqual(["packs/1", "packs/2", "manifest"]);
    expect(first?.calledAt).toBeLessThan(second?.answeredAt ?? 0);
    expect(second?.calledAt).toBeLessThan(first?.answeredAt ?? 0);
    expect(manifest?.calledAt).toBeGreaterThan(Math.max(first?.answeredAt ?? 99, second?.answeredAt ?? 99));
    expect(manifest).toMatchObject({ method: "put", ifAbsent: true, outcome: "done", result: true, bytes });
  });

  it("replays any beginning into a new store", async () => {
    const store = withRecording(createMemoryStore());
    await store.put("a", new Uint8Array([1]));
    await store.put("a", new Uint8Array([2]), { ifAbsent: true });
    await store.put("b", new Uint8Array([3]));
    await store.delete("a");
    expect(await (await store.replay(0)).get("a")).toBeNull();
    expect(await (await store.replay(4)).get("a")).toEqual(new Uint8Array([1]));
    expect(await (await store.replay(4)).get("b")).toBeNull();
    expect(await (await store.replay(store.length)).get("a")).toBeNull();
    expect(await (await store.replay(store.length)).get("b")).toEqual(new Uint8Array([3]));
  });
});

describe("crashStates", () => {
  async function write(disk: FileSystem, path: string, content: Uint8Array): Promise<void> {
    const file = await disk.create(path);
    await file.write(content, 0);
    await file.close();
  }

  async function read(disk: FileSystem, path: string): Promise<string> {
    const info = await disk.info(path).catch(() => null);
    if (info === null) return "absent";
    const target = new Uint8Array(info.sizeBytes);
    await (await disk.open(path)).read(target, 0);
    return target.length === 0 ? "empty" : [...target].map((byte) => byte.toString(16)).join(" ");
  }

  async function outcomes(disk: CrashFileSystem, path: string): Promise<string[]> {
    const found = new Set<string>();
    for (const { fileSystem } of crashStates(disk)) found.add(await read(fileSystem, path));
    return [...found].sort();
  }

  it("keeps, loses, tears and garbles what was not synced", async () => {
    const disk = new CrashFileSystem();
    await write(disk, "/a", new Uint8Array([1, 2]));
    expect(await outcomes(disk, "/a")).toEqual(["1", "1 2", "absent", "db db", "empty"]);
  });

  it("tears writes between sectors, in whatever order they arrived", async () => {
    const disk = new CrashFileSystem();
    await write(disk, "/a", new Uint8Array([1, 2, 3, 4, 5]));
    const found = new Set<string>();
    for (const { fileSystem } of crashStates(disk, { sectorBytes: 2 })) found.add(await read(fileSystem, "/a"));
    expect([...found].sort()).toEqual([
      "0 0 3 4",
      "1 2",
      "1 2 0 0 5",
      "1 2 3 4",
      "1 2 3 4 5",
      "absent",
      "db db db db db",
      "empty",
    ]);
  });

  it("gives no state of a point twice, and says how much had happened", async () => {
    const disk = new CrashFileSystem();
    for (const name of ["/a", "/b", "/c", "/d"]) await write(disk, name, new Uint8Array(2000));
    const states = [...crashStates(disk, { maxStatesPerPoint: 40, sectorBytes: 512 })];
    const named = states.map(({ eventCount, description }) => `${eventCount} ${description}`);
    expect(new Set(named).size).toBe(named.length);
    expect(states.filter(({ eventCount }) => eventCount === disk.events.length)).toHaveLength(40);
  });

  it("keeps what was synced, once that was noted", async () => {
    const disk = new CrashFileSystem();
    const file = await disk.create("/a");
    await file.write(new Uint8Array([1, 2]), 0);
    await file.sync();
    await disk.syncFolder("/");
    disk.note("durable");
    const noted = [...crashStates(disk)].filter(({ notes }) => notes.includes("durable"));
    expect(noted).toHaveLength(1);
    expect(await read(noted[0]?.fileSystem as FileSystem, "/a")).toBe("1 2");
  });

  it("replaces by rename all or nothing", async () => {
    const disk = new CrashFileSystem();
    for (const [path, byte] of [
      ["/a", 1],
      ["/b", 2],
    ] as const) {
      const file = await disk.create(path);
      await file.write(new Uint8Array([byte]), 0);
      await file.sync();
    }
    await disk.syncFolder("/");
    disk.note("both");
    await disk.rename("/b", "/a");
    const seen = new Set<string>();
    for (const { notes, fileSystem } of crashStates(disk)) {
      if (notes.length > 0) seen.add(`${await read(fileSystem, "/a")}, ${await read(fileSystem, "/b")}`);
    }
    expect([...seen].sort()).toEqual(["1, 2", "2, absent"]);
  });

  it("loses everything in a folder whose own entry was lost", async () => {
    const disk = new CrashFileSystem();
    await disk.makeFolder("/folder");
    const file = await disk.create("/folder/a");
    await file.sync();
    await disk.syncFolder("/folder");
    disk.note("synced, but not the root");
    expect(await outcomes(disk, "/folder/a")).toEqual(["absent", "empty"]);
  });

  it("gives the same states for the same seed, and no more than it may", async () => {
    const disk = new CrashFileSystem();
    for (let index = 0; index < 12; index++) await write(disk, `/${index}`, new Uint8Array(8));
    const run = (seed: number): string[] =>
      [...crashStates(disk, { seed, maxStatesPerPoint: 10 })].map(({ description }) => description);
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
    expect(run(5).length).toBeLessThanOrEqual(1 + disk.events.length * 10);
  });

  it("goes on recording on a state, so that a second crash can be played", async () => {
    const disk = new CrashFileSystem();
    await write(disk, "/a", bytes);
    const state = [...crashStates(disk)].at(-1);
    await write(state?.fileSystem as FileSystem, "/b", bytes);
    expect([...crashStates(state?.fileSystem as CrashFileSystem)].length).toBeGreaterThan(4);
  });
});
