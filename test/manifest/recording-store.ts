import { StoreError } from "../../src/errors.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";

/** What becomes of one `put`: done but answered with a failure, not done at all, or done by someone else first. */
export type PutFault = "answer-lost" | "fails" | { readonly beforehand: Uint8Array };

export interface RecordingStore extends Store {
  /** `put name`, `head name`, … in the order of the requests. */
  readonly requests: string[];
  /** The next put whose name starts with the prefix goes wrong. */
  failNextPut(prefix: string, fault: PutFault): void;
  /** Runs before the next request of this kind whose name starts with the prefix. */
  before(operation: string, prefix: string, action: () => Promise<void>): void;
}

/** A store, in memory if none is given, that records requests and fails as real stores do. */
export function recordingStore(inner: Store = createMemoryStore()): RecordingStore {
  const requests: string[] = [];
  const faults: { prefix: string; fault: PutFault }[] = [];
  const actions: { operation: string; prefix: string; action: () => Promise<void> }[] = [];

  async function record(operation: string, name: string): Promise<void> {
    requests.push(`${operation} ${name}`);
    const at = actions.findIndex((waiting) => waiting.operation === operation && name.startsWith(waiting.prefix));
    if (at >= 0) await actions.splice(at, 1)[0]?.action();
  }

  return {
    url: "recording:",
    traits: inner.traits,
    requests,
    failNextPut: (prefix, fault) => void faults.push({ prefix, fault }),
    before: (operation, prefix, action) => void actions.push({ operation, prefix, action }),
    async put(name, bytes, options) {
      await record("put", name);
      const at = faults.findIndex(({ prefix }) => name.startsWith(prefix));
      const fault = at < 0 ? undefined : faults.splice(at, 1)[0]?.fault;
      if (typeof fault === "object") await inner.put(name, fault.beforehand);
      if (fault === "fails") throw new StoreError("network", "put", name, "connection reset");
      const created = await inner.put(name, bytes, options);
      if (fault === "answer-lost") throw new StoreError("network", "put", name, "the answer was lost");
      return created;
    },
    async get(name, options) {
      await record("get", name);
      return inner.get(name, options);
    },
    async head(name, options) {
      await record("head", name);
      return inner.head(name, options);
    },
    async *list(prefix, options) {
      await record("list", prefix);
      yield* inner.list(prefix, options);
    },
    async delete(name, options) {
      await record("delete", name);
      await inner.delete(name, options);
    },
  };
}
