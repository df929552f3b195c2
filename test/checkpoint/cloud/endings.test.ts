import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { type CloudEvent, CloudSync } from "../../../src/index.ts";
import { addInline, inlineBuffer, numbersFrom } from "../support.ts";
import { localPlace, openCloud } from "./places.ts";

const background = { background: true } as const;

it.each([2 ** 31, 1e12])("a wait of %d ms is as long as it says", async (timeoutMs) => {
  const { options, folder, names } = await localPlace();
  const path = join(folder, "file");
  await writeFile(path, "x".repeat(3_000_000));
  const cloud = openCloud(options);
  cloud.uploadFile(path, "waited", background);
  expect(await cloud.waitForUploads({ timeoutMs })).toMatchObject({ succeeded: 1, pending: 0 });
  const other = new CloudSync({ ...options, log: false });
  other.uploadFile(path, "shut-down", background);
  expect(await other.shutdown({ timeoutMs })).toMatchObject({ succeeded: 1, pending: 0 });
  expect(await names("")).toEqual(["shut-down", "waited"]);
});

describe("what a shutdown gives up", () => {
  it("is counted as failed from then on, with the reason", async () => {
    const { options, folder } = await localPlace();
    const path = join(folder, "file");
    await writeFile(path, "content");
    const cloud = openCloud(options);
    await cloud.uploadFile(path, "done");
    cloud.pause();
    for (const name of ["a", "b"]) cloud.uploadFile(path, name, background);
    const cancelled = cloud.uploadFile(path, "c", background);
    cancelled.cancel();
    await expect(cancelled.finished).rejects.toMatchObject({ kind: "aborted" });
    expect(await cloud.shutdown({ wait: false })).toMatchObject({ succeeded: 1, failed: 0, pending: 2, paused: 2 });
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 1, failed: 2 });
    const result = await cloud.waitForUploads();
    const reason = { kind: "aborted", message: expect.stringMatching(/given up: CloudSync was shut down/) };
    expect(result).toMatchObject({ succeeded: 1, failed: 2, pending: 0, paused: 0, errors: [reason, reason] });
    expect(result.errors[0]).toMatchObject({ hint: expect.stringMatching(/[Uu]pload it again/) });
  });

  it("does not hide that a buffer could not be saved", async () => {
    const { options, folder } = await localPlace();
    await writeFile(join(folder, "checkpoints"), "in the way");
    const events: CloudEvent[] = [];
    const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
    const buffer = inlineBuffer();
    addInline(buffer, 10);
    const saves = numbersFrom(0, 10).map((number) =>
      cloud.saveAndUploadBuffer(buffer, join(folder, "checkpoints", `${number}.varve`)),
    );
    await cloud.shutdown({ wait: false });
    expect(saves.map(({ phase }) => phase)).toEqual(saves.map(() => "failed"));
    expect(events.filter(({ kind }) => kind === "failed").length).toBe(10);
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 10 });
  });
});

it.each([{ wait: false }, { timeoutMs: 1 }])("a second shutdown, %o, hurries a first one", async (second) => {
  const { options, folder } = await localPlace();
  const path = join(folder, "file");
  await writeFile(path, "x".repeat(400_000));
  // The first file uses up the bandwidth of an hour.
  const cloud = new CloudSync({ ...options, maxUploadBytesPerSecond: 100, log: false });
  await cloud.uploadFile(path, "first");
  cloud.uploadFile(path, "second", background);
  const first = cloud.shutdown({ timeoutMs: 3_600_000 });
  expect(cloud.shutdown({ timeoutMs: 7_200_000 })).toBe(first);
  expect(cloud.shutdown(second)).toBe(first);
  expect(await first).toMatchObject({ succeeded: 1, pending: 1 });
});

it("says how it ended again where something was sent in between, with the same counts too", async () => {
  const { options, bucket, folder } = await localPlace();
  await writeFile(bucket, "in the way");
  await writeFile(join(folder, "file"), "content");
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  cloud.uploadFile(join(folder, "file"), "file", background);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 2; i++) expect(await cloud.waitForUploads()).toMatchObject({ failed: 1 });
    expect(events.filter(({ kind }) => kind === "finished").length).toBe(round + 1);
    cloud.retryFailed();
  }
});

it("a thread that crashes during the shutdown leaves nothing open and nothing uncounted", async () => {
  const { options, folder } = await localPlace();
  const threads: Worker[] = [];
  const listener = (worker: Worker): void => void threads.push(worker);
  process.on("worker", listener);
  onTestFinished(() => void process.off("worker", listener));
  const events: CloudEvent[] = [];
  const cloud = new CloudSync({ ...options, log: (event) => void events.push(event) });
  const buffer = inlineBuffer();
  addInline(buffer, 10);
  const saves = numbersFrom(0, 100).map((number) => cloud.saveAndUploadBuffer(buffer, join(folder, `${number}.varve`)));
  await expect.poll(() => events.some(({ kind }) => kind === "saved"), { timeout: 30_000 }).toBe(true);
  const shutdown = cloud.shutdown({ wait: false });
  await threads[0]?.terminate();
  await shutdown;
  const ends = await Promise.allSettled(saves.map(({ finished }) => finished));
  const failed = ends.filter(({ status }) => status === "rejected").length;
  expect(failed).toBeGreaterThan(0);
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 100 - failed, failed });
});
