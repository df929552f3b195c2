import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalStore } from "../../src/store/local.ts";
import { readsInThread } from "../../src/store/thread-reads.ts";
import { temporaryFolder } from "../checkpoint/support.ts";

/** More than one piece, and no whole number of them. */
const BYTES = new Uint8Array(2_500_000).map((_, index) => index * 7 + (index >> 8));

/** Node's pool has four threads; each waits for a writer of a named pipe. Returns how to let them go. */
function occupyPool(folder: string): () => Promise<void> {
  const pipes = Array.from({ length: 4 }, (_, index) => join(folder, `pipe-${index}`));
  expect(spawnSync("mkfifo", pipes).status).toBe(0);
  const opened = pipes.map((pipe) => open(pipe, "r"));
  return async () => {
    for (const pipe of pipes) closeSync(openSync(pipe, "w"));
    for (const handle of await Promise.all(opened)) await handle.close();
  };
}

describe("a file system that reads in the calling thread", () => {
  it("reads what is there, whole and in ranges", async () => {
    const folder = await temporaryFolder();
    await createLocalStore(folder).put("packs/a", BYTES);
    const store = createLocalStore(folder, { fileSystem: readsInThread });
    expect(Buffer.compare((await store.get("packs/a")) as Uint8Array, BYTES)).toBe(0);
    const range = { offset: 1_000_001, length: 1_400_000 };
    const part = (await store.get("packs/a", { range })) as Uint8Array;
    expect(Buffer.compare(part, BYTES.subarray(range.offset, range.offset + range.length))).toBe(0);
    expect(await store.get("packs/b")).toBeNull();
  });

  it.skipIf(process.platform === "win32")("needs no thread of Node's pool", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "a");
    await writeFile(path, BYTES);
    const file = await readsInThread.open(path);
    const letGo = occupyPool(folder);
    const target = new Uint8Array(1000);
    expect(await file.read(target, 7)).toBe(1000);
    expect(Buffer.compare(target, BYTES.subarray(7, 1007))).toBe(0);
    await letGo();
    await file.close();
  });

  it("lets others have their turn before each piece", async () => {
    const path = join(await temporaryFolder(), "a");
    await writeFile(path, BYTES);
    const file = await readsInThread.open(path);
    let turns = 0;
    let next = setImmediate(function turn() {
      turns++;
      next = setImmediate(turn);
    });
    const target = new Uint8Array(BYTES.length);
    const read: number[] = [];
    for (let done = 0; done < target.length; done += read.at(-1) as number) {
      read.push(await file.read(target.subarray(done), done));
      expect(turns).toBeGreaterThanOrEqual(read.length);
    }
    clearImmediate(next);
    expect(read).toEqual([2 ** 20, 2 ** 20, BYTES.length - 2 ** 21]);
    expect(Buffer.compare(target, BYTES)).toBe(0);
    await file.close();
  });

  it("refuses a symbolic link, and tells the end of a file", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "a"), BYTES.subarray(0, 10));
    await symlink(join(folder, "a"), join(folder, "link"));
    await expect(readsInThread.open(join(folder, "link"))).rejects.toMatchObject({ code: "ELOOP" });
    const file = await readsInThread.open(join(folder, "a"));
    expect(await file.read(new Uint8Array(20), 4)).toBe(6);
    expect(await file.read(new Uint8Array(20), 10)).toBe(0);
    await file.close();
  });
});
