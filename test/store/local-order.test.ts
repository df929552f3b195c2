import { describe, expect, it } from "vitest";
import { createLocalStore, type LocalStore } from "../../src/store/local.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { describeFileCall, type FileCall, recordFileCalls } from "../../src/testing/intercept-file-system.ts";

const bytes = new Uint8Array([1, 2, 3]);

/** What changes the disk or makes it durable; looking around is of no interest here. */
const WRITING: ReadonlySet<string> = new Set([
  "create",
  "write",
  "sync",
  "close",
  "link",
  "rename",
  "unlink",
  "makeFolder",
  "syncFolder",
]);

function recordedStore(disk = new CrashFileSystem()): { store: LocalStore; take: () => string[] } {
  const { fileSystem, calls } = recordFileCalls(disk);
  const writing = (call: FileCall): boolean => WRITING.has(call.operation);
  return {
    store: createLocalStore("/runs/run-1", { fileSystem }),
    take: () => calls.splice(0).filter(writing).map(describeFileCall),
  };
}

describe("order of file operations", () => {
  it("syncs the parent of every new folder before anything is put into it", async () => {
    const { store, take } = recordedStore();
    await store.put("packs/1.pack", bytes);
    expect(take().slice(0, 9)).toEqual([
      "syncFolder ",
      "makeFolder runs",
      "syncFolder ",
      "makeFolder run-1",
      "syncFolder runs",
      "syncFolder run-1",
      "makeFolder packs",
      "syncFolder run-1",
      "create .tmp",
    ]);
  });

  it("writes, syncs and closes a file before it is linked, and syncs the folder last", async () => {
    const { store, take } = recordedStore();
    await store.put("packs/0.pack", bytes);
    take();
    await store.put("packs/1.pack", bytes, { ifAbsent: true });
    expect(take()).toEqual([
      "create .tmp",
      "write .tmp",
      "sync .tmp",
      "close .tmp",
      "link .tmp -> 1.pack",
      "unlink .tmp",
      "syncFolder packs",
    ]);
  });

  it("renames where an object may be replaced", async () => {
    const { store, take } = recordedStore();
    await store.put("packs/0.pack", bytes);
    take();
    await store.put("packs/0.pack", bytes);
    expect(take()).toEqual([
      "create .tmp",
      "write .tmp",
      "sync .tmp",
      "close .tmp",
      "rename .tmp -> 0.pack",
      "syncFolder packs",
    ]);
  });

  it("rule 7: syncs file and folder before it says that an object exists", async () => {
    const { store, take } = recordedStore();
    await store.put("packs/0.pack", bytes);
    take();
    expect(await store.put("packs/0.pack", bytes, { ifAbsent: true })).toBe(false);
    expect(take()).toEqual(["sync 0.pack", "close 0.pack", "syncFolder packs"]);
  });

  it("rule 7: syncs every folder of the run, and those above it, when it is opened for writing", async () => {
    const disk = new CrashFileSystem();
    await recordedStore(disk).store.put("packs/deep/1.pack", bytes);
    const { store, take } = recordedStore(disk);
    await store.openForWriting();
    expect(take()).toEqual([
      "syncFolder ",
      "syncFolder runs",
      "syncFolder run-1",
      "syncFolder packs",
      "syncFolder deep",
    ]);
    await store.openForWriting();
    expect(take()).toEqual([]);
  });

  it("syncs the folder after a delete, also when the object was gone already", async () => {
    const { store, take } = recordedStore();
    await store.put("packs/0.pack", bytes);
    take();
    await store.delete("packs/0.pack");
    expect(take()).toEqual(["unlink 0.pack", "syncFolder packs"]);
    await store.delete("packs/0.pack");
    expect(take()).toEqual(["syncFolder packs"]);
  });

  it("writes nothing to read, list or delete in a run that does not exist", async () => {
    const { store, take } = recordedStore();
    await store.get("varve.json");
    await store.head("varve.json");
    await store.delete("packs/1.pack");
    for await (const { name } of store.list("")) expect(name).toBe("none");
    expect(take()).toEqual([]);
  });
});
