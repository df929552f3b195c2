import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { noCredentials } from "../../../src/store/s3/s3-errors.ts";
import { errorAnswer } from "../../servers/s3/s3-answer.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { bytes, connectForTest, everyRequest, rejectionOf, shownOf } from "./s3-every-request.ts";

let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud();
});
afterAll(() => cloud.close());

/** Only what the test writes into a file lets one in. */
const before = { ...process.env };
let credentialsFile: string;
beforeEach(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  credentialsFile = join(await temporaryFolder(), "credentials");
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = credentialsFile;
  process.env["AWS_CONFIG_FILE"] = "/dev/null";
  process.env["AWS_EC2_METADATA_DISABLED"] = "true";
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, before);
  cloud.onRequest = null;
});

async function giveCredentials(key: string): Promise<void> {
  await writeFile(credentialsFile, `[default]\naws_access_key_id=${key}\naws_secret_access_key=canary-${key}\n`);
}

/** From now on the service knows these keys only; what others answer is that they have expired. */
function letIn(...keys: readonly string[]): void {
  cloud.onRequest = ({ headers, method }) => {
    const isLetIn = keys.some((key) => headers.authorization?.includes(`Credential=${key}/`));
    if (isLetIn) return null;
    const answer = errorAnswer(400, "ExpiredToken", "The provided token has expired.");
    return method === "HEAD" ? { status: 400 } : answer;
  };
}

describe("s3: credentials of the chain", () => {
  it("are asked for again when they have expired, and the request is worth a second try", async () => {
    await giveCredentials("FIRST");
    letIn("FIRST");
    const client = await connectForTest(cloud.newUrl(), cloud.options());
    await client.put("key", bytes);
    letIn("SECOND");
    await giveCredentials("SECOND");
    // Requests that were under way together fail together, and are all worth it.
    const errors = await Promise.all(
      [client.get("key"), client.head("key"), client.put("key", bytes)].map(rejectionOf),
    );
    for (const error of errors) expect(error).toMatchObject({ kind: "permission", retryable: true });
    expect(await client.get("key")).toEqual(bytes);
  });

  it("that have expired, with none newer, are a permission error that is not tried again", async () => {
    await giveCredentials("FIRST");
    letIn("FIRST");
    const client = await connectForTest(cloud.newUrl(), cloud.options());
    await client.put("key", bytes);
    letIn("SECOND");
    expect(await rejectionOf(client.get("key"))).toMatchObject({ kind: "permission", retryable: true });
    const denied = { kind: "permission", retryable: false, hint: expect.stringContaining("expired") };
    expect(await rejectionOf(client.get("key"))).toMatchObject(denied);
    expect(await rejectionOf(client.get("key"))).toMatchObject(denied);
    // They come back by themselves, however late.
    await giveCredentials("SECOND");
    expect(await client.get("key")).toEqual(bytes);
  });

  it("that are missing are a permission error that says how to get some, in every request", async () => {
    const client = await connectForTest(cloud.newUrl(), cloud.options());
    for (const [name, request] of Object.entries(everyRequest(client))) {
      const error = await rejectionOf(request());
      const hint = expect.stringContaining("AWS_ACCESS_KEY_ID");
      expect(error, name).toMatchObject({ code: "VARVE_STORE", kind: "permission", retryable: false, hint });
    }
    await giveCredentials("LATE");
    await client.put("key", bytes);
    expect(await client.get("key")).toEqual(bytes);
  });

  it("are not shown, nor what a program says that was asked for them", () => {
    const cause = Object.assign(new Error("Command failed: vault --token canary"), {
      name: "CredentialsProviderError",
    });
    const error = noCredentials(cause, { operation: "get", key: "key" });
    expect(error).toMatchObject({ kind: "permission", retryable: false });
    expect(shownOf(error)).toContain("CredentialsProviderError");
    expect(shownOf(error)).not.toContain("canary");
  });

  it("that cannot be had just now are worth another try", () => {
    for (const httpStatusCode of [429, 503]) {
      const cause = Object.assign(new Error("slow down"), { $metadata: { httpStatusCode } });
      expect(noCredentials(cause, { operation: "get", key: "key" })).toMatchObject({ kind: "busy", retryable: true });
    }
  });
});

describe("s3: where the bucket is", () => {
  it("is signed for the region that is given, or that the chain knows, or any for another server", async () => {
    await giveCredentials("KEY");
    const regions: string[] = [];
    const signedFor = async (options: object): Promise<string | undefined> => {
      cloud.onRequest = ({ headers }) => {
        regions.push(/Credential=KEY\/\d+\/([^/]+)\//.exec(headers.authorization ?? "")?.[1] ?? "");
        return null;
      };
      const endpoint = `http://127.0.0.1:${cloud.port}`;
      const client = await connectForTest(cloud.newUrl(), { endpoint, ...options });
      await client.get("key");
      return regions.pop();
    };
    expect(await signedFor({})).toBe("us-east-1");
    expect(await signedFor({ region: "auto" })).toBe("auto");
    process.env["AWS_REGION"] = "eu-north-1";
    expect(await signedFor({})).toBe("eu-north-1");
    expect(await signedFor({ region: "auto" })).toBe("auto");
  });

  it("has to be told where AWS itself is meant and nothing else tells it", async () => {
    const error = await rejectionOf(connectS3(parseObjectUrl("s3://bucket")));
    expect(error).toMatchObject({ code: "VARVE_INVALID_ARGUMENT", hint: expect.stringContaining("region=") });
    expect(error.message).toContain("AWS_REGION");
  });

  it.each(["ftp://host", "host", "http://user:canary@host", "http://host?token=canary"])(
    "is refused at %s, without showing a password",
    async (endpoint) => {
      const error = await rejectionOf(connectS3(parseObjectUrl("s3://bucket", { endpoint })));
      expect(error).toMatchObject({ code: "VARVE_INVALID_ARGUMENT" });
      expect(inspect(error, { depth: 9 })).not.toContain("canary");
    },
  );

  it("is below the endpoint's path by default, and in its name where that is asked for", async () => {
    await giveCredentials("KEY");
    const hosts: string[] = [];
    cloud.onRequest = ({ headers }) => {
      hosts.push(headers.host ?? "");
      return { status: 200, headers: { etag: '"1"' } };
    };
    const endpoint = `http://localhost:${cloud.port}`;
    for (const forcePathStyle of [undefined, false]) {
      const client = await connectForTest("s3://some-bucket", { endpoint, forcePathStyle });
      await client.put("key", bytes).catch((error: Error) => hosts.push(error.message));
    }
    expect(hosts[0]).toBe(`localhost:${cloud.port}`);
    // Names below localhost are not known to every machine.
    expect(hosts[1]).toContain("some-bucket.localhost");
  });
});
