import { execFile } from "node:child_process";
import { cp, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseObjectUrl } from "../../src/store/object-url.ts";
import { openStore } from "../../src/store/open-store.ts";

const CLOUDS = ["gs://bucket/run", "s3://bucket/run", "az://account/container/run"] as const;

/** Runs a module in a process of its own; resolves to what it prints. */
async function runModule(source: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", source]);
  return stdout.trim();
}

describe("a cloud store", () => {
  it.each(CLOUDS)("is opened without a request and without loading an SDK: %s", async (url) => {
    const module = pathToFileURL(resolve("src/store/open-store.ts")).href;
    const printed = await runModule(`
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
      const { openStore } = await import(${JSON.stringify(module)});
      const store = await openStore(${JSON.stringify(url)});
      const sdk = loaded.filter((url) => /node_modules\\/(@aws-sdk|@google-cloud|@azure)/.test(url));
      console.log(JSON.stringify({ url: store.url, location: store.location, sdk, some: loaded.length > 3 }));
    `);
    expect(JSON.parse(printed)).toEqual({ url, location: { url, options: {} }, sdk: [], some: true });
  });

  it.each([
    [CLOUDS[0], "npm install @google-cloud/storage"],
    [CLOUDS[1], "npm install @aws-sdk/client-s3"],
    [CLOUDS[2], "npm install @azure/storage-blob @azure/identity"],
  ])("says how to install what %s needs", async (url, command) => {
    // A copy of the sources where no package can be found but those that the store itself needs.
    const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-no-sdk-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    for (const part of ["base", "store", "errors.ts"])
      await cp(join("src", part), join(folder, "src", part), { recursive: true });
    for (const name of ["crc32", "crc32-linux-x64-gnu"]) {
      const inside = join("node_modules", "@node-rs", name);
      await cp(inside, join(folder, inside), { recursive: true }).catch(ignoreMissing);
    }
    const module = pathToFileURL(join(folder, "src/store/open-store.ts")).href;
    const printed = await runModule(`
      const { openStore } = await import(${JSON.stringify(module)});
      const { code, kind, hint, message } = await openStore(${JSON.stringify(url)}).catch((error) => error);
      console.log(JSON.stringify({ code, kind, hint, message }));
    `);
    expect(JSON.parse(printed)).toMatchObject({ code: "VARVE_STORE", kind: "unsupported", hint: `Run: ${command}` });
  });

  it("keeps what only its options say out of everything that is shown", async () => {
    const connectionString = "AccountName=account;AccountKey=canary";
    const store = await openStore(CLOUDS[2], { connectionString });
    expect(store.url).toBe(CLOUDS[2]);
    expect(store.location?.options).toEqual({ connectionString });
  });

  it("honours create-if-absent, unless it was opened for one writer alone", async () => {
    expect((await openStore(CLOUDS[1])).traits.conditionalCreate).toBe(true);
    expect((await openStore(CLOUDS[1], { exclusive: true })).traits.conditionalCreate).toBe(false);
  });
});

describe("a cloud URL", () => {
  it.each([
    ["gs://bucket", { bucket: "bucket", prefix: "", url: "gs://bucket" }],
    ["gs://bucket/", { bucket: "bucket", prefix: "", url: "gs://bucket" }],
    ["s3://my.bucket-1/a/b=1/c/", { bucket: "my.bucket-1", prefix: "a/b=1/c/", url: "s3://my.bucket-1/a/b=1/c" }],
    ["az://account/container/run", { account: "account", bucket: "container", prefix: "run/" }],
    [
      "s3://bucket/run?endpoint=http://127.0.0.1:9000&forcePathStyle=true&region=eu-1",
      { url: "s3://bucket/run", options: { endpoint: "http://127.0.0.1:9000", forcePathStyle: true, region: "eu-1" } },
    ],
  ])("says where a run lives: %s", (url, place) => {
    expect(parseObjectUrl(url)).toMatchObject(place);
  });

  it.each([
    ...[
      "gs://",
      "gs:///run",
      "gs://Bucket/run",
      "gs://b/run",
      "s3://bucket//run",
      "s3://bucket/a/../b",
      "s3://bucket/./a",
    ],
    ...[
      "s3://bucket/a b",
      "s3://bucket/ü",
      "s3://bucket/a\\b",
      "s3://bucket/run?token=x",
      "az://account",
      "az://account/",
    ],
    ...["az://ACC/container/run", "s3://key:canary@bucket/run", "s3://bucket/run#x"],
    ...["s3://key:canary@bucket", "gs://bucket@", "az://account@x/container"],
  ])("is refused where it is not one: %s", async (url) => {
    const refusal = await openStore(url).then(
      () => null,
      (error: Error) => error,
    );
    expect(refusal).toMatchObject({ code: "VARVE_INVALID_ARGUMENT", argument: "store" });
    expect(refusal?.message).not.toContain("canary");
  });

  it("is one of three schemes only", () => {
    for (const url of ["ftp://bucket/run", "S3://bucket/run", " s3://bucket/run", "bucket/run", ""]) {
      expect(() => parseObjectUrl(url), url).toThrow(/Expected `store` to be gs:\/\/bucket\/prefix/);
    }
  });
});

describe("the URL of a bucket whose name cannot be one", () => {
  it.each(["s3://b/p", "s3://Bucket-X/p", "gs://Bucket/run", "az://account/C/run"])("says so: %s", async (url) => {
    await expect(openStore(url)).rejects.toMatchObject({
      message: expect.stringMatching(/with the name of a (bucket|container): at least 3 of a-z/),
      hint: expect.not.stringContaining("Credentials"),
    });
  });
});

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
