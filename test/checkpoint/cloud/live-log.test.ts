import { appendFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../support.ts";
import { openCloud, type ProviderOfTest, providers } from "./places.ts";

const START_BYTES = 9 * 1024 * 1024;
const LINE = `${"loss 0.1 ".repeat(20)}\n`;

/** Appends lines until the test has ended, or `stop()`. */
function keepWriting(path: string): { readonly stop: () => void } {
  let isWriting = true;
  const write = (): void => {
    if (!isWriting) return;
    appendFileSync(path, LINE);
    setTimeout(write, 2);
  };
  write();
  const stop = (): void => {
    isWriting = false;
  };
  onTestFinished(stop);
  return { stop };
}

// Of the clouds the one whose object is seen with its last piece; files/ has the rest with a folder for a bucket.
describe.each(["local", "gcs"])("a log of more than a piece, on %s", (name) => {
  let provider: ProviderOfTest;
  beforeAll(async () => {
    const start = providers[name];
    if (start === undefined) throw new Error(`No provider ${name}`);
    provider = await start();
  });
  afterAll(() => provider.close());

  it("is uploaded while lines are added all the time, and once more when it rests", async () => {
    const { options, read } = await provider.newPlace();
    const cloud = openCloud(options);
    const folder = await temporaryFolder();
    const path = join(folder, "train.log");
    await writeFile(path, Buffer.alloc(START_BYTES, "line\n"));
    const { stop } = keepWriting(path);
    const first = await cloud.syncLogs(folder);
    expect(first).toMatchObject({ files: 1, unchanged: 0 });
    expect(statSync(path).size).toBeGreaterThan(first.bytes);
    expect(first.bytes).toBeGreaterThanOrEqual(START_BYTES);
    const key = `${options.project}/logs/train.log`;
    expect((await read(key))?.length).toBe(first.bytes);
    stop();
    const { size } = statSync(path);
    expect(await cloud.syncLogs(folder)).toMatchObject({ files: 1, bytes: size });
    expect((await read(key))?.length).toBe(size);
    expect(await cloud.syncLogs(folder)).toMatchObject({ files: 0, unchanged: 1, bytes: 0 });
  });
});
