import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { sha256Hex } from "../../../src/base/hash.ts";
import { withCounting } from "../../../src/checkpoint/saver/counting-store.ts";
import { LineStore } from "../../../src/checkpoint/saver/line-store.ts";
import { watched } from "../../../src/checkpoint/saver/watched-store.ts";
import { SharedStatus } from "../../../src/checkpoint/shared-status.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store, StoreLocation } from "../../../src/store/store.ts";
import { startChaosProxy } from "../../servers/chaos-proxy.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../support.ts";

const BYTES = new Uint8Array(100_000).map((_, index) => index);
const NAME = `packs/00000001-${sha256Hex(BYTES)}.pack`;

let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud();
});
afterAll(() => cloud.close());

/** A pack on local disk, and a line that has sent something: what asks first whether a store honours creates is done. */
async function start() {
  const folder = await temporaryFolder();
  const local = await openStore(folder);
  await local.put(NAME, BYTES);
  const line = await LineStore.open({ url: cloud.newUrl(), options: cloud.options() });
  onTestFinished(() => line.close());
  await line.put("packs/first", BYTES, { ifAbsent: true });
  const extra: string[] = [];
  const copy = (store: Store = line, signal?: AbortSignal) =>
    store.copyFrom?.(local.location as StoreLocation, NAME, {
      ...{
        sizeBytes: BYTES.length,
        signal,
        onExtraRequest: (verb: string, bytes: number) => extra.push(`${verb} ${bytes}`),
      },
    });
  return { line, copy, extra, file: join(folder, NAME) };
}

describe("a pack that the line reads from local disk by itself", () => {
  it("is created, found to be there, or put right where others bytes lie under its name", async () => {
    const { line, copy, extra } = await start();
    expect(await copy()).toBe("created");
    expect(await line.get(NAME)).toEqual(BYTES);
    expect(extra).toEqual([]);
    expect(await copy()).toBe("there");
    expect(extra).toEqual([`get ${BYTES.length}`]);
    await line.put(NAME, BYTES.subarray(1));
    expect(await copy()).toBe("replaced");
    expect(await line.get(NAME)).toEqual(BYTES);
    expect(extra).toEqual([`get ${BYTES.length}`, `get ${BYTES.length - 1}`, `put ${BYTES.length}`]);
  });

  it.each([
    ["damaged", (file: string) => truncate(file, 10)],
    ["gone", (file: string) => rm(file)],
  ])("is not sent where it is %s", async (_, harm) => {
    const { line, copy, file } = await start();
    await harm(file);
    const before = cloud.requests.get("put");
    expect(await copy()).toBe("unread");
    expect(cloud.requests.get("put")).toBe(before);
    expect(await line.head(NAME)).toBeNull();
  });

  it("fails as the store does, and is cancelled as any request is", async () => {
    const { copy } = await start();
    cloud.deny = true;
    onTestFinished(() => void (cloud.deny = false));
    await expect(copy()).rejects.toMatchObject({ code: "VARVE_STORE", kind: "permission" });
    await expect(copy(undefined, AbortSignal.abort())).rejects.toMatchObject({ kind: "aborted" });
  });

  it("is counted and told of as a put, unless nothing was asked of the store", async () => {
    const { line, copy, file } = await start();
    const status = new SharedStatus();
    const told: string[] = [];
    const watcher = { answered: (operation: string) => told.push(operation), failed: () => told.push("failed") };
    const clock = { now: () => 0, monotonicMs: () => 0 };
    const store = withCounting(watched(line, clock, watcher), status, { first: false, own: true });
    const counts = () => ({
      ...{ puts: status.get("puts"), gets: status.get("gets"), requests: status.get("requests") },
      ...{ up: status.amount("bytesUp"), inVain: status.amount("bytesUpInVain"), stored: status.amount("bytes") },
    });
    await copy(store);
    expect(counts()).toEqual({ puts: 1, gets: 0, requests: 2, up: BYTES.length, inVain: 0, stored: BYTES.length });
    await copy(store);
    expect(counts()).toMatchObject({ puts: 2, gets: 1, requests: 5, up: 2 * BYTES.length, stored: BYTES.length });
    expect(told).toEqual(["put", "put"]);
    cloud.deny = true;
    onTestFinished(() => void (cloud.deny = false));
    await expect(copy(store)).rejects.toThrow();
    expect(counts()).toMatchObject({ puts: 3, inVain: BYTES.length, up: 2 * BYTES.length });
    expect(told).toEqual(["put", "put", "failed"]);
    await rm(file);
    await copy(store);
    expect(counts()).toMatchObject({ puts: 3 });
    expect(told).toHaveLength(3);
  });

  it("counts reading back what was there, also where that fails", async () => {
    const { line, copy } = await start();
    await copy();
    const status = new SharedStatus();
    cloud.onRequest = ({ kind }) => (kind === "get" ? { status: 503 } : null);
    onTestFinished(() => void (cloud.onRequest = () => null));
    await expect(copy(withCounting(line, status, { first: false, own: true }))).rejects.toThrow();
    expect([status.get("puts"), status.get("gets")]).toEqual([1, 1]);
  });

  it("tells how much of it has gone out", async () => {
    const bytes = new Uint8Array(32 * 1024 * 1024);
    const local = await openStore(await temporaryFolder());
    const name = `packs/00000001-${sha256Hex(bytes)}.pack`;
    await local.put(name, bytes);
    const proxy = await startChaosProxy(cloud.port);
    const line = await LineStore.open({ url: cloud.newUrl(), options: cloud.options(proxy.port) });
    onTestFinished(async () => {
      await line.close();
      await proxy.close();
    });
    proxy.always(({ path }) => (path.includes("packs/") ? { kind: "request slow", pauseMs: 3 } : null));
    const sent: number[] = [];
    const onSent = (count: number): void => void sent.push(count);
    await line.copyFrom(local.location as StoreLocation, name, { sizeBytes: bytes.length, onSent });
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.at(-1)).toBeGreaterThan(bytes.length / 4);
  });
});
