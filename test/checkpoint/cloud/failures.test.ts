import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { ClosedError, type CloudEvent, CloudSync, ReplayBuffer, SaverCrashedError } from "../../../src/index.ts";
import { actionsOf, addInline, inlineBuffer, numbersFrom } from "../support.ts";
import { localPlace, openCloud } from "./places.ts";

const background = { background: true } as const;
const patience = { timeout: 30_000 };

/** A bucket that takes nothing until `repair()`: a file lies where its folder should be. */
async function brokenPlace() {
  const place = await localPlace();
  await writeFile(place.bucket, "in the way");
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...place.options, log: (event) => void events.push(event) });
  const path = join(place.folder, "file.txt");
  await writeFile(path, "content");
  return { ...place, cloud, events, path, repair: () => rm(place.bucket) };
}

describe("an upload that fails", () => {
  it("is counted as failed, keeps its file, says how to send it again, and is sent by retryFailed", async () => {
    const { cloud, events, path, repair, read } = await brokenPlace();
    const transfer = cloud.uploadFile(path, "a/file.txt", background);
    const result = await cloud.waitForUploads();
    expect(result).toMatchObject({ succeeded: 0, failed: 1, pending: 0, errors: [{ code: "VARVE_STORE" }] });
    expect(transfer).toMatchObject({ phase: "failed", error: result.errors[0] });
    await expect(transfer.finished).rejects.toBe(result.errors[0]);
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 1 });
    expect(await readFile(path, "utf8")).toBe("content");
    expect(events).toContainEqual({ kind: "failed", name: path, direction: "up", error: result.errors[0], kept: path });

    await repair();
    const [again, ...others] = cloud.retryFailed();
    expect(others).toEqual([]);
    expect(cloud.uploadStatus()).toMatchObject({ pending: 1, completed: 0, failed: 0 });
    expect(await again?.finished).toMatchObject({ files: 1 });
    expect(await read("a/file.txt")).toBe("content");
    expect(await cloud.shutdown()).toEqual({ succeeded: 1, failed: 0, pending: 0, paused: 0, errors: [] });
  });

  it("throws where it is awaited, and raises nothing where it is not", async () => {
    const { cloud, path } = await brokenPlace();
    await expect(cloud.uploadFile(path, "x")).rejects.toMatchObject({ code: "VARVE_STORE", objectName: "x" });
    await expect(cloud.uploadFile(path, "x").finished).rejects.toMatchObject({ objectName: "x" });
    cloud.uploadFile(path, "y");
    cloud.uploadFile(path, "z", background);
    expect(await cloud.waitForUploads()).toMatchObject({ failed: 4 });
  });

  it("leaves a buffer's file on local disk", async () => {
    const { cloud, folder, repair } = await brokenPlace();
    const buffer = inlineBuffer();
    addInline(buffer, 20);
    const localPath = join(folder, "buffer.varve");
    const transfer = cloud.saveAndUploadBuffer(buffer, localPath);
    await expect(transfer.finished).rejects.toMatchObject({ code: "VARVE_STORE" });
    expect(actionsOf(await ReplayBuffer.load(localPath))).toEqual(numbersFrom(0, 20));
    // What is sent is what was saved, not the buffer of by now.
    addInline(buffer, 10);
    await repair();
    for (const { finished } of cloud.retryFailed()) await finished;
    await cloud.downloadFile("project/buffer.varve", join(folder, "copy"));
    expect(actionsOf(await ReplayBuffer.load(join(folder, "copy")))).toEqual(numbersFrom(0, 20));
  });

  it("is not sent again over the content of a later one", async () => {
    const { cloud, folder, path, repair, read } = await brokenPlace();
    await expect(cloud.uploadFile(path, "object")).rejects.toThrow();
    await repair();
    await writeFile(join(folder, "later"), "later");
    await cloud.uploadFile(join(folder, "later"), "object");
    expect(cloud.retryFailed()).toEqual([]);
    expect(await read("object")).toBe("later");
    expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 0, errors: [] });
  });
});

it("fails at once for a file or a directory that is not there", async () => {
  const { options, folder } = await localPlace();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  const missing = join(folder, "missing");
  await expect(cloud.uploadFile(missing)).rejects.toMatchObject({ code: "VARVE_STORE", kind: "not-found" });
  await expect(cloud.uploadDirectory(missing)).rejects.toMatchObject({ code: "VARVE_STORE", kind: "not-found" });
  await expect(cloud.uploadFile(folder)).rejects.toMatchObject({
    kind: "unsupported",
    hint: expect.stringMatching(/uploadDirectory/),
  });
  const link = join(folder, "link");
  await symlink(options.bucket ?? "", link);
  await expect(cloud.uploadFile(link)).rejects.toMatchObject({
    kind: "unsupported",
    hint: expect.stringMatching(/realpath/),
  });
  const file = join(folder, "file");
  await writeFile(file, "content");
  await expect(cloud.uploadDirectory(file)).rejects.toMatchObject({
    ...{ kind: "not-found", detail: "it is a file, not a folder", hint: expect.stringMatching(/uploadFile/) },
  });
  await expect(cloud.downloadFile("none", missing)).rejects.toMatchObject({ kind: "not-found", objectName: "none" });
  expect(await cloud.downloadCheckpoints(missing)).toMatchObject({ files: 0, bytes: 0 });
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 5 });
  // Nobody is told that a file is kept that never was.
  const failures = events.filter((event) => event.kind === "failed");
  expect(failures.map(({ direction, kept }) => [direction, kept])).toEqual([
    ["up", null],
    ["up", null],
    ["up", folder],
    ["up", link],
    ["up", file],
    ["down", null],
  ]);
});

it("uploads the other files of a directory when one fails, and lists it", async () => {
  const { options, folder, names } = await localPlace();
  const cloud = openCloud({ ...options });
  const directory = join(folder, "directory");
  await mkdir(directory);
  for (const name of ["a", "b\\c", "d"]) await writeFile(join(directory, name), name);
  const { finished } = cloud.uploadDirectory(directory, "up", background);
  await expect(finished).rejects.toMatchObject({
    code: "VARVE_DIRECTORY_TRANSFER",
    failures: [expect.stringMatching(/^b\\c: Expected/)],
    message: expect.stringMatching(/^1 of 3 files of ".*directory" failed: b\\c/),
  });
  expect(await names("")).toEqual(["up/a", "up/d"]);
});

it("a file whose name is not UTF-8 is a failure of its directory, which says what to do", async () => {
  const { options, folder, names } = await localPlace();
  const cloud = openCloud({ ...options });
  const directory = join(folder, "directory");
  await mkdir(directory);
  await writeFile(join(directory, "good"), "content");
  await writeFile(Buffer.from(`${directory}/caf\xe9`, "latin1"), "content");
  await expect(cloud.uploadDirectory(directory, "up")).rejects.toMatchObject({
    code: "VARVE_DIRECTORY_TRANSFER",
    message: expect.stringMatching(/^1 of 2 files of ".*directory" failed: caf\\xe9: .*not UTF-8/),
    hint: expect.stringMatching(/Rename .* or leave it out/),
  });
  expect(await names("")).toEqual(["up/good"]);
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 1 });
});

it("downloads the other objects of a folder that stands for a bucket when one has a name that is no path", async () => {
  const { options, folder, bucket, write } = await localPlace();
  await write("down/good", "content");
  await writeFile(join(bucket, "down", "b\\ad"), "content");
  await mkdir(join(bucket, "down", "c\\d"));
  await writeFile(join(bucket, "down", "c\\d", "e"), "content");
  await expect(openCloud({ ...options }).downloadDirectory("down", join(folder, "target"))).rejects.toMatchObject({
    code: "VARVE_DIRECTORY_TRANSFER",
    failures: [expect.stringMatching(/^down\/b\\ad: /), expect.stringMatching(/^down\/c\\d\/e: /)],
  });
  expect(await readdir(join(folder, "target"))).toEqual(["good"]);
});

it("refuses paths that lead outside before anything is touched", async () => {
  const threads = watchThreads();
  const { options, folder } = await localPlace();
  const cloud = openCloud({ ...options });
  const refused = { code: "VARVE_INVALID_ARGUMENT" };
  for (const path of ["", "/abs", "../up", "a/../b", "a//b", "a\\b", "a\0b", ".", "x".repeat(1025)]) {
    expect(() => cloud.uploadFile(folder, path)).toThrow(expect.objectContaining(refused));
    expect(() => cloud.downloadFile(path, folder)).toThrow(expect.objectContaining(refused));
    expect(() => cloud.saveAndUploadBuffer(inlineBuffer(), folder, path)).toThrow(expect.objectContaining(refused));
    await expect(cloud.fileExists(path)).rejects.toMatchObject(refused);
    if (path === "") continue;
    expect(() => cloud.uploadDirectory(folder, path)).toThrow(expect.objectContaining(refused));
    expect(() => cloud.downloadDirectory(path, folder)).toThrow(expect.objectContaining(refused));
  }
  expect(() => cloud.uploadFile("..")).toThrow(expect.objectContaining(refused));
  expect(() => cloud.saveAndUploadBuffer({} as never, folder)).toThrow(expect.objectContaining(refused));
  expect(() => cloud.uploadFile(folder, "a", { background: 1 as never })).toThrow(expect.objectContaining(refused));
  expect(() => cloud.shutdown({ timeoutMs: -1 })).toThrow(expect.objectContaining(refused));
  expect(threads).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

it("waitForUploads tells how many are paused", async () => {
  const { options, folder } = await localPlace();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  await writeFile(join(folder, "file"), "content");
  cloud.pause();
  for (const name of ["a", "b"]) cloud.uploadFile(join(folder, "file"), name, background);
  expect(await cloud.waitForUploads({ timeoutMs: 1 })).toEqual({
    ...{ succeeded: 0, failed: 0, pending: 2, paused: 2, errors: [] },
  });
  expect(events.slice(-2)).toEqual([
    { kind: "waiting", pending: 2, paused: 2 },
    { kind: "finished", succeeded: 0, failed: 0, pending: 2, paused: 2 },
  ]);
  cloud.resume();
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 2, pending: 0, paused: 0 });
});

describe("shutdown", () => {
  it("refuses what comes after it, and may be called again", async () => {
    const { options, folder } = await localPlace();
    const cloud = new CloudSync({ ...options, log: false });
    const first = cloud.shutdown();
    expect(cloud.shutdown({ wait: false })).toBe(first);
    expect(await first).toEqual({ succeeded: 0, failed: 0, pending: 0, paused: 0, errors: [] });
    expect(() => cloud.uploadFile(folder)).toThrow(ClosedError);
    expect(() => cloud.saveAndUploadBuffer(inlineBuffer(), folder)).toThrow(ClosedError);
    expect(() => cloud.retryFailed()).toThrow(ClosedError);
    await expect(cloud.fileExists("x")).rejects.toThrow(ClosedError);
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 0 });
  });

  it("gives up what has not ended in time, and has saved every buffer", async () => {
    const { options, folder, names } = await localPlace();
    // The first file uses up the bandwidth of an hour.
    const cloud = new CloudSync({ ...options, maxUploadBytesPerSecond: 100, log: false });
    await writeFile(join(folder, "first"), "x".repeat(400_000));
    await cloud.uploadFile(join(folder, "first"), "first");
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    const transfer = cloud.saveAndUploadBuffer(buffer, join(folder, "buffer.varve"));
    expect(await cloud.shutdown({ timeoutMs: 50 })).toMatchObject({ succeeded: 1, failed: 0, pending: 1 });
    await expect(transfer.finished).rejects.toMatchObject({ kind: "aborted" });
    expect(transfer.phase).toBe("cancelled");
    expect(await names("")).toEqual(["first"]);
    expect((await ReplayBuffer.load(join(folder, "buffer.varve"))).size).toBe(10);
    expect((await readdir(folder)).sort()).toEqual(["bucket", "buffer.varve", "first"]);
  });

  it("saves buffers also when it is not to wait, and resumes what is paused when it is", async () => {
    const { options, folder, names } = await localPlace();
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    for (const wait of [false, true]) {
      const events: CloudEvent[] = [];
      const cloud = new CloudSync({ ...options, log: (event) => void events.push(event) });
      cloud.pause();
      for (const name of ["a", "b", "c"]) cloud.saveAndUploadBuffer(buffer, join(folder, `${wait}-${name}`), name);
      const paused = wait ? 0 : 3;
      expect(await cloud.shutdown({ wait })).toMatchObject({ pending: paused, paused });
      for (const name of ["a", "b", "c"])
        expect((await ReplayBuffer.load(join(folder, `${wait}-${name}`))).size).toBe(10);
      expect(await names("")).toEqual(wait ? ["a", "b", "c"] : []);
      const unsent = ["a", "b", "c"].map((name) => join(folder, `${wait}-${name}`));
      const told = events.filter(({ kind }) => kind === "unsent");
      expect(told).toEqual(wait ? [] : [{ kind: "unsent", uploads: 3, paused: 3, names: unsent }]);
    }
  });
});

it("a thread that crashes fails its transfers, and the next use works", async () => {
  const threads = watchThreads();
  const { options, folder, read } = await localPlace();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  const path = join(folder, "file.txt");
  await writeFile(path, "content");
  const buffer = inlineBuffer();
  addInline(buffer, 10);
  cloud.pause();
  const saved = cloud.saveAndUploadBuffer(buffer, join(folder, "saved"), "saved");
  await expect.poll(() => events.some(({ kind }) => kind === "saved"), patience).toBe(true);
  const file = cloud.uploadFile(path, "file", background);
  await threads[0]?.terminate();
  await expect(file.finished).rejects.toBeInstanceOf(SaverCrashedError);
  await expect(saved.finished).rejects.toBeInstanceOf(SaverCrashedError);
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 2 });
  // What was snapshot for the lost thread holds no memory any more; the buffer goes on.
  addInline(buffer, 300);

  const again = cloud.retryFailed();
  expect(again.length).toBe(2);
  cloud.resume();
  for (const { finished } of again) await finished;
  expect(await read("file")).toBe("content");
  await cloud.downloadFile("saved", join(folder, "copy"));
  expect(actionsOf(await ReplayBuffer.load(join(folder, "copy")))).toEqual(numbersFrom(0, 10));
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 2, failed: 0 });
});

it("tells of a log function that throws, and goes on", async () => {
  const { options, folder } = await localPlace();
  await writeFile(join(folder, "file"), "content");
  const cloud = openCloud({
    ...options,
    log: () => {
      throw new Error("the log broke");
    },
  });
  await cloud.uploadFile(join(folder, "file"));
  const { succeeded, errors } = await cloud.waitForUploads();
  expect(succeeded).toBe(1);
  expect(errors[0]?.message).toBe("the log broke");
});

/** The threads that are started from now on, in order. */
function watchThreads(): Worker[] {
  const workers: Worker[] = [];
  const listener = (worker: Worker): void => void workers.push(worker);
  process.on("worker", listener);
  onTestFinished(() => void process.off("worker", listener));
  return workers;
}
