import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CloudEvent, ReplayBuffer } from "../../../src/index.ts";
import { actionsOf, addInline, inlineBuffer, numbersFrom } from "../support.ts";
import { localPlace, openCloud } from "./places.ts";

const background = { background: true } as const;
const patience = { timeout: 30_000 };

async function setUp(concurrency = 4) {
  const place = await localPlace();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...place.options, concurrency, log: (event) => void events.push(event) });
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(place.folder, name);
    await writeFile(path, text);
    return path;
  };
  const uploaded = (): string[] => events.flatMap((event) => (event.kind === "uploaded" ? [event.to] : []));
  const saved = (): number => events.filter(({ kind }) => kind === "saved").length;
  return { ...place, cloud, file, uploaded, saved };
}

describe("uploads to one cloud path", () => {
  it("end in the order of the calls, a small file behind a large one too", async () => {
    const { cloud, file, read, folder } = await setUp();
    const order: string[] = [];
    for (const [name, text] of [
      ["large", "x".repeat(20_000_000)],
      ["middle", "y".repeat(1_000_000)],
      ["small", "z"],
    ] as const) {
      await file(name, text);
      const { finished } = cloud.uploadFile(join(folder, name), "one/path", background);
      void finished.then(() => order.push(name));
    }
    await cloud.waitForUploads();
    expect(order).toEqual(["large", "middle", "small"]);
    expect(await read("one/path")).toBe("z");
  });

  it("also where the earlier one is a directory that holds it", async () => {
    const { cloud, file, read, folder } = await setUp();
    await mkdir(join(folder, "directory"));
    await file("directory/a", "x".repeat(20_000_000));
    cloud.uploadDirectory(join(folder, "directory"), "below", background);
    cloud.uploadFile(await file("later", "later"), "below/a", background);
    await cloud.waitForUploads();
    expect(await read("below/a")).toBe("later");
  });

  it("goes on with the next one when one fails or is cancelled", async () => {
    const { cloud, file, read } = await setUp();
    const first = await file("first", "first");
    const last = await file("last", "last");
    cloud.pause();
    const cancelled = cloud.uploadFile(first, "path", background);
    const failed = cloud.uploadFile(join(first, "missing"), "path", background);
    cloud.uploadFile(last, "path", background);
    cancelled.cancel();
    await expect(cancelled.finished).rejects.toMatchObject({ code: "VARVE_STORE", kind: "aborted" });
    expect(cancelled.phase).toBe("cancelled");
    cloud.resume();
    expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 0, pending: 0 });
    expect(failed.phase).toBe("failed");
    expect(await read("path")).toBe("last");
  });
});

describe("a directory", () => {
  it("holds the buffers whose saves were asked for before, though neither they nor the folder are there yet", async () => {
    const { cloud, folder, names } = await setUp();
    const buffer = inlineBuffer();
    addInline(buffer, 50);
    const directory = join(folder, "checkpoints");
    cloud.saveAndUploadBuffer(buffer, join(directory, "deep", "buffer.varve"), "elsewhere");
    cloud.saveAndUploadBuffer(buffer, join(directory, "left-out"), "left-out");
    const sync = cloud.syncCheckpoints(directory, { background: true, exclude: ["left*"] });
    expect(await sync.finished).toMatchObject({ files: 1, unchanged: 0 });
    expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 3, failed: 0 });
    expect(await names("")).toEqual(["elsewhere", "left-out", "project/checkpoints/deep/buffer.varve"]);
    const copy = join(folder, "copy");
    await cloud.downloadFile("project/checkpoints/deep/buffer.varve", copy);
    expect(actionsOf(await ReplayBuffer.load(copy))).toEqual(numbersFrom(0, 50));
  });

  it("sends what such a save writes over the file of an earlier one, also where saves go to the same cloud path", async () => {
    const { cloud, folder } = await setUp();
    const buffer = inlineBuffer();
    const localPath = join(folder, "checkpoints", "buffer.varve");
    for (const size of [10, 20]) {
      addInline(buffer, 10);
      cloud.saveAndUploadBuffer(buffer, localPath, "project/checkpoints/buffer.varve");
      cloud.syncCheckpoints(join(folder, "checkpoints"), background);
      expect(await cloud.waitForUploads()).toMatchObject({ failed: 0 });
      await cloud.downloadCheckpoints(join(folder, "copy"));
      expect((await ReplayBuffer.load(join(folder, "copy", "buffer.varve"))).size).toBe(size);
    }
  });

  it("holds nothing of a save that fails, whose failure is its own; without the folder it fails only by itself", async () => {
    const { cloud, folder, file, names } = await setUp();
    await mkdir(join(folder, "checkpoints"));
    await file("checkpoints/other", "content");
    await file("checkpoints/in-the-way", "");
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    const save = cloud.saveAndUploadBuffer(buffer, join(folder, "checkpoints", "in-the-way", "buffer.varve"), "buffer");
    const sync = cloud.syncCheckpoints(join(folder, "checkpoints"), background);
    await expect(save.finished).rejects.toMatchObject({ code: "VARVE_STORE" });
    expect(await sync.finished).toMatchObject({ files: 2 });
    expect(await names("")).toEqual(["project/checkpoints/in-the-way", "project/checkpoints/other"]);
    await expect(cloud.syncCheckpoints(join(folder, "none"))).rejects.toMatchObject({ kind: "not-found" });
  });

  it("does not hold up later saves, nor those for a pause", async () => {
    const { cloud, folder, saved } = await setUp();
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    cloud.pause();
    for (const name of ["a", "b", "c"]) {
      cloud.saveAndUploadBuffer(buffer, join(folder, "checkpoints", name), name);
      cloud.syncCheckpoints(join(folder, "checkpoints"), background);
    }
    await expect.poll(saved, patience).toBe(3);
    cloud.resume();
    expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 6, failed: 0 });
  });
});

describe("saves of a buffer", () => {
  it("to one local path send each what it was at the call, however late they are sent", async () => {
    const { cloud, folder, saved } = await setUp();
    const buffer = inlineBuffer({ capacity: 20 });
    const localPath = join(folder, "buffer.varve");
    cloud.pause();
    const transfers = [1, 2, 3].map((number) => {
      addInline(buffer, 15);
      return cloud.saveAndUploadBuffer(buffer, localPath, `buffers/${number}`);
    });
    // The last one is on local disk before the first is sent.
    await expect.poll(() => saved(), patience).toBe(3);
    cloud.resume();
    await Promise.all(transfers.map(({ finished }) => finished));
    await cloud.downloadDirectory("buffers", join(folder, "back"));
    for (const number of [1, 2, 3]) {
      const copy = await ReplayBuffer.load(join(folder, "back", `${number}`));
      const to = 15 * number;
      expect(actionsOf(copy)).toEqual(numbersFrom(Math.max(0, to - 20), to));
    }
    expect(await namesOf(folder)).toEqual(["back", "bucket", "buffer.varve"]);
  });

  it("to one local path and one cloud path leave the last one in both", async () => {
    const { cloud, folder } = await setUp();
    const buffer = inlineBuffer({ capacity: 30 });
    const localPath = join(folder, "buffer.varve");
    for (let i = 1; i <= 5; i++) {
      addInline(buffer, 10);
      cloud.saveAndUploadBuffer(buffer, localPath);
    }
    expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 5, failed: 0 });
    await cloud.downloadFile("project/buffer.varve", join(folder, "copy.varve"));
    for (const path of [localPath, join(folder, "copy.varve")]) {
      expect(actionsOf(await ReplayBuffer.load(path))).toEqual(numbersFrom(20, 50));
    }
  });

  it("let a later upload of the file wait for it", async () => {
    const { cloud, folder } = await setUp();
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    const localPath = join(folder, "buffer.varve");
    cloud.saveAndUploadBuffer(buffer, localPath, "one");
    expect(await cloud.uploadFile(localPath, "two")).toMatchObject({ files: 1 });
  });
});

it("sends small files first", async () => {
  const { cloud, file, uploaded, bucket } = await setUp(1);
  cloud.pause();
  const files = await Promise.all([3000, 20, 100].map((size) => file(`f${size}`, "x".repeat(size))));
  const transfers = files.map((path) => cloud.uploadFile(path, basename(path), background));
  // Each is put into the queue when its size is known.
  await expect.poll(() => transfers.every(({ totalBytes }) => totalBytes > 0), patience).toBe(true);
  cloud.resume();
  await cloud.waitForUploads();
  expect(uploaded()).toEqual(["f20", "f100", "f3000"].map((name) => join(bucket, name)));
});

it("downloads what an earlier upload sends, also if that is still under way", async () => {
  const { cloud, file, folder } = await setUp();
  const path = await file("new", "x".repeat(5_000_000));
  cloud.uploadFile(path, "object", background);
  expect(await cloud.downloadFile("object", join(folder, "copy"))).toMatchObject({ bytes: 5_000_000 });
});

it("tells the progress of a hundred transfers apart, and uses their places again", async () => {
  const { cloud, file } = await setUp();
  for (const round of [1, 2]) {
    const files = await Promise.all(numbersFrom(1, 101).map((size) => file(`f${size}`, "x".repeat(size * round))));
    cloud.pause();
    const transfers = files.map((path) => cloud.uploadFile(path, undefined, background));
    expect(transfers.every(({ phase, bytes }) => phase === "waiting" && bytes === 0)).toBe(true);
    expect(cloud.uploadStatus().pending).toBe(100);
    cloud.resume();
    // A loop that never yields sees the end of it.
    const until = performance.now() + 30_000;
    while (cloud.uploadStatus().pending > 0 && performance.now() < until);
    expect(transfers.map(({ bytes }) => bytes)).toEqual(numbersFrom(1, 101).map((size) => size * round));
    expect(transfers.every(({ phase, totalBytes, bytes }) => phase === "finished" && totalBytes === bytes)).toBe(true);
  }
});

async function namesOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}
