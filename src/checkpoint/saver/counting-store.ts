import type { Store } from "../../store/store.ts";
import type { SharedStatus } from "../shared-status.ts";

/** Counts every request and every byte written, where the training thread can read it. */
export function withCounting(store: Store, status: SharedStatus): Store {
  const count = <T>(answer: Promise<T>): Promise<T> => {
    status.add("requests");
    return answer;
  };
  return {
    url: store.url,
    traits: store.traits,
    location: store.location,
    put: async (name, bytes, options) => {
      const isCreated = await count(store.put(name, bytes, options));
      if (isCreated) status.setAmount("bytes", status.amount("bytes") + bytes.byteLength);
      return isCreated;
    },
    get: (name, options) => count(store.get(name, options)),
    head: (name, options) => count(store.head(name, options)),
    delete: (name, options) => count(store.delete(name, options)),
    list: (prefix, options) => {
      status.add("requests");
      return store.list(prefix, options);
    },
    close: async () => store.close?.(),
  };
}
