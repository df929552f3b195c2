import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { downloadFile } from "../../../../src/checkpoint/cloud/files/download-file.ts";
import { nodeFileSystem } from "../../../../src/store/node-file-system.ts";
import { createTemporaryNames } from "../../../../src/store/temporary-name.ts";
import { failFileCalls, recordFileCalls } from "../../../../src/testing/intercept-file-system.ts";
import { temporaryFolder } from "../../../store/temporary-folder.ts";
import { brokenConnection } from "./intercept-client.ts";
import { KEY, newPlace, newProcess, noise, type Place } from "./support.ts";

/** Bytes that one request asks for. */
const RANGE_BYTES = 8 * 1024 * 1024;
const OLD = noise(10, 9);

/** A bucket that holds an object, and a folder that holds an older file of its name. */
async function newDownload(content: Uint8Array): Promise<Place & { readonly target: string }> {
  const place = await newPlace(OLD);
  await place.bucket.put(KEY, content);
  return { ...place, target: place.localPath };
}

const contentOf = async (path: string): Promise<Uint8Array> => new Uint8Array(await readFile(path));

describe("a download", () => {
  it.each([0, 1, RANGE_BYTES - 1, RANGE_BYTES, RANGE_BYTES + 1, 2 * RANGE_BYTES + 5])(
    "of %d bytes comes in ranges and replaces the file",
    async (size) => {
      const content = new Uint8Array(size).fill(7);
      content.set(noise(Math.min(size, 100)));
      const { bucket, target, folder } = await newDownload(content);
      const { transfers, requests } = newProcess({ bucket });
      const reported: number[] = [];
      const report = (bytesDone: number): number => reported.push(bytesDone);
      expect(await downloadFile(transfers, { key: KEY, localPath: target, report })).toEqual({ bytes: size });
      expect(Buffer.compare(await contentOf(target), content)).toBe(0);
      expect(requests).toEqual(["head", ...Array.from({ length: Math.ceil(size / RANGE_BYTES) }, () => "get")]);
      expect(reported.at(-1) ?? 0).toBe(size);
      expect(await readdir(folder)).toEqual(["model.bin"]);
    },
  );

  it("is durable before its name is, and the name before it is acknowledged", async () => {
    const { bucket, target } = await newDownload(noise(100));
    const { fileSystem, calls } = recordFileCalls(nodeFileSystem);
    await downloadFile(newProcess({ bucket }, undefined, { files: fileSystem }).transfers, {
      key: KEY,
      localPath: target,
    });
    const from = calls.findIndex(({ operation }) => operation === "create");
    const operations = calls.slice(from).map(({ operation }) => operation);
    expect(operations).toEqual(["create", "write", "sync", "close", "rename", "syncFolder"]);
  });

  it("makes the folders that are missing", async () => {
    const { bucket, folder } = await newDownload(noise(100));
    const localPath = join(folder, "new", "a b", "größe", "x");
    await downloadFile(newProcess({ bucket }).transfers, { key: KEY, localPath, within: join(folder, "new") });
    expect(await contentOf(localPath)).toEqual(noise(100));
  });

  it("of what is not there is told as such, and the file stays", async () => {
    const { bucket, target, folder } = await newDownload(noise(1));
    const download = downloadFile(newProcess({ bucket }).transfers, { key: "gone", localPath: target });
    await expect(download).rejects.toMatchObject({ kind: "not-found", retryable: false, objectName: "gone" });
    expect(await contentOf(target)).toEqual(OLD);
    expect(await readdir(folder)).toEqual(["model.bin"]);
  });

  it.each(["head", "get"])("whose %s fails leaves the file as it was and nothing beside it", async (operation) => {
    const { bucket, target, folder } = await newDownload(noise(100));
    const { transfers } = newProcess({ bucket }, async (call, proceed) => {
      if (call.operation === operation) throw brokenConnection(call);
      return proceed();
    });
    await expect(downloadFile(transfers, { key: KEY, localPath: target })).rejects.toMatchObject({ kind: "network" });
    expect(await contentOf(target)).toEqual(OLD);
    expect(await readdir(folder)).toEqual(["model.bin"]);
  });

  const operations = ["create", "write", "sync", "rename", "readFolder"] as const;
  it.each(operations.flatMap((operation) => ["ENOSPC", "EIO", "EACCES"].map((code) => ({ operation, code }))))(
    "that the disk fails ($operation: $code) is told by kind, and the file is as it was",
    async ({ operation, code }) => {
      const { bucket, target, folder } = await newDownload(noise(100));
      const files = failFileCalls(nodeFileSystem, code, 0, 1, (call) => call.operation === operation);
      const { transfers } = newProcess({ bucket }, undefined, { files });
      const kind = { ENOSPC: "no-space", EIO: "io", EACCES: "permission" }[code];
      const download = { key: KEY, localPath: target };
      await expect(downloadFile(transfers, download)).rejects.toMatchObject({ code: "VARVE_STORE", kind });
      expect(await contentOf(target)).toEqual(OLD);
      expect(await readdir(folder)).toEqual(["model.bin"]);
      await downloadFile(transfers, download);
      expect(await contentOf(target)).toEqual(noise(100));
    },
  );

  const replacements: Readonly<Record<string, (place: Place) => Promise<unknown>>> = {
    "replaced by a longer one": ({ bucket }) => bucket.put(KEY, new Uint8Array(RANGE_BYTES + 10).fill(3)),
    "replaced by a shorter one": ({ bucket }) => bucket.put(KEY, noise(5)),
    "replaced by one of the same size": ({ bucket }) => bucket.put(KEY, new Uint8Array(RANGE_BYTES + 5).fill(1)),
    deleted: ({ bucket }) => bucket.delete(KEY),
  };
  const replaced = Object.keys(replacements).flatMap((how) =>
    [true, false].map((hasMetadata) => ({ how, hasMetadata })),
  );

  it.each(replaced)(
    "of an object that is $how meanwhile fails (metadata: $hasMetadata)",
    async ({ how, hasMetadata }) => {
      const place = await newDownload(new Uint8Array(RANGE_BYTES + 5));
      const { transfers } = newProcess(place, async (call, proceed) => {
        const answer: unknown = await proceed();
        if (call.operation === "get") await replacements[how]?.(place);
        return call.operation === "head" && !hasMetadata && answer !== null ? { ...answer, metadata: null } : answer;
      });
      const download = downloadFile(transfers, { key: KEY, localPath: place.target });
      await expect(download).rejects.toMatchObject({ code: "VARVE_STORE", retryable: true });
      expect(await contentOf(place.target)).toEqual(OLD);
      expect(await readdir(place.folder)).toEqual(["model.bin"]);
    },
  );

  it("whose bytes were changed on their way fails", async () => {
    const { bucket, target } = await newDownload(noise(100));
    const { transfers } = newProcess({ bucket }, async (call, proceed) => {
      const answer: unknown = await proceed();
      return answer instanceof Uint8Array ? answer.with(50, (answer[50] ?? 0) ^ 1) : answer;
    });
    const download = downloadFile(transfers, { key: KEY, localPath: target });
    await expect(download).rejects.toMatchObject({ kind: "io", retryable: true });
    expect(await contentOf(target)).toEqual(OLD);
  });

  it("of an object without a checksum is content with its size", async () => {
    const { bucket, target } = await newDownload(noise(100));
    const { transfers, requests } = newProcess({ bucket }, async (call, proceed) => {
      const answer: unknown = await proceed();
      return call.operation === "head" ? { ...(answer as object), metadata: null } : answer;
    });
    await downloadFile(transfers, { key: KEY, localPath: target });
    expect(requests).toEqual(["head", "get", "head"]);
    expect(await contentOf(target)).toEqual(noise(100));
  });

  it("that is aborted stops before the next range", async () => {
    const { bucket, target, folder } = await newDownload(new Uint8Array(RANGE_BYTES + 5));
    const controller = new AbortController();
    const { transfers, requests } = newProcess({ bucket }, async (call, proceed) => {
      if (call.operation === "get") controller.abort();
      return proceed();
    });
    const download = { key: KEY, localPath: target, signal: controller.signal };
    await expect(downloadFile(transfers, download)).rejects.toMatchObject({ kind: "aborted" });
    expect(requests).toEqual(["head", "get"]);
    expect(await readdir(folder)).toEqual(["model.bin"]);
  });

  it("removes what a dead process left unfinished, and nothing of a living one", async () => {
    const { bucket, target, folder } = await newDownload(noise(100));
    const { pid: dead } = spawnSync("true");
    const left = createTemporaryNames({ processId: dead }).next();
    const living = createTemporaryNames({ processId: process.ppid }).next();
    await writeFile(join(folder, left), "half");
    await writeFile(join(folder, living), "half");
    await downloadFile(newProcess({ bucket }).transfers, { key: KEY, localPath: target });
    expect((await readdir(folder)).sort()).toEqual([living, "model.bin"]);
  });
});

describe("where a download may write", () => {
  it.each(["../x", "..", "", ".", "a/../../x", "/etc/varve-test", "a\0b"])(
    "is not %j below the folder",
    async (path) => {
      const { bucket, folder } = await newDownload(noise(100));
      const within = join(folder, "inside");
      await mkdir(within);
      const { transfers, requests } = newProcess({ bucket });
      const localPath = path.startsWith("/") ? path : `${within}/${path}`;
      const download = downloadFile(transfers, { key: KEY, localPath, within });
      await expect(download).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
      expect(requests).toEqual([]);
      expect(await readdir(within)).toEqual([]);
    },
  );

  it("is not through a link below the folder, though the folder itself may be reached by one", async () => {
    const { bucket, folder } = await newDownload(noise(100));
    const outside = await temporaryFolder();
    await mkdir(join(folder, "real"));
    await symlink(join(folder, "real"), join(folder, "root"));
    await symlink(outside, join(folder, "real", "away"));
    await symlink(join(outside, "file"), join(folder, "real", "link"));
    const within = join(folder, "root");
    const { transfers } = newProcess({ bucket });
    const download = (path: string) => downloadFile(transfers, { key: KEY, localPath: join(within, path), within });
    await expect(download("away/x")).rejects.toMatchObject({ kind: "unsupported" });
    await expect(download("away/b/x")).rejects.toMatchObject({ kind: "unsupported" });
    await expect(download("link")).rejects.toMatchObject({ kind: "unsupported" });
    await download("sub/x");
    expect(await contentOf(join(folder, "real", "sub", "x"))).toEqual(noise(100));
    expect(await readdir(outside)).toEqual([]);
  });

  it("is not in place of a folder", async () => {
    const { bucket, folder, target } = await newDownload(noise(100));
    await rm(target);
    await mkdir(target);
    const download = downloadFile(newProcess({ bucket }).transfers, { key: KEY, localPath: target });
    await expect(download).rejects.toMatchObject({ kind: "unsupported", retryable: false });
    expect(await readdir(folder)).toEqual(["model.bin"]);
  });
});
