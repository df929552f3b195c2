import type { Worker } from "node:worker_threads";
import { onTestFinished } from "vitest";
import { SaverLink } from "../../src/checkpoint/saver-link.ts";
import { SharedStatus } from "../../src/checkpoint/shared-status.ts";

/** The threads that are started from now on, in order. */
export function watchThreads(): Worker[] {
  const workers: Worker[] = [];
  const listener = (worker: Worker): void => void workers.push(worker);
  process.on("worker", listener);
  onTestFinished(() => void process.off("worker", listener));
  return workers;
}

/** A saver's thread without stores, that is soon missed where it has no heartbeat. */
export function startLink(onCrash: (error: Error) => void = () => undefined): SaverLink {
  return new SaverLink(
    {
      ...{ store: null, local: null, readOnly: false, onBacklog: "queue", concurrency: 1, writer: null },
      ...{ maxUploadBytesPerSecond: null, maxPinnedBytes: 1 },
      retention: { keepLast: null, keepEvery: null, keepBest: null, gracePeriodMs: 0 },
    },
    new SharedStatus(),
    [],
    {
      ...{ heartbeatLimitMs: 300, canWaitForSaves: true },
      onMessage: () => undefined,
      isAwaited: () => false,
      onCrash,
    },
  );
}
