import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalStore } from "../../src/store/local.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import type { ObjectInfo, Store } from "../../src/store/store.ts";
import { createTemporaryNames } from "../../src/store/temporary-name.ts";
import { interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const bytes = new Uint8Array([1, 2, 3]);

async function names(store: Store, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of store.list(prefix)) found.push(name);
  return found;
}

describe("files and folders", () => {
  it("makes missing parents, and plain files that others may read", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(join(folder, "a", "b", "run"));
    await store.put("packs/1.pack", bytes);
    const file = join(folder, "a", "b", "run", "packs", "1.pack");
    expect(new Uint8Array(await readFile(file))).toEqual(bytes);
    expect((await stat(file)).mode & 0o777 & ~0o644).toBe(0);
    const info = await store.head("packs/1.pack");
    expect(info).toEqual({ name: "packs/1.pack", sizeBytes: 3, modifiedAtMs: (await stat(file)).mtimeMs });
  });

  it("goes on when its folder was removed under it", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(join(folder, "run"));
    await store.put("packs/1.pack", bytes);
    await rm(join(folder, "run"), { recursive: true });
    expect(await names(store)).toEqual([]);
    await store.put("packs/2.pack", bytes);
    expect(await names(store)).toEqual(["packs/2.pack"]);
  });

  it("looks at nothing in a listing of which the caller knows it, and lists no more than there is", async () => {
    const looked: string[] = [];
    const fileSystem = interceptFileSystem(nodeFileSystem, async ({ operation, path }, proceed) => {
      if (operation === "info") looked.push(basename(path));
      return proceed();
    });
    const store = createLocalStore(await temporaryFolder(), { fileSystem });
    await store.put("packs/1.pack", bytes);
    await store.put("packs/2.pack", bytes);
    const info = (name: string): ObjectInfo => ({ name, sizeBytes: 77, modifiedAtMs: 5 });
    const known = new Map(["packs/1.pack", "packs/3.pack"].map((name) => [name, info(name)]));
    looked.length = 0;
    const listed = await Array.fromAsync(store.list("packs/", { known }));
    expect(listed).toEqual([
      info("packs/1.pack"),
      { name: "packs/2.pack", sizeBytes: 3, modifiedAtMs: expect.any(Number) },
    ]);
    expect(looked.filter((name) => name.endsWith(".pack"))).toEqual(["2.pack"]);
  });

  it.runIf(process.platform === "linux")("says what to do where its folder cannot be made", async () => {
    await expect(createLocalStore("/proc/no-such-folder/run").put("packs/1.pack", bytes)).rejects.toMatchObject({
      ...{ code: "VARVE_STORE", kind: "io" },
      message: expect.stringContaining("/proc/no-such-folder"),
      hint: expect.stringContaining("cannot be made there"),
    });
  });

  it("ignores files whose names no object can have", async () => {
    const folder = await temporaryFolder();
    for (const name of [".tmp-0-1-x", "with space", "naïve", "dot."]) await writeFile(join(folder, name), "x");
    const store = createLocalStore(folder);
    await store.put("a", bytes);
    expect(await names(store)).toEqual(["a"]);
  });

  it("refuses a name that is a folder, and one below an object", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(folder);
    await store.put("packs/1.pack", bytes);
    await expect(store.put("packs", bytes)).rejects.toMatchObject({ kind: "unsupported" });
    await expect(store.put("packs", bytes, { ifAbsent: true })).rejects.toMatchObject({ kind: "unsupported" });
    await expect(store.put("packs/1.pack/below", bytes)).rejects.toMatchObject({ kind: "unsupported" });
  });

  it("tells a run that is a file from one that is empty", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "run"), "x");
    const store = createLocalStore(join(folder, "run"));
    await expect(names(store)).rejects.toMatchObject({ code: "VARVE_STORE", kind: "unsupported" });
    await expect(store.put("a", bytes)).rejects.toMatchObject({ code: "VARVE_STORE", kind: "unsupported" });
  });
});

describe("symbolic links", () => {
  const refused = { code: "VARVE_STORE", kind: "unsupported", message: expect.stringContaining("symbolic link") };

  async function expectRefused(store: Store, name: string): Promise<void> {
    await expect(store.put(name, bytes)).rejects.toMatchObject(refused);
    await expect(store.put(name, bytes, { ifAbsent: true })).rejects.toMatchObject(refused);
    await expect(store.get(name)).rejects.toMatchObject(refused);
    await expect(store.head(name)).rejects.toMatchObject(refused);
    await expect(store.delete(name)).rejects.toMatchObject(refused);
    await expect(names(store)).rejects.toMatchObject(refused);
  }

  it("are refused as an object", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "outside"), "secret");
    await mkdir(join(folder, "run"));
    await symlink(join(folder, "outside"), join(folder, "run", "object"));
    await expectRefused(createLocalStore(join(folder, "run")), "object");
    expect(await readFile(join(folder, "outside"), "utf8")).toBe("secret");
  });

  it("are refused as a folder on the way, dangling ones too", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "outside"));
    await mkdir(join(folder, "run"));
    await symlink(join(folder, "outside"), join(folder, "run", "packs"));
    await expectRefused(createLocalStore(join(folder, "run")), "packs/1.pack");
    expect(await readdir(join(folder, "outside"))).toEqual([]);
    await rm(join(folder, "outside"), { recursive: true });
    await expectRefused(createLocalStore(join(folder, "run")), "packs/1.pack");
  });

  it("are refused as the run's own folder, and allowed above it", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "real"));
    await symlink(join(folder, "real"), join(folder, "link"));
    await expectRefused(createLocalStore(join(folder, "link")), "packs/1.pack");
    const below = createLocalStore(join(folder, "link", "run"));
    await below.put("packs/1.pack", bytes);
    expect(await names(below)).toEqual(["packs/1.pack"]);
  });

  it("are refused where a folder that was used before has become one, whatever it leads to", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(join(folder, "run"));
    await store.put("packs/1.pack", bytes);
    await mkdir(join(folder, "outside"));
    for (const target of [join(folder, "outside"), join(folder, "run", "packs")]) {
      await rm(join(folder, "run", "packs"), { recursive: true });
      await symlink(target, join(folder, "run", "packs"));
      await expectRefused(store, "packs/1.pack");
      await expect(names(store, "packs/")).rejects.toMatchObject(refused);
    }
    expect(await readdir(join(folder, "outside"))).toEqual([]);
  });

  it("are looked for step by step where the system resolves no paths", async () => {
    const folder = await temporaryFolder();
    const fileSystem = { ...nodeFileSystem, realPath: () => Promise.reject(new Error("EISDIR: no such function")) };
    const store = createLocalStore(join(folder, "run"), { fileSystem });
    await store.put("packs/1.pack", bytes);
    expect(await names(store, "packs/")).toEqual(["packs/1.pack"]);
    await rm(join(folder, "run", "packs"), { recursive: true });
    await symlink(folder, join(folder, "run", "packs"));
    await expectRefused(store, "packs/1.pack");
  });

  it("do not hinder a listing that does not concern them", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(folder);
    await store.put("packs/1.pack", bytes);
    await symlink("/etc", join(folder, "other"));
    expect(await names(store, "packs/")).toEqual(["packs/1.pack"]);
  });
});

describe("unfinished files of other writers", () => {
  const DAY_MS = 24 * 60 * 60 * 1000;

  it("go when their process is dead, or they are a day old, and stay otherwise", async () => {
    const folder = await temporaryFolder();
    const own = { scope: "0000000a", isAlive: (processId: number) => processId === 7, createId: () => "x" };
    await mkdir(join(folder, "packs"));
    const put = async (name: string, ageMs: number): Promise<void> => {
      const path = join(folder, "packs", name);
      await writeFile(path, "x");
      const at = new Date(Date.now() - ageMs);
      await utimes(path, at, at);
    };
    await put(".tmp-0000000a-7-alive", 0);
    await put(".tmp-0000000a-7-old", DAY_MS + 60_000);
    await put(".tmp-0000000a-8-dead", 0);
    await put(".tmp-0000000b-8-elsewhere", DAY_MS - 60_000);
    await put(".tmp-0000000b-8-old", DAY_MS + 60_000);
    await put(".tmp-strange", 0);
    const store = createLocalStore(folder, { temporaryNames: createTemporaryNames(own) });
    await store.openForWriting();
    expect((await readdir(join(folder, "packs"))).sort()).toEqual([
      ".tmp-0000000a-7-alive",
      ".tmp-0000000b-8-elsewhere",
      ".tmp-strange",
    ]);
  });

  it("that are removed under a live writer cost it one rejected put, and nothing else", async () => {
    const folder = await temporaryFolder();
    const store = createLocalStore(folder, {
      temporaryNames: { next: () => ".tmp-0-0-gone/x", isAbandoned: () => true, isForeign: () => false },
    });
    await expect(store.put("a", bytes)).rejects.toMatchObject({ kind: "io", retryable: true });
  });

  it("are told dead or alive by the process's own judgement", async () => {
    const names = createTemporaryNames();
    expect(names.isAbandoned(names.next(), 0)).toBe(false);
    expect(names.isAbandoned(names.next(), DAY_MS + 1)).toBe(true);
    expect(names.isAbandoned("1.pack", DAY_MS + 1)).toBe(false);
    const dead = createTemporaryNames({ processId: 2 ** 22 + 1 });
    expect(names.isAbandoned(dead.next(), 0)).toBe(true);
  });
});
