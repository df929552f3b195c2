import { pbkdf2 } from "node:crypto";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalStore } from "../../src/store/local.ts";
import { readsInThread } from "../../src/store/reads-in-thread.ts";
import { temporaryFolder } from "../checkpoint/support.ts";

/** More than one piece, and no whole number of them. */
const BYTES = new Uint8Array(2_500_000).map((_, index) => index * 7 + (index >> 8));

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

  it("does not wait for Node's pool, and lets others have their turn between two pieces", async () => {
    const path = join(await temporaryFolder(), "a");
    await writeFile(path, BYTES);
    const file = await readsInThread.open(path);
    const ended: string[] = [];
    const busy = Array.from({ length: 16 }, () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      pbkdf2("secret", "salt", 300_000, 64, "sha512", () => {
        ended.push("pool");
        resolve();
      });
      return promise;
    });
    const target = new Uint8Array(BYTES.length);
    for (let done = 0; done < target.length; ) {
      const turned = new Promise<void>((resolve) => setImmediate(resolve)).then(() => ended.push("turn"));
      done += await file.read(target.subarray(done), done);
      await turned;
    }
    expect(ended).toEqual(["turn", "turn", "turn"]);
    expect(Buffer.compare(target, BYTES)).toBe(0);
    await Promise.all(busy);
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
