import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { randomId } from "../../../src/base/ids.ts";
import { createRandom } from "../../../src/base/random.ts";
import { systemSleep } from "../../../src/base/timers.ts";
import { BufferAttachments } from "../../../src/checkpoint/buffer-attachments.ts";
import { CloudSession } from "../../../src/checkpoint/cloud/cloud-session.ts";
import type { CloudStart, FromCloud, TransferOrder } from "../../../src/checkpoint/cloud/messages.ts";
import { TransferBoard } from "../../../src/checkpoint/cloud/transfer-board.ts";
import { fromTransfer } from "../../../src/checkpoint/error-transfer.ts";
import type { FromSaver, SaverStart } from "../../../src/checkpoint/messages.ts";
import { SharedStatus } from "../../../src/checkpoint/shared-status.ts";
import { ReplayBuffer, StoreError } from "../../../src/index.ts";
import { nodeFileSystem } from "../../../src/store/node-file-system.ts";
import { failFileCalls } from "../../../src/testing/intercept-file-system.ts";
import { FakeTime } from "../../transfer/fake-time.ts";
import { actionsOf, addInline, inlineBuffer, numbersFrom } from "../support.ts";
import { localPlace } from "./places.ts";

it("fails a save to a full disk with a typed error, leaves nothing behind, and the next save works", async () => {
  const { folder, bucket, names } = await localPlace();
  const full = failFileCalls(nodeFileSystem, "ENOSPC", 0, 1, ({ operation }) => operation === "write");
  const { session, status, send } = startSession(bucket, full);
  const buffer = inlineBuffer();
  addInline(buffer, 20);
  const localPath = join(folder, "buffer.varve");
  const failed = await send(buffer, localPath);
  if (failed.kind !== "failed") throw new Error(`The save did not fail: ${failed.kind}`);
  const error = fromTransfer(failed.error);
  expect(error).toBeInstanceOf(StoreError);
  expect(error).toMatchObject({ kind: "no-space", hint: expect.stringMatching(/Free some space/) });
  expect(await readdir(folder)).toEqual([]);
  expect(status.pending).toBe(0);

  addInline(buffer, 5);
  expect(await send(buffer, localPath)).toMatchObject({ kind: "done", result: { files: 1 } });
  expect(status.pending).toBe(0);
  expect(actionsOf(await ReplayBuffer.load(localPath))).toEqual(numbersFrom(0, 25));
  expect(await names("")).toEqual(["object"]);
  await session.call({ method: "close" }, { signal: new AbortController().signal, onProgress: () => undefined });
});

it("lets a save of the same file wait for the upload where the file system has no hard links", async () => {
  const { folder, bucket, names } = await localPlace();
  const disk = failFileCalls(nodeFileSystem, "EPERM", 0, 2, ({ operation }) => operation === "link");
  const { session, send } = startSession(bucket, disk);
  const buffer = inlineBuffer();
  const localPath = join(folder, "buffer.varve");
  session.handle({ type: "cloud", message: { kind: "pause" } });
  const ends = [1, 2].map((number) => {
    addInline(buffer, 10);
    return send(buffer, localPath, `buffers/${number}`);
  });
  await expect.poll(() => readdir(folder), { timeout: 30_000 }).toEqual(["buffer.varve"]);
  session.handle({ type: "cloud", message: { kind: "resume" } });
  for (const end of ends) expect(await end).toMatchObject({ kind: "done" });
  expect(await names("")).toEqual(["buffers/1", "buffers/2"]);
  for (const number of [1, 2]) {
    const copy = await ReplayBuffer.load(join(bucket, "buffers", `${number}`));
    expect(actionsOf(copy)).toEqual(numbersFrom(0, 10 * number));
  }
  await session.call({ method: "close" }, { signal: new AbortController().signal, onProgress: () => undefined });
});

it("tells the rate of all uploads, which falls when nothing moves any more", async () => {
  const { folder, bucket } = await localPlace();
  const time = new FakeTime();
  const { session, status, send } = startSession(bucket, nodeFileSystem, time.clock);
  const buffer = inlineBuffer();
  addInline(buffer, 20);
  const end = await send(buffer, join(folder, "buffer.varve"));
  if (end.kind !== "done") throw new Error("The upload failed");
  await expect.poll(() => status.amount("uploadRate")).toBeCloseTo(end.result.bytes, 3);
  time.nowMs += 4_000;
  await expect.poll(() => status.amount("uploadRate")).toBeCloseTo(end.result.bytes / 4, 3);
  time.nowMs += 7_000;
  await expect.poll(() => status.amount("uploadRate")).toBe(0);
  await session.call({ method: "close" }, { signal: new AbortController().signal, onProgress: () => undefined });
});

/** A session in this thread, whose buffers are saved to the file system given. */
function startSession(bucket: string, files: typeof nodeFileSystem, clock: Clock = systemClock) {
  const status = new SharedStatus();
  const heard: FromCloud[] = [];
  const tell = (message: FromSaver): void => void (message.type === "cloud" && heard.push(message.message));
  const cloud: CloudStart = {
    place: { kind: "folder", path: bucket, url: bucket },
    ...{ project: "", concurrency: 4, maxUploadBytesPerSecond: null, attempts: null },
    log: "none",
  };
  // Of the start only what is the cloud's matters to a session of this kind.
  const start = { cloud } as unknown as SaverStart;
  const outside = { clock, sleep: systemSleep, newId: randomId, random: createRandom(1) };
  const options = { start, status, store: null, local: null, tell, ...outside };
  const session = new CloudSession(options, cloud, files);
  const board = new TransferBoard((memory) => session.handle({ type: "cloud", message: { kind: "board", memory } }));
  const attachments = new BufferAttachments({
    post: (message) => message.type !== "call" && message.type !== "cancel" && session.handle(message),
    ...{ maxPinnedBytes: 1e9, canWaitForSaves: true, wait: () => undefined },
    ...{ isRunning: () => true, onPressure: () => undefined },
  });
  onTestFinished(() => attachments.detachAll());
  let lastId = 0;
  return {
    session,
    status,
    async send(
      buffer: ReturnType<typeof inlineBuffer>,
      localPath: string,
      cloudPath: string = "object",
    ): Promise<FromCloud> {
      const id = ++lastId;
      const snapshot = { name: "default", ...attachments.snapshot(buffer) };
      const facts = { transitions: buffer.size, logicalBytes: 1 };
      const order: TransferOrder = { kind: "buffer", localPath, cloudPath, buffer: snapshot, ...facts };
      status.add("accepted");
      const message = { kind: "transfer", id, slot: board.take(), name: "buffer", order, startedAtMs: 0 } as const;
      session.handle({ type: "cloud", message });
      const isEnd = (told: FromCloud): boolean => (told.kind === "done" || told.kind === "failed") && told.id === id;
      await expect.poll(() => heard.some(isEnd), { timeout: 30_000 }).toBe(true);
      return heard.find(isEnd) as FromCloud;
    },
  };
}
