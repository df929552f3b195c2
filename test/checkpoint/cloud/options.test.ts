import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  CloudSync,
  type CloudSyncOptions,
  type ForegroundTransfer,
  formatUploadStatus,
  type Transfer,
  type TransferFor,
  type TransferOptions,
} from "../../../src/index.ts";
import { temporaryFolder } from "../support.ts";

const azureKey = "c2VjcmV0LWNhbmFyeS1rZXk=";
const azure = `DefaultEndpointsProtocol=https;AccountName=acct1;AccountKey=${azureKey};EndpointSuffix=core.windows.net`;

function refusal(make: () => unknown): { message: string; argument: unknown } {
  try {
    make();
  } catch (error) {
    expect(error).toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
    return error as { message: string; argument: unknown };
  }
  throw new Error("It was not refused");
}

describe("CloudSync.fromEnv", () => {
  it.each<[Record<string, string>, string, string]>([
    [{}, resolve("./cloud"), ""],
    [{ CLOUD_PROVIDER: "local", CLOUD_BUCKET: "/tmp/b", CLOUD_PROJECT: "eigen" }, "/tmp/b", "eigen"],
    [{ CLOUD_PROVIDER: "local", CLOUD_BUCKET: "", CLOUD_PROJECT: "" }, resolve("./cloud"), ""],
    [{ CLOUD_PROVIDER: "gcs", CLOUD_BUCKET: "my-bucket", CLOUD_PROJECT: "p/q" }, "gs://my-bucket", "p/q"],
    [{ CLOUD_PROVIDER: "s3", CLOUD_BUCKET: "my.bucket" }, "s3://my.bucket", ""],
    [{ CLOUD_PROVIDER: "azure", CLOUD_BUCKET: "box", AZURE_STORAGE_CONNECTION_STRING: azure }, "az://acct1/box", ""],
    [
      {
        CLOUD_PROVIDER: "azure",
        CLOUD_BUCKET: "box",
        AZURE_STORAGE_CONNECTION_STRING: "BlobEndpoint=https://other.blob.core.windows.net/;SharedAccessSignature=sv=1",
      },
      "az://other/box",
      "",
    ],
    [
      { CLOUD_PROVIDER: "azure", CLOUD_BUCKET: "box", AZURE_STORAGE_CONNECTION_STRING: "UseDevelopmentStorage=true" },
      "az://devstoreaccount1/box",
      "",
    ],
    // Of others' variables it takes no notice.
    [{ CLOUD_PROVIDER: "s3", CLOUD_BUCKET: "bucket", GOOGLE_APPLICATION_CREDENTIALS: "/none" }, "s3://bucket", ""],
  ])("%j", (env, url, project) => {
    const cloud = CloudSync.fromEnv(env, { log: false });
    expect({ url: cloud.url, project: cloud.project }).toEqual({ url, project });
  });

  it.each<[Record<string, string>, string, RegExp]>([
    [{ CLOUD_PROVIDER: "aws", CLOUD_BUCKET: "b" }, "CLOUD_PROVIDER", /one of gcs, s3, azure, local, got "aws"/],
    [{ CLOUD_PROVIDER: "GCS", CLOUD_BUCKET: "b" }, "CLOUD_PROVIDER", /one of gcs, s3, azure, local/],
    [{ CLOUD_BUCKET: "b" }, "CLOUD_PROVIDER", /one of gcs, s3, azure, local, as CLOUD_BUCKET is set/],
    [{ CLOUD_PROVIDER: "gcs" }, "bucket", /the bucket's name, got `undefined`/],
    [{ CLOUD_PROVIDER: "s3", CLOUD_BUCKET: "" }, "bucket", /the bucket's name/],
    [{ CLOUD_PROVIDER: "azure", AZURE_STORAGE_CONNECTION_STRING: azure }, "bucket", /the container's name/],
    [{ CLOUD_PROVIDER: "azure", CLOUD_BUCKET: "box" }, "account", /the storage account's name/],
    [{ CLOUD_PROVIDER: "gcs", CLOUD_BUCKET: "gs://bucket" }, "bucket", /the bucket's name/],
    [
      { CLOUD_PROVIDER: "gcs", CLOUD_BUCKET: "bucket", GOOGLE_APPLICATION_CREDENTIALS: "/none/key.json" },
      "credentialsPath",
      /a file that can be read \(ENOENT\)/,
    ],
    [{ CLOUD_PROVIDER: "local", CLOUD_PROJECT: "../up" }, "project", /a relative path/],
  ])("refuses %j", (env, argument, message) => {
    const refused = refusal(() => CloudSync.fromEnv(env, { log: false }));
    expect(refused).toMatchObject({ argument, message: expect.stringMatching(message) });
  });

  it("reads the credentials' former variable, and says what it is called now", async () => {
    const credentials = join(await temporaryFolder(), "key.json");
    await writeFile(credentials, "{}");
    const told: unknown[] = [];
    const log = (event: unknown): void => void told.push(event);
    const env = { CLOUD_PROVIDER: "gcs", CLOUD_BUCKET: "bucket", GCS_CREDENTIALS: credentials };
    CloudSync.fromEnv(env, { log });
    expect(told).toEqual([
      { kind: "warning", message: expect.stringMatching(/GCS_CREDENTIALS is deprecated.* GOOGLE_APPLICATION_CRED/) },
    ]);
    // It is really what would be used.
    const missing = { ...env, GCS_CREDENTIALS: "/none/key.json" };
    expect(refusal(() => CloudSync.fromEnv(missing, { log: false })).argument).toBe("credentialsPath");
    const both = { ...missing, GOOGLE_APPLICATION_CREDENTIALS: credentials };
    CloudSync.fromEnv(both, { log });
    expect(told[1]).toMatchObject({ message: expect.stringMatching(/passed over for GOOGLE_APPLICATION_CREDENTIALS/) });
  });

  it("puts overrides before the environment, and reads process.env by default", () => {
    const env = { CLOUD_PROVIDER: "gcs", CLOUD_BUCKET: "bucket", CLOUD_PROJECT: "a" };
    const cloud = CloudSync.fromEnv(env, { provider: "s3", project: "b", bucket: undefined, log: false });
    expect([cloud.url, cloud.project]).toEqual(["s3://bucket", "b"]);
    expect(CloudSync.fromEnv(undefined, { log: false, provider: "local", bucket: "/tmp/x" }).url).toBe("/tmp/x");
  });
});

describe("options", () => {
  it.each<[Record<string, unknown>, string]>([
    [{}, "provider"],
    [{ provider: "ftp" }, "provider"],
    [{ provider: "local", bukket: "x" }, "options"],
    [{ provider: "local", bucket: 7 }, "bucket"],
    [{ provider: "local", concurrency: 0 }, "concurrency"],
    [{ provider: "local", concurrency: 1.5 }, "concurrency"],
    [{ provider: "local", maxUploadBytesPerSecond: -1 }, "maxUploadBytesPerSecond"],
    [{ provider: "local", attempts: 0 }, "attempts"],
    [{ provider: "local", log: true }, "log"],
    [{ provider: "s3", bucket: "b-1", endpoint: "ftp://x" }, "endpoint"],
    [{ provider: "s3", bucket: "b-1", endpoint: `http://user:${azureKey}@host` }, "endpoint"],
    [{ provider: "gcs", bucket: "b-1", endpoint: `http://host/?secret=${azureKey}` }, "endpoint"],
    [{ provider: "azure", bucket: "b-1", account: "acct1", endpoint: "http://host/#x" }, "endpoint"],
    [{ provider: "gcs", bucket: "b-1", endpoint: "http://" }, "endpoint"],
    [{ provider: "gcs", bucket: "b" }, "bucket"],
    [{ provider: "s3", bucket: "Upper" }, "bucket"],
    [{ provider: "azure", bucket: "b-1", account: "No-Account" }, "account"],
    [{ provider: "s3", bucket: "b-1", forcePathStyle: "yes" }, "forcePathStyle"],
    [{ provider: "s3", bucket: "b-1", credentialsPath: "/etc/hostname" }, "credentialsPath"],
    [{ provider: "gcs", bucket: "b-1", connectionString: azure }, "connectionString"],
    [{ provider: "local", account: "acct1" }, "account"],
    [{ provider: "azure", bucket: "b-1", connectionString: `AccountKey=${azureKey}` }, "account"],
    [{ provider: "azure", bucket: "b-1", connectionString: [azure] }, "connectionString"],
    [{ provider: "s3", bucket: `user:${azureKey}@host` }, "bucket"],
  ])("refuses %j and shows no secret", (options, argument) => {
    const refused = refusal(() => new CloudSync(options as unknown as CloudSyncOptions));
    expect(refused.argument).toBe(argument);
    expect(refused.message).toMatch(/^Expected `/);
    expect(JSON.stringify(refused) + refused.message).not.toContain(azureKey);
  });

  it.each([
    ["GCS", /mean "gcs"/],
    [" s3 ", /mean "s3"/],
    ["aws", /mean "s3"/],
    ["ftp", /^undefined$/],
  ])("asks back what provider %j was to be", (provider, hint) => {
    const asked = [
      refusal(() => new CloudSync({ provider: provider as never, bucket: "bucket" })),
      refusal(() => CloudSync.fromEnv({ CLOUD_PROVIDER: provider, CLOUD_BUCKET: "bucket" })),
    ];
    for (const error of asked) expect(String((error as { hint?: string }).hint)).toMatch(hint);
  });

  it("names a bucket's rule and not the URL of a store", () => {
    const { message } = refusal(() => new CloudSync({ provider: "gcs", bucket: "b" }));
    expect(message).toBe(
      'Expected `bucket` to be the bucket\'s name: 3 to 222 of a-z, 0-9, ., _ and -, got "b" (string)',
    );
  });

  it.each(["", "/", "[", "a[b", "{a,b", "x{[}"])("refuses the pattern %j at the call", (pattern) => {
    const cloud = new CloudSync({ provider: "local", log: false });
    const options = { background: true, exclude: ["fine", pattern] } as const;
    expect(refusal(() => cloud.uploadDirectory("checkpoints", "up", options)).argument).toBe("exclude");
    expect(refusal(() => cloud.syncLogs("logs", options)).argument).toBe("exclude");
  });

  it("refuses what is no object", () => {
    expect(refusal(() => new CloudSync(null as never)).argument).toBe("options");
    expect(refusal(() => new CloudSync("gs://bucket" as never)).argument).toBe("options");
  });
});

it("has the line of the original for its status", () => {
  const line = formatUploadStatus({ pending: 3, completed: 15, failed: 0 });
  expect(line).toBe("Upload status: 3 pending, 15 completed, 0 failed");
});

it("returns what can be awaited unless it is to be done in the background", () => {
  expectTypeOf<TransferFor<object>>().toEqualTypeOf<ForegroundTransfer>();
  expectTypeOf<TransferFor<{ background: false }>>().toEqualTypeOf<ForegroundTransfer>();
  expectTypeOf<TransferFor<{ background: true; exclude: string[] }>>().toEqualTypeOf<Transfer>();
  expectTypeOf<TransferFor<{ background: boolean }>>().toEqualTypeOf<Transfer>();
  expectTypeOf<TransferFor<TransferOptions>>().toEqualTypeOf<Transfer>();
});
