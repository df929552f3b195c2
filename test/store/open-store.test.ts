import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { LocalStore } from "../../src/store/local.ts";
import { createMemoryStore, openMemoryStore } from "../../src/store/memory.ts";
import { openStore } from "../../src/store/open-store.ts";

describe("openStore", () => {
  it.each([
    ["./runs/x", resolve("runs/x")],
    ["runs/x", resolve("runs/x")],
    ["/tmp/runs/x/", "/tmp/runs/x"],
    ["file:///tmp/runs/with%20space", "/tmp/runs/with space"],
    ["/tmp/at:12:30", "/tmp/at:12:30"],
    ["run:7", resolve("run:7")],
  ])("opens the folder %s", async (url, path) => {
    const store = await openStore(url);
    expect(store).toBeInstanceOf(LocalStore);
    expect((store as LocalStore).path).toBe(path);
    expect(store.url).toBe(pathToFileURL(path).href);
  });

  it("opens one memory store per name and thread", async () => {
    const store = await openStore("memory://open-store-test/a");
    await store.put("x", new Uint8Array([1]));
    expect(await openStore("memory://open-store-test/a")).toBe(store);
    expect(openMemoryStore("open-store-test/a")).toBe(store);
    expect(await (await openStore("memory://open-store-test/b")).get("x")).toBeNull();
    expect(store.location).toBeUndefined();
    expect(await createMemoryStore().get("x")).toBeNull();
  });

  it("tells other threads how to open a folder, wherever they are", async () => {
    const folder = await mkdtemp(join(await realpath(tmpdir()), "varve-open-"));
    const { location, ...store } = await openStore(folder);
    expect(location).toEqual({ url: pathToFileURL(folder).href, options: {} });
    expect(structuredClone(location)).toEqual(location);
    expect(store).toBeDefined();
    const source = `import(${JSON.stringify(resolve("src/store/open-store.ts"))}).then(async ({ openStore }) => {
      const { workerData } = await import("node:worker_threads");
      await (await openStore(workerData.url, workerData.options)).put("from/worker", new Uint8Array([7]));
    });`;
    const worker = new Worker(source, { eval: true, workerData: location });
    await new Promise((done, failed) => worker.once("exit", done).once("error", failed));
    expect(await (await openStore(folder)).get("from/worker")).toEqual(new Uint8Array([7]));
    await rm(folder, { recursive: true });
  });

  it.each([
    "",
    "a\0b",
    "http://example.org/run",
    "ftp://host/x",
    "memory://",
    "memory:x",
    "memory://../x",
    "gs:bucket/run",
    "file:relative",
    "file://host/share",
    "toString://x",
    7,
    null,
  ])("refuses %s", async (url) => {
    await expect(openStore(url as string)).rejects.toMatchObject({ code: "VARVE_INVALID_ARGUMENT", argument: "store" });
  });

  it("never repeats a password or a token of a URL", async () => {
    for (const url of ["s3://user:canary@bucket/run?token=canary", "http://canary:canary@host/x#canary"]) {
      const error = await openStore(url).catch((caught: unknown) => caught);
      expect(String(error)).not.toContain("canary");
    }
  });
});
