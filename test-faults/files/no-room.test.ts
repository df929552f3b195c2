import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Medium, openDisk, scratchFolder } from "../../test-crash/support/medium.ts";
import { MKFS_EXT4, missing, PERL } from "../../test-crash/support/requirements.ts";
import { Summary } from "../../test-crash/support/summary.ts";
import { liveThroughTrouble } from "./trouble.ts";

const NOBODY = 65_534;
const REPEAT = "repeat: npm run test:faults -- test-faults/files/no-room";

const lacks = missing("full disks, descriptors and rights", [MKFS_EXT4, PERL], true);
const summary = new Summary("full disks, descriptors and rights", "situations");
let root: string;
const mounted: string[] = [];

beforeAll(async () => {
  root = await scratchFolder("no-room");
  await chmod(root, 0o755);
});

afterAll(async () => {
  for (const path of mounted) execFileSync("umount", [path]);
  summary.tell(lacks === null ? 0 : 1);
  await rm(root, { recursive: true, force: true });
});

/** A small file system in memory, with the options of `mount -t tmpfs`. */
async function smallDisk(name: string, options: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", path]);
  mounted.push(path);
  return path;
}

/** Writes until there is no room for another byte. */
async function fill(path: string): Promise<void> {
  const isFull = (error: unknown): boolean => (error as { code?: unknown }).code === "ENOSPC";
  for (let bytes = 65_536; bytes >= 1; bytes = Math.floor(bytes / 4)) {
    try {
      for (;;) await writeFile(path, new Uint8Array(bytes), { flag: "a" });
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
}

async function useUpInodes(folder: string): Promise<void> {
  await mkdir(folder);
  try {
    for (let number = 0; ; number++) await writeFile(join(folder, String(number)), "");
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOSPC") throw error;
  }
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return [folder, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))];
}

const limit = (processId: number, what: string): void =>
  void execFileSync("prlimit", ["--pid", String(processId), what]);

describe.skipIf(lacks !== null)("trouble that comes and goes while a real process trains", () => {
  it("a full disk: told in bytes, nothing unfinished stays, and the next save with room goes well", async () => {
    const disk = await smallDisk("full", "size=2m");
    const [folder, ballast] = [join(disk, "run"), join(disk, "ballast")];
    const { failure, problems } = await liveThroughTrouble({
      folder,
      cause: () => fill(ballast),
      cure: () => rm(ballast),
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "no-space", neededBytes: expect.any(Number) });
    expect(failure?.neededBytes).toBeGreaterThan(0);
    expect(failure?.freeBytes).toBeLessThan(65_536);
    expect(failure?.message).toContain(folder);
    expect(failure?.message).toMatch(/ENOSPC: writing \d+ bytes below .*: \d+ bytes and \d+ inodes are free/);
    summary.add(1);
  });

  it("planted bug is caught: a full disk is not noticed", async () => {
    const disk = await smallDisk("swallowed", "size=2m");
    const { failure, problems } = await liveThroughTrouble({
      folder: join(disk, "run"),
      cause: () => fill(join(disk, "ballast")),
      cure: () => rm(join(disk, "ballast")),
      planted: "swallowed-no-space",
    });
    expect([failure, ...problems]).not.toEqual([null]);
    console.log(`planted swallowed-no-space: ${problems[0]}`);
    expect(problems.join("\n")).toMatch(/in trouble: .*|lost|damaged|another/);
  });

  it("a full inode table", async () => {
    const disk = await smallDisk("inodes", "size=2m,nr_inodes=60");
    const files = join(disk, "files");
    const { failure, problems } = await liveThroughTrouble({
      folder: join(disk, "run"),
      cause: () => useUpInodes(files),
      cure: () => rm(files, { recursive: true }),
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "no-space", message: expect.stringContaining(" 0 inodes") });
    summary.add(1);
  });

  it("no descriptor left", async () => {
    const folder = join(root, "descriptors");
    const { failure, problems } = await liveThroughTrouble({
      folder,
      // What is open stays; standard input, output and errors are, so that no number below the limit is free.
      cause: async (processId) => limit(processId, "--nofile=3:"),
      cure: async (processId) => limit(processId, "--nofile=1024:"),
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "busy", message: expect.stringContaining(folder) });
    summary.add(1);
  });

  it("no right to write", async () => {
    const folder = join(root, "rights");
    await mkdir(folder);
    await chmod(folder, 0o777);
    const { failure, problems } = await liveThroughTrouble({
      folder,
      life: { user: NOBODY },
      cause: async () => {
        for (const path of await foldersOf(folder)) await chmod(path, 0o555);
      },
      cure: async () => {
        for (const path of await foldersOf(folder)) await chmod(path, 0o777);
      },
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "permission", message: expect.stringContaining(folder) });
    summary.add(1);
  });

  it("files larger than the process may write", async () => {
    const folder = join(root, "file-size");
    const { failure, problems } = await liveThroughTrouble({
      folder,
      cause: async (processId) => limit(processId, "--fsize=100:"),
      cure: async (processId) => limit(processId, "--fsize=unlimited:"),
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "too-large", message: expect.stringContaining(folder) });
    summary.add(1);
  });

  it("a folder that nobody may change", async () => {
    const disk: Medium = await openDisk("ext4");
    const folder = join(disk.root, "run");
    const mark = (how: string): void => void execFileSync("chattr", [how, join(folder, "packs")]);
    const { failure, problems } = await liveThroughTrouble({
      folder,
      cause: async () => mark("+i"),
      cure: async () => mark("-i"),
    });
    await disk.close();
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "permission", message: expect.stringContaining(folder) });
    summary.add(1);
  });

  it("a disk that can only be read from now on", async () => {
    const disk = await smallDisk("read-only", "size=4m");
    const folder = join(disk, "run");
    const remount = async (how: string): Promise<void> => void execFileSync("mount", ["-o", `remount,${how}`, disk]);
    const { failure, problems } = await liveThroughTrouble({
      folder,
      cause: () => remount("ro"),
      cure: () => remount("rw"),
    });
    expect(problems, REPEAT).toEqual([]);
    expect(failure).toMatchObject({ isTyped: true, kind: "permission", message: expect.stringContaining(folder) });
    expect(failure?.message).toContain("EROFS");
    summary.add(1);
  });
});
