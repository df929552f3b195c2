import { THREADS_HAVE_PRIORITIES } from "../../base/thread-priority.ts";
import { createLocalStore } from "../../store/local.ts";
import { filePathOf, isFileUrl, openStore } from "../../store/open-store.ts";
import type { CopyOptions, Store, StoreLocation } from "../../store/store.ts";
import { readsInThread } from "../../store/thread-reads.ts";
import { readPack, sendPack } from "./send-pack.ts";

/** The store, which also copies packs from places that this thread can open. */
export function withCopies(store: Store): Store {
  const sources = new Map<string, Promise<Store>>();
  const open = ({ url, options }: StoreLocation): Promise<Store> => {
    const source = sources.get(url) ?? openSource(url, options);
    sources.set(url, source);
    source.catch(() => sources.delete(url));
    return source;
  };
  return {
    ...{ url: store.url, traits: store.traits, location: store.location },
    put: (name, bytes, options) => store.put(name, bytes, options),
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
    movedBytes: () => store.movedBytes?.() ?? 0,
    close: async () => store.close?.(),
    copyFrom: async (source, name, options) => {
      const bytes = await open(source)
        .then((opened) => readPack(opened, name, options.signal))
        .catch((error: unknown) => {
          if (options.signal?.aborted) throw error;
          return null;
        });
      return bytes === null ? "unread" : sendPack(tellingMore(store, options), name, bytes, options);
    },
  };
}

/** Where this thread is of low priority it reads by itself: whoever it serves counts the time, and goes on without it. */
async function openSource(url: string, options: StoreLocation["options"]): Promise<Store> {
  if (!isFileUrl(url) || !THREADS_HAVE_PRIORITIES) return openStore(url, options);
  return createLocalStore(filePathOf(url), { fileSystem: readsInThread });
}

/** The first put is what was asked for; every other request is one more. */
function tellingMore(store: Store, { onExtraRequest }: CopyOptions): Pick<Store, "put" | "get"> {
  let isBegun = false;
  return {
    put: (name, bytes, options) => {
      if (isBegun) onExtraRequest?.("put", bytes.byteLength);
      isBegun = true;
      return store.put(name, bytes, { ...options, onExtraRequest });
    },
    get: async (name, options) => {
      let bytes: Uint8Array | null = null;
      try {
        bytes = await store.get(name, options);
      } finally {
        onExtraRequest?.("get", bytes?.byteLength ?? 0);
      }
      return bytes;
    },
  };
}
