import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/store/memory.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { startSession } from "./session-of-test.ts";

it("total and time to go are those of all that the store lacks, not of what the queue has let in", async () => {
  const remote = withFaults(createMemoryStore());
  const session = await startSession({ remote, localStore: createMemoryStore(), maxUploadBytesPerSecond: 500 });
  const status = () => session.status.storeStatus(session.time.nowMs);
  const saves = Array.from({ length: 6 }, () => session.save());
  const areDurable = (): boolean => saves.every((save) => session.fateOf(save).includes("durable"));
  for (let pause = 0; pause < 1000 && !areDurable(); pause++) {
    await session.time.advance(100);
    await sleep(1);
  }
  const seen = new Set<number>();
  for (let second = 0; second < 600 && status().behind > 0; second++) {
    await session.time.advance(1000);
    await sleep(1);
    const { upload, behindBytes, behind } = status();
    if (behind === 0) break;
    seen.add(behind);
    // At one moment both are of the last publication, and a pack may be acknowledged between the two.
    expect(upload.bytesTotal - upload.bytesDone).toBeGreaterThanOrEqual(behindBytes);
    if (upload.etaMs !== null) {
      expect(upload.etaMs).toBeCloseTo(((upload.bytesTotal - upload.bytesDone) / upload.bytesPerSecond) * 1000, 3);
    }
  }
  expect(seen.size).toBeGreaterThan(3);
  await session.idle();
  const { upload, behindBytes } = status();
  expect([upload.bytesTotal - upload.bytesDone, behindBytes, upload.etaMs ?? 0]).toEqual([0, 0, 0]);
});
