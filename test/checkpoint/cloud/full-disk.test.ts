import { execFileSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createRandom, ReplayBuffer } from "../../../src/index.ts";
import { temporaryFolder } from "../support.ts";
import { localPlace, openCloud } from "./places.ts";

/** A disk of so many bytes; null where we may not make one. */
async function smallDisk(sizeBytes: number): Promise<string | null> {
  const folder = await temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "varve-test", folder], { stdio: "pipe" });
  } catch {
    return null;
  }
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  return folder;
}

/** What no encoding makes much smaller. */
function noisyBuffer(rows: number): ReplayBuffer {
  const fields = {
    observation: { dtype: "float32", shape: [1000] },
    action: { dtype: "float32", shape: [1] },
  } as const;
  const buffer = new ReplayBuffer({ capacity: rows, seed: 1, fields });
  const random = createRandom(1);
  const noise = (): Float32Array => Float32Array.from({ length: 1000 }, () => random.normal());
  for (let i = 0; i < rows; i++) {
    const step = { observation: noise(), nextObservation: noise(), action: Float32Array.of(i), reward: 1 };
    buffer.add({ ...step, terminated: false, truncated: false });
  }
  return buffer;
}

it("a full disk fails a save and a download with a typed error, keeps what was there, and the next ones work", async (context) => {
  const disk = await smallDisk(1024 * 1024);
  if (disk === null) context.skip("needs the right to mount a tmpfs: run it as root");
  const { options, write, read } = await localPlace();
  const cloud = openCloud(options);
  const localPath = join(disk as string, "buffer.varve");
  await write("big", "x".repeat(2_000_000));
  await writeFile(join(disk as string, "copy"), "as it was");
  const buffer = noisyBuffer(500);

  const save = cloud.saveAndUploadBuffer(buffer, localPath);
  await expect(save.finished).rejects.toMatchObject({
    code: "VARVE_STORE",
    kind: "no-space",
    hint: expect.stringMatching(/Free some space/),
  });
  await expect(cloud.downloadFile("big", join(disk as string, "copy"))).rejects.toMatchObject({ kind: "no-space" });
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 0, failed: 1 });
  expect(await readdir(disk as string)).toEqual(["copy"]);
  expect(await readFile(join(disk as string, "copy"), "utf8")).toBe("as it was");

  execFileSync("mount", ["-o", "remount,size=64m", disk as string]);
  for (const { finished } of cloud.retryFailed()) await finished;
  await cloud.downloadFile("big", join(disk as string, "copy"));
  expect((await readFile(join(disk as string, "copy"))).length).toBe(2_000_000);
  expect((await ReplayBuffer.load(localPath)).size).toBe(500);
  expect(await read("project/buffer.varve")).toBe((await readFile(localPath)).toString("latin1"));
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 0 });
});
