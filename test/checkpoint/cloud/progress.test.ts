import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { TransferBoard } from "../../../src/checkpoint/cloud/transfer-board.ts";
import { TransferTask } from "../../../src/checkpoint/cloud/transfer-task.ts";
import { RateMeter } from "../../../src/transfer/rate-meter.ts";
import { startChaosProxy } from "../../servers/chaos-proxy.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { FakeTime } from "../../transfer/fake-time.ts";
import { temporaryFolder } from "../support.ts";
import { cloudPlaceIn, openCloud } from "./places.ts";

const MEBIBYTE = 1024 * 1024;

it("measures a transfer over the last ten seconds, over all of its files and tries", () => {
  const time = new FakeTime();
  const board = new TransferBoard();
  const slot = board.take();
  const order = { kind: "upload-directory", localPath: "/folder", cloudPrefix: "", exclude: [] } as const;
  const message = { kind: "transfer", id: 1, slot, name: "it", order, startedAtMs: 0 } as const;
  const uploadRate = new RateMeter(time.clock);
  const task = new TransferTask(message, board, time.clock, uploadRate);
  const shown = () => {
    task.showRate();
    return board.read(slot);
  };
  task.setTotal(10_000);
  expect(shown()).toMatchObject({ bytes: 0, totalBytes: 10_000, bytesPerSecond: 0, etaMs: null });
  const [a, b] = ["a", "b"].map((key) => task.move({ localPath: "", key, sizeBytes: 5000 }, "uploading"));
  a?.onMoved(1000);
  time.nowMs += 2000;
  b?.onMoved(1000);
  b?.onBytes(1000);
  expect(shown()).toMatchObject({ bytes: 1000, bytesPerSecond: 1000, etaMs: 9000 });
  // Another try of what had not arrived.
  a?.onMoved(1000);
  a?.onBytes(1000);
  expect(shown()).toMatchObject({ bytes: 2000, bytesPerSecond: 1500 });
  expect(uploadRate.bytesPerSecond()).toBe(1500);
  time.nowMs += 10_001;
  expect(shown()).toMatchObject({ bytes: 2000, bytesPerSecond: 0, etaMs: null });
  b?.onMoved(1000);
  task.end();
  // Its place may be another's by now.
  expect(shown()).toMatchObject({ bytes: 2000, bytesPerSecond: 0 });
});

it("knows how much of a download is left from its first byte on", async () => {
  const server = await startS3Cloud();
  const proxy = await startChaosProxy(server.port);
  onTestFinished(async () => {
    await proxy.close();
    await server.close();
  });
  const place = await cloudPlaceIn(server, proxy.port);
  await place.write("large", "x".repeat(20 * MEBIBYTE));
  // One range comes, the next never does.
  let ranges = 0;
  proxy.always(({ method }) => (method === "GET" && ++ranges > 1 ? { kind: "answer stalled", atByte: 0 } : null));
  const path = join(await temporaryFolder(), "large");
  const transfer = openCloud(place.options).downloadFile("large", path, { background: true });
  await expect.poll(() => transfer.bytesPerSecond, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(transfer).toMatchObject({ phase: "downloading", totalBytes: 20 * MEBIBYTE, etaMs: expect.any(Number) });
  expect(transfer.etaMs).toBeGreaterThan(0);
});

it("leaves downloads out of the rate of all uploads", () => {
  const { clock } = new FakeTime();
  const board = new TransferBoard();
  const order = { kind: "download-file", localPath: "/file", cloudPath: "file" } as const;
  const message = { kind: "transfer", id: 1, slot: board.take(), name: "it", order, startedAtMs: 0 } as const;
  const uploadRate = new RateMeter(clock);
  const task = new TransferTask(message, board, clock, uploadRate);
  task.move({ localPath: "", key: "file", sizeBytes: 5 }, "downloading").onMoved(5);
  task.showRate();
  expect([board.read(message.slot).bytesPerSecond, uploadRate.bytesPerSecond()]).toEqual([5, 0]);
});

it("tells bytes, rate, time to go and retries of a transfer, and of all uploads", async () => {
  const server = await startS3Cloud();
  const proxy = await startChaosProxy(server.port);
  onTestFinished(async () => {
    await proxy.close();
    await server.close();
  });
  let tries = 0;
  // One piece arrives; the next is refused, and then never answered.
  proxy.always(({ method, path }) => {
    if (method !== "PUT" || !path.includes("partNumber=2")) return null;
    tries++;
    return tries === 1 ? { kind: "status", status: 503 } : { kind: "answer stalled", atByte: 0 };
  });
  const cloud = openCloud((await cloudPlaceIn(server, proxy.port)).options);
  const none = { bytes: 0, totalBytes: 0, bytesPerSecond: 0, etaMs: null, retries: 0 };
  expect(cloud.uploadStatus()).toEqual({ pending: 0, completed: 0, failed: 0, ...none });
  const folder = await temporaryFolder();
  await writeFile(join(folder, "large"), Buffer.alloc(24 * MEBIBYTE, 1));
  const transfer = cloud.uploadFile(join(folder, "large"), "large", { background: true });
  await expect.poll(() => tries, { timeout: 30_000 }).toBe(2);
  await expect
    .poll(() => [transfer.bytes, transfer.bytesPerSecond > 0], { timeout: 30_000 })
    .toEqual([8 * MEBIBYTE, true]);
  expect(transfer).toMatchObject({ totalBytes: 24 * MEBIBYTE, retries: 1, etaMs: expect.any(Number) });
  const status = cloud.uploadStatus();
  expect(status).toMatchObject({ pending: 1, bytes: 8 * MEBIBYTE, totalBytes: 24 * MEBIBYTE, retries: 1 });
  expect(status.etaMs).toBeCloseTo(((16 * MEBIBYTE) / status.bytesPerSecond) * 1000, 3);

  transfer.cancel();
  await expect(transfer.finished).rejects.toMatchObject({ kind: "aborted" });
  expect(transfer).toMatchObject({ phase: "cancelled", bytesPerSecond: 0, etaMs: null, retries: 1 });
  expect(cloud.uploadStatus()).toMatchObject({ pending: 0, failed: 0, bytes: 0, totalBytes: 0, retries: 1 });
  await writeFile(join(folder, "small"), "small");
  const small = cloud.uploadFile(join(folder, "small"), "small", { background: true });
  await small.finished;
  expect(small).toMatchObject({ phase: "finished", bytes: 5, totalBytes: 5, bytesPerSecond: 0, etaMs: null });
  const ended = { completed: 1, bytes: 5, totalBytes: 5, etaMs: 0, retries: 1 };
  await expect.poll(() => cloud.uploadStatus(), { timeout: 30_000 }).toMatchObject(ended);
  await cloud.shutdown();
  expect(cloud.uploadStatus()).toMatchObject({ completed: 1, bytesPerSecond: 0, etaMs: null });
});
