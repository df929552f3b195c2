import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { CloudEvent } from "../../../src/index.ts";
import { localPlace, openCloud } from "./places.ts";

async function setUp(bucketIn: string | null = null) {
  const place = await localPlace();
  const directory = join(place.folder, "directory");
  await mkdir(directory);
  const events: CloudEvent[] = [];
  const options = bucketIn === null ? place.options : { ...place.options, bucket: join(place.folder, bucketIn) };
  const cloud = openCloud({ ...options, log: (event) => void events.push(event) });
  const warnings = (): string[] =>
    events.flatMap((event) => (event.kind === "warning" && / left out/.test(event.message) ? [event.message] : []));
  return { ...place, directory, cloud, warnings };
}

it("unfinished files are left out and named, once until they are others; uploadFile sends them", async () => {
  const { cloud, directory, names, warnings } = await setUp();
  const own = [".tmp-0a1b2c3d-1-x", ".model.bin.0123456789ab.varve-upload.json"];
  for (const name of ["a.part", "b.tmp", ".tmp-notes", "whole", "x.tmp", ...own]) {
    await writeFile(join(directory, name), name);
  }
  for (let i = 0; i < 2; i++) await cloud.uploadDirectory(directory, "up", { exclude: ["x*"] });
  const why = "(names like *.tmp, *.part and .tmp-* are those of unfinished files)";
  const told = `3 files of ${directory} are left out: .tmp-notes, a.part, b.tmp ${why}`;
  expect(warnings()).toEqual([told]);
  expect(await names("")).toEqual(["up/whole"]);
  for (let i = 0; i < 9; i++) await writeFile(join(directory, `c${i}.tmp`), "");
  await cloud.uploadDirectory(directory, "up", { exclude: ["x*"] });
  expect(warnings().slice(1)).toEqual([
    expect.stringMatching(/^12 files .*: .tmp-notes, .* c0\.tmp, c1\.tmp and 7 more/),
  ]);
  await cloud.uploadFile(join(directory, "a.part"), "a.part");
  expect(await names("")).toEqual(["a.part", "up/whole"]);
});

it("a bucket of provider local in the directory is left out, and told once, also through a link", async () => {
  const { cloud, directory, folder, warnings } = await setUp("directory/deep/cloud");
  await writeFile(join(directory, "file"), "content");
  await symlink(directory, join(folder, "link"));
  expect(await cloud.syncCheckpoints(directory)).toMatchObject({ files: 1, unchanged: 0 });
  for (let i = 0; i < 2; i++) {
    expect(await cloud.syncCheckpoints(directory)).toMatchObject({ files: 0, unchanged: 1 });
    expect(await cloud.syncCheckpoints(join(folder, "link"))).toMatchObject({ files: 0, unchanged: 1 });
  }
  const why = "it is the folder that stands for the bucket";
  expect(warnings()).toEqual([
    `deep/cloud is left out of ${directory}: ${why}`,
    `deep/cloud is left out of ${join(folder, "link")}: ${why}`,
  ]);
  await expect(cloud.uploadDirectory(join(directory, "deep/cloud"), "x")).rejects.toMatchObject({
    kind: "unsupported",
    hint: expect.stringMatching(/`bucket`/),
  });
});

it("a folder beside it whose name begins alike, and one above it, are sent", async () => {
  const { cloud, directory } = await setUp("directory/cloud");
  await mkdir(join(directory, "cloud2"));
  await mkdir(join(directory, "..cloud"));
  for (const name of ["cloud2/file", "..cloud/file"]) await writeFile(join(directory, name), "content");
  expect(await cloud.uploadDirectory(directory, "up")).toMatchObject({ files: 2 });
  expect(await cloud.uploadDirectory(directory, "up")).toMatchObject({ files: 0, unchanged: 2 });
  expect(await cloud.uploadDirectory(join(directory, "cloud2"), "up2")).toMatchObject({ files: 1 });
});
