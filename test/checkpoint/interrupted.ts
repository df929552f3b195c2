import { StoreError } from "../../src/errors.ts";
import type { Store } from "../../src/index.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { type Fault, withFaults } from "../../src/testing/fault-store.ts";
import { type RecordedStore, withRecording } from "../../src/testing/recording-store.ts";
import { SessionOfTest } from "./session-of-test.ts";

const forEver = { times: Number.POSITIVE_INFINITY };
/** As a process that is gone: nothing is asked again. */
export const gone = (): StoreError => new StoreError("permission", "put", "x", "the process is gone");

export interface Interrupted {
  readonly localStore: Store;
  readonly recorded: RecordedStore;
  /** Requests to the store after the first checkpoint was in both places. */
  readonly requests: number;
}

/** Makes three checkpoints; after the first, the store hears `allowed` requests, meets the fault, and hears no more. */
export async function interruptedAfter(allowed: number, fault: Fault["kind"] = "reject"): Promise<Interrupted> {
  const recorded = withRecording(createMemoryStore());
  const remote = withFaults(recorded);
  const localStore = createMemoryStore();
  const session = new SessionOfTest({ remote, localStore });
  await session.open();
  session.save();
  await session.idle();
  const before = recorded.operations.length;
  remote.faults.add({ kind: fault, after: allowed, error: gone });
  remote.faults.add({ kind: "reject", after: allowed, error: gone, ...forEver });
  session.save();
  session.save();
  await session.idle();
  return { localStore, recorded, requests: recorded.operations.length - before };
}
