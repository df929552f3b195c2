import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkCloudOptions } from "../../../src/checkpoint/cloud/cloud-options.ts";
import { CloudSync, type CloudSyncOptions } from "../../../src/index.ts";
import { startChaosProxy } from "../../servers/chaos-proxy.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../support.ts";

/** A CloudSync on an S3 server behind a proxy, and some small files. */
async function onS3(options: Partial<CloudSyncOptions>, fileCount: number) {
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  const { endpoint, region, forcePathStyle } = cloud.options(proxy.port);
  const place = { provider: "s3", bucket: cloud.bucket, endpoint, region, forcePathStyle, log: false } as const;
  const sync = new CloudSync({ ...place, ...options });
  onTestFinished(async () => {
    await sync.shutdown({ wait: false });
    await proxy.close();
    await cloud.close();
  });
  const folder = await temporaryFolder();
  const files = Array.from({ length: fileCount }, (_, index) => join(folder, `${index}.bin`));
  for (const [index, file] of files.entries()) await writeFile(file, Buffer.alloc(1000, index));
  return { sync, proxy, files };
}

describe("limits of a CloudSync", () => {
  it.each([
    [undefined, 4],
    [2, 2],
  ])("with concurrency %s sends %i files at a time", async (concurrency, most) => {
    const { sync, proxy, files } = await onS3({ concurrency }, 8);
    let puts = 0;
    // None is answered: what has come when nothing more comes is what is under way.
    proxy.always(({ method }) => (method === "PUT" && ++puts > 0 ? { kind: "answer stalled", atByte: 0 } : null));
    for (const [index, file] of files.entries()) sync.uploadFile(file, `${index}.bin`, { background: true });
    await expect.poll(() => puts, { timeout: 20_000 }).toBe(most);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(puts).toBe(most);
  });

  it("tries a request as often as it is told", async () => {
    const { sync, proxy, files } = await onS3({ attempts: 3 }, 1);
    let puts = 0;
    proxy.always(({ method }) => (method === "PUT" && ++puts > 0 ? { kind: "status", status: 503 } : null));
    await expect(sync.uploadFile(files[0] as string, "a.bin")).rejects.toMatchObject({ kind: "busy" });
    expect(puts).toBe(3);
  });

  it("gives a request up on which nothing moves", async () => {
    const { sync, proxy, files } = await onS3({ attempts: 1, idleTimeoutMs: 200 }, 1);
    proxy.always(() => ({ kind: "answer stalled", atByte: 0 }));
    await expect(sync.uploadFile(files[0] as string, "a.bin")).rejects.toMatchObject({ kind: "timeout" });
  });

  it("reads the credentials that it is told to", () => {
    const credentialsPath = import.meta.filename;
    const { place } = checkCloudOptions({ provider: "gcs", bucket: "bucket", credentialsPath });
    expect(place).toMatchObject({ kind: "objects", place: { options: { credentialsPath } } });
  });
});
