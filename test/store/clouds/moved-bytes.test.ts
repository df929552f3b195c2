import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { connectTo } from "../../../src/store/open-objects.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { type ChaosProxy, startChaosProxy } from "../../servers/chaos-proxy.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";

/** More than the buffers of the operating system between two processes take at once. */
const BIG_BYTES = 32 * 1024 * 1024;

describe.each([
  ["gcs", () => startGcsCloud()],
  ["s3", () => startS3Cloud()],
  ["azure", startAzureCloud],
] as const)("bytes that move, %s", (_, start: () => Promise<RunningCloud>) => {
  let cloud: RunningCloud;
  let proxy: ChaosProxy;
  beforeAll(async () => {
    cloud = await start();
    proxy = await startChaosProxy(cloud.port);
  });
  afterAll(async () => {
    await proxy.close();
    await cloud.close();
  });

  it("are counted while a large upload is under way, and not where it stands still", async () => {
    const store = await openStore(cloud.newUrl(), cloud.options(proxy.port));
    await store.head("a");
    proxy.always(({ method }) => (method === "PUT" || method === "POST" ? { kind: "request slow", pauseMs: 2 } : null));
    const bytes = new Uint8Array(BIG_BYTES);
    const before = store.movedBytes?.() ?? Number.NaN;
    const put = store.put("a", bytes);
    const seen = new Set<number>();
    do {
      seen.add(store.movedBytes?.() ?? Number.NaN);
    } while ((await Promise.race([put.then(() => "done"), sleep(20)])) !== "done");
    expect((store.movedBytes?.() ?? 0) - before).toBeGreaterThanOrEqual(BIG_BYTES);
    expect(seen.size).toBeGreaterThan(5);
    expect([...seen]).toEqual([...seen].toSorted((a, b) => a - b));

    proxy.always(({ method }) =>
      method === "PUT" || method === "POST" ? { kind: "request stalled", atByte: 1_000_000 } : null,
    );
    const ending = new AbortController();
    const stuck = store.put("b", bytes, { signal: ending.signal });
    const told = expect(stuck).rejects.toMatchObject({ kind: "aborted" });
    const begun = store.movedBytes?.() ?? 0;
    let last = -1;
    for (let same = 0; same < 5; ) {
      await sleep(100);
      const now = store.movedBytes?.() ?? 0;
      same = now === last ? same + 1 : 0;
      last = now;
    }
    // All of it was handed to the connection; what counts is what the other end took.
    expect(last - begun).toBeLessThan(BIG_BYTES);
    ending.abort();
    await told;
    await store.close?.();
  });

  it("of one upload are told in steps, also over a connection that served others before", async () => {
    const store = await openStore(cloud.newUrl(), cloud.options(proxy.port));
    proxy.always(() => null);
    // Connections that are used again have sent these.
    await Promise.all([store.put("before/1", new Uint8Array(3e6)), store.put("before/2", new Uint8Array(3e6))]);
    proxy.always(({ method, path }) => {
      if (method !== "PUT" && method !== "POST") return null;
      return path.includes("stuck") ? { kind: "request stalled", atByte: 0 } : { kind: "request slow", pauseMs: 3 };
    });
    const told: Record<"slow" | "stuck", number[]> = { slow: [], stuck: [] };
    const ending = new AbortController();
    const bytes = new Uint8Array(BIG_BYTES);
    const stuck = store.put("stuck", bytes, { signal: ending.signal, onSent: (sent) => told.stuck.push(sent) });
    const isEnded = expect(stuck).rejects.toMatchObject({ kind: "aborted" });
    await store.put("slow", bytes, { onSent: (sent) => told.slow.push(sent) });
    ending.abort();
    await isEnded;
    expect(told.slow.length).toBeGreaterThan(3);
    expect(told.slow).toEqual(told.slow.toSorted((a, b) => a - b));
    expect(told.slow.at(-1)).toBeGreaterThan(BIG_BYTES / 2);
    expect(told.slow.at(-1)).toBeLessThanOrEqual(BIG_BYTES);
    expect(told.stuck.at(-1) ?? 0).toBeLessThan(BIG_BYTES / 2);
    // Nobody talks of what has ended.
    const [slow, stood] = [told.slow.length, told.stuck.length];
    await sleep(500);
    expect([told.slow.length, told.stuck.length]).toEqual([slow, stood]);
    await store.close?.();
  });

  it("of one piece of an upload are told in steps", async () => {
    const client = await connectTo(parseObjectUrl(cloud.newUrl(), cloud.options(proxy.port)));
    // A session of GCS names no object in its URL.
    proxy.always(({ method }) => (method === "PUT" ? { kind: "request slow", pauseMs: 30 } : null));
    const totalBytes = client.pieces.pieceBytes(BIG_BYTES);
    const bytes = new Uint8Array(totalBytes);
    const metadata = { sha256: "0".repeat(64) };
    const told: number[] = [];
    const id = await client.pieces.begin("large", { totalBytes, metadata });
    const piece = { index: 0, offset: 0, bytes, isLast: true };
    await client.pieces.put("large", id, piece, { totalBytes, onSent: (sent) => told.push(sent) });
    await client.pieces.complete("large", id, { totalBytes, metadata });
    expect(told.length).toBeGreaterThan(2);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBeLessThanOrEqual(totalBytes);
    await client.close();
  });
});
