import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { listFolder } from "../../../../src/checkpoint/cloud/files/list-folder.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { interceptFileSystem } from "../../../../src/testing/intercept-file-system.ts";
import { temporaryFolder } from "../../../store/temporary-folder.ts";

async function folderWith(paths: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const path of paths) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), path);
  }
  return folder;
}

async function listed(paths: readonly string[], exclude: readonly string[] = []): Promise<string[]> {
  const context = { files: nodeFileSystem, warn: (message: string) => expect.unreachable(message) };
  const { files, failures } = await listFolder(context, await folderWith(paths), { exclude });
  expect(failures).toEqual([]);
  return files.map(({ path }) => path);
}

describe("the files of a folder that is uploaded", () => {
  it("are listed with their sizes, at every depth, in the order of their paths", async () => {
    const folder = await folderWith(["b", "a/z/1", "a b/ü", "a-b", ".hidden", "a/.x/y"]);
    await mkdir(join(folder, "empty"));
    const warnings: string[] = [];
    const context = { files: nodeFileSystem, warn: (message: string) => warnings.push(message) };
    expect((await listFolder(context, folder)).files).toEqual([
      { path: ".hidden", sizeBytes: 7 },
      { path: "a b/ü", sizeBytes: 6 },
      { path: "a-b", sizeBytes: 3 },
      { path: "a/.x/y", sizeBytes: 6 },
      { path: "a/z/1", sizeBytes: 5 },
      { path: "b", sizeBytes: 1 },
    ]);
    expect(warnings).toEqual([]);
  });

  it("are without unfinished files, journals, and the bookkeeping of a folder that stands for a bucket", async () => {
    const unfinished = [
      ...[".tmp-0a1b-77-x", "a/.tmp-x", "model.tmp", "a/.model.tmp", "model.bin.part"],
      ...[".model.bin.0123456789ab.varve-upload.json", "a/.x.varve-upload.json", ".varve-uploads/x.json"],
    ];
    const whole = ["partial", "tmp", "a/tmp.txt", "varve-upload.json"];
    expect(await listed([...unfinished, ...whole])).toEqual(["a/tmp.txt", "partial", "tmp", "varve-upload.json"]);
  });

  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    [
      "replay_buffer*",
      ["replay_buffer.bin", "replay_buffer_2/x", "a/replay_buffer", "x_replay_buffer"],
      ["x_replay_buffer"],
    ],
    ["*.log", ["x.log", ".x.log", "a/.b/x.log", "x.log.txt"], ["x.log.txt"]],
    ["**/x", ["x", "a/x", "a/b/x/y", "a/.b/x", "ax"], ["ax"]],
    ["a/*.bin", ["a/1.bin", "a/.1.bin", "b/a/1.bin", "1.bin"], ["1.bin", "b/a/1.bin"]],
    ["a/**", ["a/1", "a/b/.2", "b/a/3"], ["b/a/3"]],
    [".git", [".git/config", "a/.git/x", ".gitignore"], [".gitignore"]],
    [".*", [".git/config", "a/.x", "a/x"], ["a/x"]],
    ["runs/", ["runs/1", "a/runs/2", "b/runs"], ["b/runs"]],
    ["step-[0-9]", ["step-1", "step-12", "step-x"], ["step-12", "step-x"]],
    ["{a,.b}?", ["a1", ".b1", "b1"], ["b1"]],
    ["größe *", ["größe 1", "Größe 1"], ["Größe 1"]],
  ];

  it.each(cases)("are without those that %s excludes", async (pattern, paths, left) => {
    expect(await listed(paths, [pattern])).toEqual(left);
    expect(await listed(paths, ["nothing", pattern])).toEqual(left);
  });

  it("are without links and what is no file, which is told, unless a pattern leaves them out", async () => {
    const folder = await folderWith(["a/x"]);
    await symlink(join(folder, "a"), join(folder, "a", "again"));
    await symlink("/etc/hostname", join(folder, "link"));
    const warnings: string[] = [];
    const context = { files: nodeFileSystem, warn: (message: string) => warnings.push(message) };
    expect((await listFolder(context, folder)).files).toEqual([{ path: "a/x", sizeBytes: 3 }]);
    expect(warnings.sort()).toEqual([
      `${join(folder, "a/again")} is left out: it is a symbolic link`,
      `${join(folder, "link")} is left out: it is a symbolic link`,
    ]);
    warnings.length = 0;
    await listFolder(context, folder, { exclude: ["link", "again"] });
    expect(warnings).toEqual([]);
  });

  it("are without those that go away meanwhile", async () => {
    const folder = await folderWith(["a/x", "b"]);
    const files = interceptFileSystem(nodeFileSystem, async ({ operation, path }, proceed) => {
      if (operation === "info" && path.endsWith("/b")) await rm(path);
      if (operation === "readFolder" && path.endsWith("/a")) await rm(path, { recursive: true });
      return proceed();
    });
    const context = { files, warn: (message: string) => expect.unreachable(message) };
    expect(await listFolder(context, folder)).toEqual({ files: [], failures: [], unfinished: [] });
  });

  it("cannot be told of a folder that is not there, is a file, or may not be read: that is not empty", async () => {
    const folder = await folderWith(["file"]);
    const context = { files: nodeFileSystem, warn: () => {} };
    await expect(listFolder(context, join(folder, "gone"))).rejects.toMatchObject({ kind: "not-found" });
    await expect(listFolder(context, join(folder, "file"))).rejects.toMatchObject({ kind: "not-found" });
    const files = interceptFileSystem(nodeFileSystem, async () => {
      throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    });
    await expect(listFolder({ ...context, files }, folder)).rejects.toMatchObject({ kind: "permission" });
  });

  it("are given beside those that may not be looked at: each of these, and each closed folder, is one failure", async () => {
    const folder = await folderWith(["a/x", "closed/y", "sub/closed/z", "sub/w", "secret"]);
    const files = interceptFileSystem(nodeFileSystem, async ({ operation, path }, proceed) => {
      const isClosed = operation === "readFolder" ? path.endsWith("/closed") : path.endsWith("/secret");
      if (isClosed) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
      return proceed();
    });
    const context = { files, warn: (message: string) => expect.unreachable(message) };
    const listing = await listFolder(context, folder);
    expect(listing.files.map(({ path }) => path)).toEqual(["a/x", "sub/w"]);
    expect(listing.failures.map(({ path }) => path).sort()).toEqual(["closed", "secret", "sub/closed"]);
    for (const { path, error } of listing.failures) {
      expect(error).toMatchObject({ kind: "permission", hint: expect.stringContaining(`read ${join(folder, path)},`) });
    }
    const exclude = ["closed/", "secret"];
    expect((await listFolder(context, folder, { exclude })).failures).toEqual([]);
  });

  it("are given beside those whose names are not UTF-8: each of these, and each such folder, is one failure", async () => {
    const folder = await folderWith(["a/x", "a/\ufffd"]);
    await writeFile(Buffer.from(`${folder}/ckpt-\xe9.bin`, "latin1"), "content");
    await mkdir(Buffer.from(`${folder}/dir-\xe9`, "latin1"));
    await writeFile(Buffer.from(`${folder}/dir-\xe9/inside`, "latin1"), "content");
    // As Node reads it this is the name of the file beside it.
    await writeFile(Buffer.from(`${folder}/a/\xff`, "latin1"), "another");
    const context = { files: nodeFileSystem, warn: (message: string) => expect.unreachable(message) };
    const listing = await listFolder(context, folder);
    expect(listing.files).toEqual([
      { path: "a/x", sizeBytes: 3 },
      { path: "a/\ufffd", sizeBytes: 5 },
    ]);
    expect(listing.failures.map(({ path }) => path).sort()).toEqual(["a/\\xff", "ckpt-\\xe9.bin", "dir-\\xe9"]);
    expect(listing.failures[0]?.error).toMatchObject({ kind: "unsupported", hint: expect.stringMatching(/Rename/) });
    expect((await listFolder(context, folder, { exclude: ["ckpt*", "dir*", "a/"] })).failures).toEqual([]);
  });

  it.each(["[a]", "[]]x", "[!a]", "{a,{b,c}}", "a]", "a}", "\\["])(
    "may be left out by the pattern %j",
    async (pattern) => {
      expect(await listed(["z"], [pattern])).toEqual(pattern === "[!a]" ? [] : ["z"]);
    },
  );

  it.each(["", "/", "[", 5 as unknown as string])("refuse the pattern %j", async (pattern) => {
    await expect(listed(["a"], [pattern])).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
  });
});
