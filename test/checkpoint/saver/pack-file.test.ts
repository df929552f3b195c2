import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openPackFile, writePackFile } from "../../../src/checkpoint/saver/pack-file.ts";
import { encodeSection } from "../../../src/codec/section.ts";
import type { FileSystem } from "../../../src/store/file-system.ts";
import { nodeFileSystem } from "../../../src/store/node-file-system.ts";
import { createTemporaryNames } from "../../../src/store/temporary-name.ts";
import { failFileCalls, interceptFileSystem } from "../../../src/testing/intercept-file-system.ts";
import { sourceOf } from "../../codec/sections.ts";
import { temporaryFolder } from "../support.ts";

const section = encodeSection(sourceOf(Uint8Array.of(3, 1, 4, 1, 5, 9, 2, 6), "uint8", [], "none"));
const write = (files: FileSystem, path: string) => writePackFile(files, path, (add) => add(section));

/** Of a process that is not there: no process has this number. */
function abandonedName(): string {
  const example = createTemporaryNames().next();
  return example.replace(`-${process.pid}-`, "-4194999-");
}

/** A disk that takes so many bytes of each write. */
function taking(bytesAtOnce: number): FileSystem {
  const create: FileSystem["create"] = async (path) => {
    const file = await nodeFileSystem.create(path);
    return {
      read: (target, position) => file.read(target, position),
      write: async (bytes, position) => (bytesAtOnce === 0 ? 0 : file.write(bytes.subarray(0, bytesAtOnce), position)),
      ...{ info: () => file.info(), sync: () => file.sync(), close: () => file.close() },
    };
  };
  return { ...nodeFileSystem, create };
}

describe("writing a pack file", () => {
  it("gives the same file where the disk takes a few bytes at a time", async () => {
    const folder = await temporaryFolder();
    await write(nodeFileSystem, join(folder, "whole"));
    await write(taking(3), join(folder, "pieces"));
    expect(await readFile(join(folder, "pieces"))).toEqual(await readFile(join(folder, "whole")));
    // And fails, leaving nothing, where it takes none at all.
    await expect(write(taking(0), join(folder, "none"))).rejects.toMatchObject({ code: "VARVE_STORE", kind: "io" });
    expect((await readdir(folder)).sort()).toEqual(["pieces", "whole"]);
  });

  it("removes what dead processes left, unless another one was quicker, and says where it may not", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "pack");
    const abandoned = join(folder, abandonedName());
    const unlinking = (code: string) =>
      failFileCalls(nodeFileSystem, code, 0, 1, ({ operation, path: name }) => {
        return operation === "unlink" && name === abandoned;
      });
    await writeFile(abandoned, "half");
    await expect(write(unlinking("EACCES"), path)).rejects.toMatchObject({ kind: "permission", operation: "save" });
    expect(await readdir(folder)).toHaveLength(1);
    await write(unlinking("ENOENT"), path);
    await write(nodeFileSystem, path);
    expect(await readdir(folder)).toEqual(["pack"]);
  });
});

describe("opening a pack file", () => {
  it("gives back the sections, and what is no pack is refused by name", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "pack");
    const { bytes } = await write(nodeFileSystem, path);
    const pack = await openPackFile(nodeFileSystem, path);
    const [entry] = pack.index.sections;
    if (entry === undefined) throw new Error("no section");
    expect(Buffer.from(await pack.stored(entry))).toEqual(Buffer.from(section.bytes));
    // Cut off while it is open.
    await truncate(path, 9);
    await expect(pack.stored(entry)).rejects.toThrow(/"pack".* it ends before byte/);
    await pack.close();
    expect(bytes).toBeGreaterThan(9);
    await writeFile(path, "VARVEPAK, or nearly");
    await expect(openPackFile(nodeFileSystem, path)).rejects.toThrow(/"pack".* it does not begin like a pack/);
    await writeFile(path, "");
    await expect(openPackFile(nodeFileSystem, path)).rejects.toThrow(/"pack".* it ends before byte 8/);
    await mkdir(join(folder, "folder"));
    await expect(openPackFile(nodeFileSystem, join(folder, "folder"))).rejects.toThrow(/"folder".* it is not a file/);
  });

  it("tells a file that is not there from one that may not be read, and closes what it refuses", async () => {
    const path = join(await temporaryFolder(), "pack");
    await expect(openPackFile(nodeFileSystem, path)).rejects.toMatchObject({ kind: "not-found", objectName: "pack" });
    await write(nodeFileSystem, path);
    const denied = failFileCalls(nodeFileSystem, "EACCES", 0, 1, ({ operation }) => operation === "open");
    await expect(openPackFile(denied, path)).rejects.toMatchObject({ kind: "permission", objectName: "pack" });
    const closed: string[] = [];
    const broken = interceptFileSystem(
      failFileCalls(nodeFileSystem, "EIO", 0, 1, ({ operation }) => operation === "read"),
      async ({ operation, path: name }, proceed) => {
        if (operation === "close") closed.push(name);
        return proceed();
      },
    );
    await expect(openPackFile(broken, path)).rejects.toMatchObject({ kind: "io", objectName: "pack" });
    expect(closed).toEqual([path]);
  });
});
