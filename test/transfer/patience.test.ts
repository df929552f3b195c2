import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { cloudPlace } from "../../src/checkpoint/cloud/cloud-place.ts";
import { FileMover } from "../../src/checkpoint/cloud/file-mover.ts";
import { StoreError } from "../../src/errors.ts";
import { TransferQueue } from "../../src/transfer/transfer-queue.ts";
import { temporaryFolder } from "../checkpoint/support.ts";
import { startChaosProxy } from "../servers/chaos-proxy.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { FakeTime } from "./fake-time.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

/** Uploads to a cloud that can be away, in a time of its own. */
async function setUp() {
  const cloud = await startS3Cloud();
  const proxy = await startChaosProxy(cloud.port);
  const { endpoint, region, forcePathStyle } = cloud.options(proxy.port);
  const place = cloudPlace({ provider: "s3", bucket: cloud.bucket, ...{ endpoint, region, forcePathStyle } });
  const time = new FakeTime();
  const { clock, sleep } = time;
  const start = {
    place,
    project: "",
    concurrency: 4,
    maxUploadBytesPerSecond: null,
    attempts: null,
    log: "none",
  } as const;
  const ignore = (): void => undefined;
  const mover = new FileMover(start, {
    clock,
    sleep,
    random: { uniform: () => 1 },
    onRetry: ignore,
    warn: ignore,
  });
  onTestFinished(async () => {
    await mover.close();
    await proxy.close();
    await cloud.close();
  });
  const localPath = join(await temporaryFolder(), "file");
  await writeFile(localPath, "content");
  const state = { awayUntilMs: 0 };
  proxy.always(() => (time.nowMs < state.awayUntilMs ? { kind: "status", status: 503 } : null));
  return {
    state,
    time,
    /** How many minutes it took, and how it ended. */
    async upload(key: string): Promise<{ readonly end: string; readonly minutes: number }> {
      const startMs = time.nowMs;
      const signal = new AbortController().signal;
      const move = { name: key, localPath, key, sizeBytes: 7, signal, onTry: ignore, onBytes: ignore, onMoved: ignore };
      const upload = mover.upload(move).then(
        () => "sent",
        (error: unknown) => (error as StoreError).kind,
      );
      let end: string | null = null;
      void upload.then((how) => {
        end = how;
      });
      for (;;) {
        // Only what waits for the fake time is let go: requests take their own.
        await wait(1);
        if (end !== null) return { end, minutes: (time.nowMs - startMs) / MINUTE_MS };
        if (time.sleeping > 0) await time.advance(SECOND_MS);
      }
    },
  };
}

describe("the patience of CloudSync", () => {
  it("outlasts an outage of five minutes", async () => {
    const { state, upload } = await setUp();
    state.awayUntilMs = 5 * MINUTE_MS;
    expect(await upload("a")).toMatchObject({ end: "sent" });
  });

  it("is ten minutes, once for all, and whole again after an answer", async () => {
    const { state, time, upload } = await setUp();
    state.awayUntilMs = 20 * MINUTE_MS;
    const first = await upload("a");
    expect(first.end).toBe("busy");
    expect(first.minutes).toBeGreaterThan(9);
    expect(first.minutes).toBeLessThanOrEqual(10);
    const second = await upload("b");
    expect(second.end).toBe("busy");
    expect(second.minutes).toBeLessThan(1.1);
    time.nowMs = 20 * MINUTE_MS;
    expect(await upload("c")).toMatchObject({ end: "sent" });
    state.awayUntilMs = 25 * MINUTE_MS;
    expect(await upload("d")).toMatchObject({ end: "sent" });
  });
});

it("a job that gets on is not given up for its age, one that does not is", async () => {
  for (const step of [10, 0]) {
    const time = new FakeTime();
    const queue = new TransferQueue({
      clock: time.clock,
      sleep: time.sleep,
      random: { uniform: () => 1 },
      retry: { attempts: 100 },
    });
    const run = async ({
      number,
      report,
    }: {
      readonly number: number;
      report(bytes: number): void;
    }): Promise<string> => {
      // Each try takes four minutes, repeats what was done before it, and goes so much further.
      await time.sleep(4 * MINUTE_MS);
      report(50 + step * number);
      if (number < 5) throw new StoreError("network", "put", "x", "planned");
      return "done";
    };
    const { finished } = queue.add({ name: "x", bytes: 200, run });
    const end = finished.catch((error: unknown) => (error as StoreError).kind);
    await time.advance(60 * MINUTE_MS);
    expect(await end).toBe(step > 0 ? "done" : "network");
  }
});
