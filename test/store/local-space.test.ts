import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { DiskSpace } from "../../src/store/file-system.ts";
import { createLocalStore, type LocalStore } from "../../src/store/local.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { type FileCall, fileError, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const RUN = "/runs/run-1";

interface SmallDisk {
  readonly store: LocalStore;
  readonly disk: CrashFileSystem;
  readonly calls: FileCall[];
}

/** @param writable - bytes that the disk takes before it is full */
function smallDisk(space: DiskSpace | null, writable = Number.POSITIVE_INFINITY): SmallDisk {
  const disk = new CrashFileSystem();
  const calls: FileCall[] = [];
  let left = writable;
  const fileSystem = interceptFileSystem(disk, async (call, proceed) => {
    calls.push(call);
    if (call.operation === "freeSpace") return space;
    if (call.operation === "write" && (left -= call.bytes?.length ?? 0) < 0)
      throw fileError("ENOSPC", "write", call.path);
    return proceed();
  });
  return { store: createLocalStore(RUN, { fileSystem }), disk, calls };
}

async function failureOf(put: Promise<boolean>): Promise<StoreError> {
  const error = await put.catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

describe("a disk without room", () => {
  it("refuses an object before it writes the first byte, where its size says that it will not fit", async () => {
    const { store, disk, calls } = smallDisk({ freeBytes: 1000, freeFiles: 7 });
    const error = await failureOf(store.put("packs/1.pack", new Uint8Array(100_000), { ifAbsent: true }));
    expect(error).toMatchObject({ kind: "no-space", retryable: false, neededBytes: 100_000, freeBytes: 1000 });
    expect(error.message).toContain(`writing 100000 bytes below ${RUN}`);
    expect(error.message).toContain("1000 bytes and 7 inodes are free");
    expect(error.hint).toContain("Free some space");
    expect(calls.filter(({ operation }) => operation === "create" || operation === "write")).toEqual([]);
    expect(disk.paths()).toEqual([]);
  });

  it("tells bytes needed and bytes and inodes free when the disk turns out to be full", async () => {
    const { store, disk } = smallDisk({ freeBytes: 4096, freeFiles: 0 }, 10);
    const error = await failureOf(store.put("packs/1.pack", new Uint8Array(300)));
    expect(error).toMatchObject({ kind: "no-space", neededBytes: 300, freeBytes: 4096 });
    expect(error.message).toContain(`ENOSPC: writing 300 bytes below ${RUN}: 4096 bytes and 0 inodes are free`);
    expect(disk.paths()).toEqual([]);
  });

  it("tells what is free although not even the run's folder can be made", async () => {
    const disk = new CrashFileSystem();
    const fileSystem = interceptFileSystem(disk, async (call, proceed) => {
      if (call.operation === "makeFolder") throw fileError("ENOSPC", "mkdir", call.path);
      return call.operation === "freeSpace" && call.path === "/" ? { freeBytes: 7, freeFiles: 0 } : proceed();
    });
    const error = await failureOf(createLocalStore(RUN, { fileSystem }).put("varve.json", new Uint8Array(5)));
    expect(error).toMatchObject({ kind: "no-space", neededBytes: 5, freeBytes: 7 });
  });

  it("says nothing of free space where the system does not", async () => {
    const { store } = smallDisk(null, 10);
    const error = await failureOf(store.put("packs/1.pack", new Uint8Array(300)));
    expect(error).toMatchObject({ kind: "no-space", neededBytes: 300, freeBytes: null });
    expect(error.message).not.toContain("free");
  });

  it("writes where there is room, and asks for it only where that can save much", async () => {
    const { store, calls } = smallDisk({ freeBytes: 100_000, freeFiles: null });
    expect(await store.put("packs/1.pack", new Uint8Array(100_000))).toBe(true);
    expect(calls.filter(({ operation }) => operation === "freeSpace")).toHaveLength(1);
    expect(await store.put("varve.json", new Uint8Array(100))).toBe(true);
    expect(calls.filter(({ operation }) => operation === "freeSpace")).toHaveLength(1);
  });

  it("writes where the question itself fails", async () => {
    const fileSystem = interceptFileSystem(new CrashFileSystem(), async (call, proceed) => {
      if (call.operation === "freeSpace") throw fileError("ENOSYS", "statfs", call.path);
      return proceed();
    });
    expect(await createLocalStore(RUN, { fileSystem }).put("packs/1.pack", new Uint8Array(100_000))).toBe(true);
  });

  it("knows the machine's own disk", async () => {
    const space = await nodeFileSystem.freeSpace(await temporaryFolder());
    expect(space?.freeBytes).toBeGreaterThan(0);
    await expect(nodeFileSystem.freeSpace("/there/is/no/such/folder")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
