import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type CloudEvent, ReplayBuffer } from "../../../src/index.ts";
import { connectFolder } from "../../../src/store/folder/folder-client.ts";
import { createTemporaryNames } from "../../../src/store/temporary-name.ts";
import { addInline, inlineBuffer } from "../support.ts";
import { runFixture } from "./child.ts";
import { localPlace, openCloud } from "./places.ts";

const patience = { timeout: 30_000 };
const namesIn = async (folder: string): Promise<string[]> => (await readdir(folder)).sort();

/** A folder of local files that a process was killed in, between the save of a buffer and its upload. */
async function killed() {
  const place = await localPlace();
  const folder = join(place.folder, "checkpoints");
  const { errors, code } = await runFixture("killed-save.ts", {
    cloud: place.options,
    localPath: join(folder, "buffer.varve"),
  });
  expect({ errors, code }).toEqual({ errors: "", code: null });
  const [leftover = "", ...others] = await namesIn(folder);
  expect(leftover).toMatch(/^\.tmp-/);
  expect(others).toEqual(["buffer.varve"]);
  return { ...place, folder };
}

it("what a killed process left beside a buffer is not sent with its folder, and is removed", async () => {
  const { options, folder, names } = await killed();
  const events: CloudEvent[] = [];
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  expect(await cloud.syncCheckpoints(folder)).toMatchObject({ files: 1 });
  expect(await names("")).toEqual(["project/checkpoints/buffer.varve"]);
  await cloud.shutdown();
  expect(await namesIn(folder)).toEqual(["buffer.varve"]);
  expect(events.filter(({ kind }) => kind === "warning")).toEqual([
    { kind: "warning", message: `1 unfinished files in ${folder} that earlier processes had given up were removed` },
  ]);
});

it("removes it also where nothing of the folder is sent, in a folder below, and during a pause", async () => {
  const { options, folder } = await killed();
  const cloud = openCloud({ ...options });
  cloud.pause();
  cloud.uploadDirectory(join(folder, ".."), "up", { background: true, exclude: ["buffer*", "bucket"] });
  await expect.poll(() => namesIn(folder), patience).toEqual(["buffer.varve"]);
});

it("removes it with an upload of another file beside it", async () => {
  const { options, folder } = await killed();
  const cloud = openCloud({ ...options });
  await writeFile(join(folder, "other"), "content");
  await cloud.uploadFile(join(folder, "other"));
  await expect.poll(() => namesIn(folder), patience).toEqual(["buffer.varve", "other"]);
});

it("never removes a file of a process that lives, nor one of another machine within a week", async () => {
  const { options, folder: parent, names, read } = await localPlace();
  const folder = join(parent, "checkpoints");
  const daysOld = (name: string, days: number): Promise<void> => {
    const time = new Date(Date.now() - days * 24 * 60 * 60 * 1000);
    return utimes(join(folder, name), time, time);
  };
  // An upload that is paused in this process: its second name looks like any other.
  const paused = openCloud({ ...options });
  const buffer = inlineBuffer();
  addInline(buffer, 10);
  paused.pause();
  const upload = paused.saveAndUploadBuffer(buffer, join(folder, "buffer.varve"), "buffer");
  const isSaved = async (): Promise<boolean> => (await readdir(folder)).includes("buffer.varve");
  await expect.poll(() => isSaved().catch(() => false), patience).toBe(true);
  await expect.poll(() => namesIn(folder), patience).toHaveLength(2);
  const [copy = ""] = await namesIn(folder);
  await daysOld(copy, 30);

  const living = createTemporaryNames({ processId: process.ppid }).next();
  const ofOthers = createTemporaryNames({ scope: "0123abcd", processId: 4_000_000 });
  const files = { [living]: 1000, [ofOthers.next()]: 6, ".tmp-of-somebody-else": 6 };
  const old = ofOthers.next();
  for (const [name, days] of Object.entries({ ...files, [old]: 8 })) {
    await writeFile(join(folder, name), "content");
    await daysOld(name, days);
  }
  const cloud = openCloud({ ...options });
  await daysOld(".tmp-of-somebody-else", 400);
  await cloud.syncCheckpoints(folder);
  await cloud.shutdown();
  expect(await namesIn(folder)).toEqual([...Object.keys(files), copy, "buffer.varve"].sort());
  expect(await names("")).toEqual(["project/checkpoints/buffer.varve"]);
  paused.resume();
  await upload.finished;
  expect(await read("buffer")).not.toBeNull();
  expect((await ReplayBuffer.load(join(folder, "buffer.varve"))).size).toBe(10);
});

it.each([
  ["project", ["other/checkpoints/old", "project/young"]],
  // Without one the bucket may be others' too: only the folder that is written to.
  [undefined, ["other/checkpoints/old", "project/old", "project/young"]],
])("gives up uploads in pieces that were begun a week ago, in the project %s", async (project, left) => {
  const { folder, bucket } = await localPlace();
  const begin = (key: string, daysAgo: number): Promise<string> => {
    const clock = { now: () => Date.now() - daysAgo * 24 * 60 * 60 * 1000, monotonicMs: () => 0 };
    const totalBytes = 100e6;
    return connectFolder(bucket, { clock }).pieces.begin(key, { totalBytes, metadata: { sha256: "0".repeat(64) } });
  };
  await begin("project/old", 8);
  await begin("project/young", 6);
  await begin("checkpoints/old", 8);
  await begin("other/checkpoints/old", 8);
  await writeFile(join(folder, "model.bin"), "content");
  const events: CloudEvent[] = [];
  const cloud = openCloud({ provider: "local", bucket, project, log: (event) => void events.push(event) });
  await cloud.uploadFile(join(folder, "model.bin"), "checkpoints/model.bin");
  // Beside the uploads; a shutdown would end it.
  const told = () => events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));
  await expect.poll(told, patience).toEqual(["1 uploads that earlier processes had given up were removed"]);
  const open = await Array.fromAsync(connectFolder(bucket).pieces.open(""));
  const expected = project === undefined ? left : [...left, "checkpoints/old"];
  expect(open.map(({ key }) => key).sort()).toEqual(expected.sort());
});
