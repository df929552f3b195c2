import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { type CloudEvent, type CloudSync, ReplayBuffer } from "../../../src/index.ts";
import { addInline, inlineBuffer } from "../support.ts";
import { localPlace, openCloud } from "./places.ts";

const patience = { timeout: 30_000 };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function setUp() {
  const place = await localPlace();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...place.options, log: (event) => void events.push(event) });
  const checkpoints = join(place.folder, "checkpoints");
  return {
    ...{ ...place, cloud, events, checkpoints },
    localPath: join(checkpoints, "buffer.varve"),
    /** No save below `checkpoints` succeeds until what it resolves to is called; what lies there comes back then. */
    async breakDisk() {
      await rename(checkpoints, `${checkpoints}-aside`).catch(() => undefined);
      await writeFile(checkpoints, "in the way");
      return async () => {
        await rm(checkpoints);
        await rename(`${checkpoints}-aside`, checkpoints).catch(() => undefined);
      };
    },
  };
}

function bufferOf(rows: number) {
  const buffer = inlineBuffer({ capacity: 1000 });
  addInline(buffer, rows);
  return buffer;
}

/** Fails to save a buffer that nobody uses afterwards. */
async function loseBuffer(cloud: CloudSync, localPath: string, cloudPath: string): Promise<void> {
  const failed = (() => {
    const buffer = bufferOf(500);
    const { finished } = cloud.saveAndUploadBuffer(buffer, localPath, cloudPath);
    return { finished, weak: new WeakRef(buffer) };
  })();
  await expect(failed.finished).rejects.toThrow();
  const isGone = (): boolean => {
    collectGarbage();
    return failed.weak.deref() === undefined;
  };
  await expect.poll(isGone, patience).toBe(true);
}

it("sends no older file in place of a buffer that could not be saved and is gone", async () => {
  const { cloud, events, localPath, breakDisk, folder } = await setUp();
  await cloud.saveAndUploadBuffer(bufferOf(100), localPath, "object").finished;
  const mend = await breakDisk();
  await loseBuffer(cloud, localPath, "object");
  await mend();
  expect(cloud.retryFailed()).toEqual([]);
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 1, failed: 1 });
  expect(events.at(-1)).toEqual({
    kind: "warning",
    message: `${localPath} cannot be sent again: its buffer was not saved, and is not in use any more`,
  });
  await cloud.downloadFile("object", join(folder, "copy"));
  expect((await ReplayBuffer.load(join(folder, "copy"))).size).toBe(100);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 1, errors: [{ code: "VARVE_STORE" }] });
});

it("an older file that is sent again makes no later failure good, though it is sent last", async () => {
  const { cloud, bucket, checkpoints, localPath, breakDisk } = await setUp();
  await mkdir(checkpoints);
  await writeFile(localPath, "older");
  await writeFile(bucket, "in the way");
  await expect(cloud.uploadFile(localPath, "object")).rejects.toThrow();
  const mend = await breakDisk();
  await loseBuffer(cloud, localPath, "object");
  await mend();
  await rm(bucket);
  // Of the two only the file can be sent again: what the buffer held then is nowhere.
  expect(cloud.retryFailed().length).toBe(1);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 1 });
});

it("a failure that a later upload to the same cloud path has made good is counted no more", async () => {
  const { cloud, folder } = await setUp();
  const path = join(folder, "file");
  await expect(cloud.uploadFile(path, "file")).rejects.toThrow();
  await expect(cloud.uploadFile(path, "other")).rejects.toThrow();
  await expect(cloud.syncLogs(join(folder, "logs"))).rejects.toThrow();
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 3 });
  await writeFile(path, "content");
  await cloud.uploadFile(path, "file");
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 1, failed: 2 });
  await mkdir(join(folder, "logs"));
  await cloud.syncLogs(join(folder, "logs"));
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 2, failed: 1 });
  // The other object was never sent.
  expect(cloud.retryFailed().length).toBe(1);
  expect(await cloud.waitForUploads()).toEqual({ succeeded: 3, failed: 0, pending: 0, paused: 0, errors: [] });
});

it("a folder makes good only the failure of a folder that held no more", async () => {
  const { cloud, folder, names } = await setUp();
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  await expect(cloud.uploadDirectory(first, "up")).rejects.toThrow();
  await mkdir(first);
  for (const name of ["a", "b"]) await writeFile(join(first, name), name);
  await cloud.uploadDirectory(first, "up", { exclude: ["b"] });
  expect(cloud.uploadStatus()).toMatchObject({ failed: 1 });
  for (const { finished } of cloud.retryFailed()) await finished;
  expect(await names("")).toEqual(["up/a", "up/b"]);
  expect(cloud.uploadStatus()).toMatchObject({ failed: 0 });
  // Another folder with the same place: sending the first again would put older files over its own.
  await expect(cloud.uploadDirectory(second, "up")).rejects.toThrow();
  await cloud.uploadDirectory(first, "up");
  expect(cloud.retryFailed()).toEqual([]);
  expect(cloud.uploadStatus()).toMatchObject({ failed: 1 });
});

it("what lost its file to a later save stays failed until its object is filled", async () => {
  const { cloud, bucket, localPath } = await setUp();
  await writeFile(bucket, "in the way");
  for (const name of ["one", "two"]) {
    await expect(cloud.saveAndUploadBuffer(bufferOf(10), localPath, name).finished).rejects.toThrow();
  }
  await rm(bucket);
  expect(cloud.retryFailed().length).toBe(1);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 1, errors: [{ objectName: "one" }] });
  await cloud.uploadFile(localPath, "one");
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 2, failed: 0, errors: [] });
});

it("retryFailed sends each thing once, however often it has failed", async () => {
  const { cloud, events, bucket, folder, localPath, breakDisk } = await setUp();
  await writeFile(bucket, "in the way");
  const mend = await breakDisk();
  await mkdir(join(folder, "logs"));
  await writeFile(join(folder, "logs", "log"), "line");
  await writeFile(join(folder, "file"), "content");
  const buffer = bufferOf(50);
  for (let round = 0; round < 4; round++) {
    cloud.uploadFile(join(folder, "file"), "file", { background: true });
    cloud.syncLogs(join(folder, "logs"), { background: true });
    cloud.saveAndUploadBuffer(buffer, localPath, "buffer");
    await cloud.waitForUploads();
  }
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 12 });
  const again = cloud.retryFailed();
  expect(again.map(({ name }) => name)).toEqual([join(folder, "file"), join(folder, "logs"), localPath]);
  // None of them twice, also while the first are under way.
  expect(cloud.retryFailed()).toEqual([]);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 0, failed: 12 });
  await mend();
  await rm(bucket);
  expect(cloud.retryFailed().length).toBe(3);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 3, failed: 0, errors: [] });
  expect(events.filter(({ kind }) => kind === "saved").length).toBe(1);
});
