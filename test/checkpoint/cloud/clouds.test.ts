import { appendFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CloudEvent } from "../../../src/index.ts";
import { type AzureCloud, startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../support.ts";
import { train } from "./child.ts";
import { cloudPlaceIn, openCloud } from "./places.ts";

const background = { background: true } as const;

describe("a bucket that answers with errors", () => {
  let server: S3Cloud;
  beforeAll(async () => {
    server = await startS3Cloud();
  });
  beforeEach(() => {
    server.deny = false;
    server.onRequest = null;
  });
  afterAll(() => server.close());

  async function setUp(options: { readonly attempts?: number } = {}) {
    const place = await cloudPlaceIn(server);
    const events: CloudEvent[] = [];
    const log = (event: CloudEvent): void => void events.push(event);
    const cloud = openCloud({ ...place.options, ...options, log });
    const folder = await temporaryFolder();
    const path = join(folder, "file.txt");
    await writeFile(path, "content");
    return { ...place, cloud, events, folder, path, project: place.options.project };
  }

  it("without the right to look, fileExists throws and is never false; uploads count as failed until they may", async () => {
    const { cloud, path, project, read } = await setUp();
    await cloud.uploadFile(path, `${project}/checkpoints/file.txt`);
    expect(await cloud.fileExists("file.txt")).toBe(true);
    server.deny = true;
    const denied = { code: "VARVE_STORE", kind: "permission" };
    await expect(cloud.fileExists("file.txt")).rejects.toMatchObject(denied);
    await expect(cloud.fileExists("none")).rejects.toMatchObject(denied);
    await expect(cloud.downloadCheckpoints(join(path, ".."))).rejects.toMatchObject(denied);
    await expect(cloud.uploadFile(path)).rejects.toMatchObject(denied);
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 1, failed: 1 });
    server.deny = false;
    const [again] = cloud.retryFailed();
    await again?.finished;
    expect(await read(`${project}/file.txt`)).toBe("content");
    expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 2, failed: 0 });
  });

  it("tries again what a busy server refuses, and tells so", async () => {
    const { cloud, path, events, read } = await setUp();
    let refusals = 1;
    server.onRequest = ({ kind }) => (kind === "put" && refusals-- > 0 ? { status: 503 } : null);
    const transfer = cloud.uploadFile(path, "busy", background);
    await transfer.finished;
    expect(transfer).toMatchObject({ phase: "finished", retries: 1, bytes: 7 });
    expect(events.map(({ kind }) => kind)).toEqual(["queued", "retry", "uploaded"]);
    expect(await read("busy")).toBe("content");
  });

  it("goes on with the pieces of a large file that broke off", async () => {
    const { cloud, folder, names } = await setUp({ attempts: 1 });
    const path = join(folder, "large");
    // Pieces of S3 are of 8 MiB.
    await writeFile(path, Buffer.alloc(20 * 1024 * 1024, "abcdefg"));
    server.onRequest = ({ kind, query }) =>
      kind === "putPart" && query.get("partNumber") === "3" ? { status: 500 } : null;
    const broken = cloud.uploadFile(path, "large", background);
    await expect(broken.finished).rejects.toMatchObject({ kind: "busy" });
    expect(broken.bytes).toBe(16 * 1024 * 1024);
    server.onRequest = null;
    const before = server.requests.get("putPart") ?? 0;
    const [again] = cloud.retryFailed();
    await again?.finished;
    expect((server.requests.get("putPart") ?? 0) - before).toBe(1);
    expect(again).toMatchObject({ phase: "finished", bytes: 20 * 1024 * 1024, totalBytes: 20 * 1024 * 1024 });
    expect(await names("large")).toEqual(["large"]);
    expect(server.uploads.size).toBe(0);
  });

  it("sends all of a large file that has grown since its upload broke off", async () => {
    const { cloud, folder, read } = await setUp({ attempts: 1 });
    const path = join(folder, "large");
    await writeFile(path, Buffer.alloc(17 * 1024 * 1024, "abcdefg"));
    server.onRequest = ({ query }) => (query.get("partNumber") === "2" ? { status: 500 } : null);
    await expect(cloud.uploadFile(path, "grown")).rejects.toMatchObject({ kind: "busy" });
    server.onRequest = null;
    await appendFile(path, "more");
    const [again] = cloud.retryFailed();
    expect(await again?.finished).toMatchObject({ files: 1, bytes: 17 * 1024 * 1024 + 4 });
    expect((await read("grown"))?.slice(-4)).toBe("more");
    expect(server.uploads.size).toBe(0);
  });

  it("with objects whose names are no paths downloads the others, and names these whole", async () => {
    const { cloud, folder, path, project } = await setUp();
    await cloud.uploadFile(path, `${project}/down/good`);
    const good = server.objects.get(`${project}/down/good`);
    if (good === undefined) throw new Error("It was not uploaded");
    const odd = ["../evil", "a/../../evil", "a\\..\\evil", "/evil", "a//b"].map((name) => `${project}/down/${name}`);
    for (const key of odd) server.objects.set(key, good);
    const error = await cloud.downloadDirectory(`${project}/down`, join(folder, "target")).finished.catch((e) => e);
    expect(error).toMatchObject({ code: "VARVE_DIRECTORY_TRANSFER", hint: expect.stringMatching(/another name/) });
    expect(error.message).toMatch(/^5 of 6 files/);
    expect(error.failures.map((text: string) => text.split(": ")[0]).sort()).toEqual([...odd].sort());
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(["file.txt", "target", "target/good"]);
  });

  it("shows no secret in results, errors and events, nor in the lines of a process", async () => {
    const { cloud, events, path, folder, options } = await setUp();
    const secret = process.env["AWS_SECRET_ACCESS_KEY"] ?? "";
    expect(secret.length).toBeGreaterThan(10);
    const told: unknown[] = [await cloud.uploadFile(path)];
    server.deny = true;
    cloud.uploadFile(path, "denied", background);
    told.push(await cloud.waitForUploads(), await cloud.fileExists("x").catch((error: unknown) => error), events);
    expect(everything(told)).not.toContain(secret);
    const localPath = join(folder, "buffer.varve");
    const child = await train({ cloud: { ...options, log: "stderr" }, localPath, ending: "loop", shape: [8, 4, 4] });
    expect(child.errors).toMatch(
      /FAILED: .*permission.*buffer\.varve is kept; cloud\.retryFailed\(\) sends it again\n$/,
    );
    expect(child.errors + child.output).not.toContain(secret);
  });
});

describe("an Azure account", () => {
  let server: AzureCloud;
  beforeAll(async () => {
    server = await startAzureCloud();
  });
  afterAll(() => server.close());

  it("with a wrong key is refused, and the key is shown nowhere", async () => {
    const { options } = await cloudPlaceIn(server);
    const key = Buffer.from("a wrong key, and secret all the same").toString("base64");
    const connectionString = options.connectionString?.replace(server.accountKey, key);
    const events: CloudEvent[] = [];
    const cloud = openCloud({ ...options, connectionString, log: (event) => void events.push(event) });
    const error: unknown = await cloud.fileExists("x").catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "VARVE_STORE", kind: "permission" });
    cloud.syncLogs(await temporaryFolder());
    const path = join(await temporaryFolder(), "file");
    await writeFile(path, "content");
    cloud.uploadFile(path, "x", background);
    const result = await cloud.waitForUploads();
    expect(result.failed).toBe(1);
    expect(everything([error, result, events, cloud])).not.toContain(key);
    expect(JSON.stringify(cloud)).not.toContain("AccountKey");
  });
});

/** Texts of all that could be printed: errors with stack, cause and fields. */
function everything(values: unknown): string {
  return JSON.stringify(values, (_, value: unknown) => {
    if (!(value instanceof Error)) return value;
    const { message, stack, cause } = value;
    return Object.assign({ message, stack, cause }, Object.fromEntries(Object.entries(value)));
  });
}
