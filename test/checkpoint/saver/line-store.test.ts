import { readdirSync, readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { LineStore } from "../../../src/checkpoint/saver/line-store.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { storeContract } from "../../../src/testing/index.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";

let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3Cloud({ pageSize: 40 });
});
afterAll(() => cloud.close());

async function openLine(): Promise<LineStore> {
  const store = await LineStore.open({ url: cloud.newUrl(), options: cloud.options() });
  onTestFinished(() => store.close());
  return store;
}

/** Niceness of every thread of this process that has the name; of Linux. */
function nicenessOf(thread: string): number[] {
  return readdirSync("/proc/self/task").flatMap((id) => {
    const [name, rest] = readFileSync(`/proc/self/task/${id}/stat`, "utf8")
      .split(/^\d+ \(|\) /)
      .slice(1);
    return name === thread ? [Number(rest?.split(" ")[16])] : [];
  });
}

storeContract(
  "s3 on a line of its own",
  async () => {
    const location = { url: cloud.newUrl(), options: cloud.options() };
    const [store, second] = [await LineStore.open(location), await openStore(location.url, location.options)];
    return {
      store,
      second,
      makeUnreadable: async () => {
        cloud.deny = true;
      },
      dispose: async () => {
        cloud.deny = false;
        await store.close();
        await second.close?.();
      },
    };
  },
  { describe, it },
  { objectCount: 130 },
);

describe("a cloud on a line of its own", () => {
  it("gives the caller's bytes back as they were, also where they are a part of larger memory", async () => {
    const store = await openLine();
    const large = new Uint8Array(300_000).map((_, index) => index);
    await store.put("packs/a", large.subarray(1000, 200_000));
    expect(large.length).toBe(300_000);
    expect(Buffer.compare((await store.get("packs/a")) ?? new Uint8Array(), large.subarray(1000, 200_000))).toBe(0);
    expect(await store.get("packs/a", { range: { offset: 10, length: 3 } })).toEqual(large.slice(1010, 1013));
  });

  it("tells of requests that the store makes besides, and of bytes that move", async () => {
    const store = await openLine();
    const extra: string[] = [];
    // The first create of all tries first whether the store honours it.
    await store.put("packs/a", new Uint8Array(100_000), { ifAbsent: true, onExtraRequest: (verb) => extra.push(verb) });
    expect(extra.length).toBeGreaterThan(0);
    await expect.poll(() => store.movedBytes()).toBeGreaterThan(100_000);
  });

  it("reads a listing no further than it is wanted", async () => {
    const store = await openLine();
    for (let index = 0; index < 5; index++) await store.put(`packs/${index}`, new Uint8Array(1));
    for await (const { name } of store.list("packs/")) {
      expect(name).toBe("packs/0");
      break;
    }
    const before = cloud.requests.get("put");
    await store.put("packs/5", new Uint8Array(1));
    expect(cloud.requests.get("put")).toBe((before ?? 0) + 1);
  });

  it.runIf(process.platform === "linux")("leaves a busy core to training: its thread alone is nice", async () => {
    await openLine();
    expect(nicenessOf("varve-line")).toEqual([10]);
    expect(nicenessOf("node-MainThread").every((niceness) => niceness === 0)).toBe(true);
  });

  it("cannot be opened with the errors that opening it here would have", async () => {
    const none = LineStore.open({ url: "s3://bucket/run", options: { endpoint: "no url" } });
    const here = openStore("s3://bucket/run", { endpoint: "no url" });
    const [there, own] = await Promise.allSettled([
      none.then((store) => store.head("varve.json")),
      here.then((store) => store.head("varve.json")),
    ]);
    expect(there).toMatchObject({ status: "rejected", reason: { code: "VARVE_INVALID_ARGUMENT" } });
    expect((there as PromiseRejectedResult).reason.message).toBe((own as PromiseRejectedResult).reason.message);
  });

  it("fails what is under way when its thread is lost, as a broken connection would, and has another one then", async () => {
    const threads: Worker[] = [];
    const note = (worker: Worker): void => void threads.push(worker);
    process.on("worker", note);
    onTestFinished(() => void process.off("worker", note));
    const store = await openLine();
    await store.put("packs/a", Uint8Array.of(1));
    const lost = store.get("packs/a");
    void threads[0]?.terminate();
    await expect(lost).rejects.toMatchObject({ code: "VARVE_STORE", kind: "network", retryable: true });
    expect(await store.get("packs/a")).toEqual(Uint8Array.of(1));
    expect(threads).toHaveLength(2);
  });
});
