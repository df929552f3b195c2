import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { PutOptions, Store } from "../../src/store/store.ts";
import { startChaosProxy } from "../servers/chaos-proxy.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { runFixture } from "./run-fixture.ts";
import { startSession } from "./session-of-test.ts";
import { temporaryFolder } from "./support.ts";

interface StoppedPack {
  readonly name: string;
  readonly bytes: number;
  readonly sent: PutOptions["onSent"];
}

/** A store whose packs stop on their way, until they are let go. */
function stopping(): { readonly store: Store; readonly packs: StoppedPack[]; readonly letGo: () => void } {
  const inner = createMemoryStore();
  const gate = Promise.withResolvers<void>();
  const packs: StoppedPack[] = [];
  const put: Store["put"] = async (name, bytes, options) => {
    if (name.startsWith("packs/")) {
      packs.push({ name, bytes: bytes.length, sent: options?.onSent });
      await gate.promise;
    }
    return inner.put(name, bytes, options);
  };
  const store: Store = {
    ...{ url: inner.url, traits: inner.traits, put },
    get: (...args) => inner.get(...args),
    head: (...args) => inner.head(...args),
    list: (...args) => inner.list(...args),
    delete: (...args) => inner.delete(...args),
  };
  return { store, packs, letGo: gate.resolve };
}

describe.each(["one tier", "two tiers"] as const)("the packs under way, %s", (place) => {
  it("are told one by one, with what each has sent, until they are there", async () => {
    const { store, packs, letGo } = stopping();
    const localStore = place === "one tier" ? undefined : createMemoryStore();
    const session = await startSession({ remote: store, localStore, concurrency: 2 });
    const uploads = () => session.status.storeStatus(session.time.nowMs).upload;
    session.save();
    await session.until(() => packs.length === 2);
    for (const { sent, bytes } of packs) sent?.(bytes / 2);
    await session.until(() => uploads().jobs.every(({ bytesDone }) => bytesDone > 0) && uploads().jobs.length === 2);
    expect(uploads().jobs).toEqual(
      packs.map(({ name, bytes }) => ({
        ...{ name, bytesDone: bytes / 2, bytesTotal: bytes, retries: 0 },
        ...{ bytesPerSecond: bytes / 2, etaMs: 1000 },
      })),
    );
    // On their way is not there.
    expect(uploads().bytesDone).toBe(0);
    expect(session.status.storeStatus(session.time.nowMs, false).upload.jobs).toEqual([]);
    letGo();
    await session.idle();
    await session.until(() => uploads().jobs.length === 0);
    expect(uploads().bytesDone).toBeGreaterThan(0);
  });
});

it("a loop that never yields sees each pack on its way through another thread, and its tries", async () => {
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  const refused = new Set<string>();
  proxy.always(({ method, path }) => {
    if (method !== "PUT" || !path.includes("/packs/")) return null;
    const isFirst = !refused.has(path);
    refused.add(path);
    return isFirst ? { kind: "status", status: 503 } : { kind: "request slow", pauseMs: 10 };
  });
  try {
    const store = `${cloud.newUrl()}?endpoint=http://127.0.0.1:${proxy.port}&region=us-east-1&forcePathStyle=true`;
    const { code, output, errors } = await runFixture("watches-uploads.ts", await temporaryFolder(), store);
    expect([code, errors]).toEqual([0, ""]);
    const { seen, ended } = JSON.parse(output) as { seen: Record<string, number[]>; ended: object };
    const packs = Object.values(seen).filter((steps) => steps.length > 0);
    expect(packs.length).toBeGreaterThan(1);
    // In steps, and not from nothing to all.
    expect(Math.max(...packs.map((steps) => new Set(steps).size))).toBeGreaterThan(3);
    for (const steps of packs) expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(ended).toMatchObject({ behind: 0, upload: { jobs: [] } });
  } finally {
    await proxy.close();
    await cloud.close();
  }
});
