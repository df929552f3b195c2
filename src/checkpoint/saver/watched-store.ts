import type { Clock } from "../../base/clock.ts";
import { StoreError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";

export interface RequestWatcher {
  /** It was answered, whatever the answer says. */
  readonly answered: (operation: string) => void;
  /** @param begunAtMs - when the request began, on the monotonic clock */
  readonly failed: (error: StoreError, begunAtMs: number) => void;
}

/** Tells what becomes of every single request: before retries, which make one outcome of many. */
export function watched(store: Store, clock: Clock, watcher: RequestWatcher): Store {
  const watch = async <Result>(operation: string, request: () => Promise<Result>): Promise<Result> => {
    const begunAtMs = clock.monotonicMs();
    try {
      const result = await request();
      // Of a copy whose source could not be read the store has heard nothing.
      if (result !== "unread") watcher.answered(operation);
      return result;
    } catch (error) {
      if (error instanceof StoreError && error.kind !== "aborted") watcher.failed(error, begunAtMs);
      throw error;
    }
  };
  return {
    ...{ url: store.url, traits: store.traits, location: store.location },
    put: (name, bytes, options) => watch("put", () => store.put(name, bytes, options)),
    ...(store.copyFrom && {
      copyFrom: (source, name, options) =>
        watch("put", async () => store.copyFrom?.(source, name, options) ?? "unread"),
    }),
    get: (name, options) => watch("get", () => store.get(name, options)),
    head: (name, options) => watch("head", () => store.head(name, options)),
    delete: (name, options) => watch("delete", () => store.delete(name, options)),
    list: async function* (prefix, options) {
      const names = store.list(prefix, options)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await watch("list", () => names.next());
          if (next.done) return;
          yield next.value;
        }
      } finally {
        await names.return?.();
      }
    },
    close: async () => store.close?.(),
  };
}
