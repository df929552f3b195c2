import { rename, rm, writeFile } from "node:fs/promises";
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
  expect(cloud.uploadStatus()).toEqual({ pending: 0, completed: 1, failed: 1 });
  expect(events.at(-1)).toEqual({
    kind: "warning",
    message: `${localPath} cannot be sent again: its buffer was not saved, and is not in use any more`,
  });
  await cloud.downloadFile("object", join(folder, "copy"));
  expect((await ReplayBuffer.load(join(folder, "copy"))).size).toBe(100);
  expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 1, failed: 1, errors: [{ code: "VARVE_STORE" }] });
});
