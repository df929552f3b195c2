import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { CloudSync, type CloudSyncOptions } from "../../../src/index.ts";
import { startChaosProxy } from "../../servers/chaos-proxy.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
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
  return { cloud, sync, proxy, files };
}

/** A token service, and the file of an identity that signs in there: the one kind that names its service itself. */
async function startTokenService(): Promise<string> {
  const folder = await temporaryFolder();
  const server = createServer((request, response) => {
    request.resume();
    const token = {
      access_token: "token-of-the-file",
      token_type: "Bearer",
      expires_in: 3600,
      issued_token_type: "any",
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(token));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const credentialsPath = join(folder, "credentials.json");
  await writeFile(join(folder, "subject"), "subject");
  const credentials = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/any",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    credential_source: { file: join(folder, "subject") },
  };
  await writeFile(credentialsPath, JSON.stringify(credentials));
  return credentialsPath;
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

  // Shorter than what holds without the option.
  it("gives a request up on which nothing moves", { timeout: 25_000 }, async () => {
    const { sync, proxy, files } = await onS3({ attempts: 1, idleTimeoutMs: 200 }, 1);
    proxy.always(() => ({ kind: "answer stalled", atByte: 0 }));
    await expect(sync.uploadFile(files[0] as string, "a.bin")).rejects.toMatchObject({ kind: "timeout" });
  });

  it("sends no more than its bandwidth allows", async () => {
    const { cloud, sync, files } = await onS3({ maxUploadBytesPerSecond: 1 }, 2);
    const [first = "", second = ""] = files;
    // That uses up what may be sent in a quarter of an hour.
    await sync.uploadFile(first, "first");
    const paced = sync.uploadFile(second, "second", { background: true });
    const { endpoint, region, forcePathStyle } = cloud.options();
    const place = { provider: "s3", bucket: cloud.bucket, endpoint, region, forcePathStyle, log: false } as const;
    const unlimited = new CloudSync(place);
    for (let i = 0; i < 20; i++) await unlimited.uploadFile(second, `control/${i}`);
    await unlimited.shutdown();
    expect(paced.phase).toBe("uploading");
    expect([...cloud.objects.keys()].filter((key) => !key.startsWith("control/"))).toEqual(["first"]);
  });

  it("signs for the region that it is told", async () => {
    const { cloud, sync, files } = await onS3({ region: "eu-test-7" }, 1);
    const signed: string[] = [];
    cloud.onRequest = ({ headers }) => {
      signed.push(headers.authorization ?? "");
      return null;
    };
    await sync.uploadFile(files[0] as string, "a.bin");
    expect(signed.length).toBeGreaterThan(0);
    for (const line of signed) expect(line).toMatch(/Credential=[^,]+\/eu-test-7\/s3\//);
  });

  it("signs in with the credentials that it is told", async () => {
    const credentialsPath = await startTokenService();
    const cloud = await startGcsCloud();
    onTestFinished(() => cloud.close());
    const seen = new Set<string | undefined>();
    cloud.onRequest = ({ headers }) => {
      seen.add(headers.authorization);
      return null;
    };
    const { endpoint } = cloud.options();
    const place = { provider: "gcs", bucket: cloud.bucket, endpoint, credentialsPath, log: false } as const;
    const sync = new CloudSync(place);
    const path = join(await temporaryFolder(), "file");
    await writeFile(path, "content");
    await sync.uploadFile(path, "file");
    await sync.shutdown();
    expect([...seen]).toEqual(["Bearer token-of-the-file"]);
  });
});
