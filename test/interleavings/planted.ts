import type { ObjectInfo, Store } from "../../src/store/store.ts";
import type { Planted } from "./process.ts";
import { GRACE_MS } from "./process.ts";

function changed(store: Store, change: Partial<Store>): Store {
  return {
    ...{ url: store.url, traits: store.traits },
    put: (name, bytes, options) => store.put(name, bytes, options),
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
    ...change,
  };
}

const isWriter = (name: string): boolean => name.startsWith("writers/");
const isPin = (name: string): boolean => name.startsWith("pins/");
const isManifest = (name: string): boolean => name.startsWith("checkpoints/");

/** Bugs as somebody might write them, each put in from outside; the harness must find every one of them. */
export const planted: Readonly<Record<string, Planted>> = {
  "an epoch is claimed without create-if-absent": {
    store: (store) =>
      changed(store, {
        put: async (name, bytes, options) => {
          if (!isWriter(name)) return store.put(name, bytes, options);
          await store.put(name, bytes, { ...options, ifAbsent: false });
          return true;
        },
      }),
  },
  "a commit does not look for a newer epoch afterwards": {
    store: (store) => {
      let hasCreated = false;
      return changed(store, {
        put: async (name, bytes, options) => {
          const created = await store.put(name, bytes, options);
          hasCreated = isManifest(name);
          return created;
        },
        head: async (name, options) => {
          const isSecondLook = hasCreated && isWriter(name);
          hasCreated = false;
          return isSecondLook ? null : store.head(name, options);
        },
      });
    },
  },
  "a commit does not look for a newer epoch at all": {
    store: (store) =>
      changed(store, { head: async (name, options) => (isWriter(name) ? null : store.head(name, options)) }),
  },
  "whoever claims an epoch does not look for newer checkpoints": {
    store: (store) => {
      let isClaiming = false;
      return changed(store, {
        put: async (name, bytes, options) => {
          isClaiming = isWriter(name);
          return store.put(name, bytes, options);
        },
        list: async function* (prefix, options) {
          // The look before the claim is missing too: it comes first, and would see the same.
          if (isManifest(prefix) && isClaiming) isClaiming = false;
          else yield* store.list(prefix, options);
        },
      });
    },
  },
  "a prune without a grace period": { gracePeriodMs: 0 },
  "a prune without the marker's age: every pack is old": {
    store: (store) =>
      changed(store, {
        head: async (name, options) => {
          const info = await store.head(name, options);
          if (info === null || !name.startsWith("markers/")) return info;
          return { ...info, modifiedAtMs: (info.modifiedAtMs ?? 0) + 2 * GRACE_MS };
        },
      }),
  },
  "a prune that knows nothing of its own saves under way": { protects: "none" },
  "a prune in the name of an epoch that it did not claim": { claimsToPrune: false, gracePeriodMs: 0 },
  "a manifest replaces one of the same name, and a claim one of the same number": {
    store: (store) =>
      changed(store, {
        put: async (name, bytes, options) => {
          await store.put(name, bytes, { ...options, ifAbsent: false });
          return true;
        },
      }),
  },
  "a prune that takes a manifest it could not see for absent": {
    store: (store) => {
      let hasMarker = false;
      return changed(store, {
        put: async (name, bytes, options) => {
          hasMarker ||= name.startsWith("markers/");
          return store.put(name, bytes, options);
        },
        get: async (name, options) => (hasMarker && isManifest(name) ? null : store.get(name, options)),
      });
    },
  },
  // `mayDelete` without its rule for packs in use, of whichever epoch.
  "a prune that spares packs in use of its own epoch alone": { protects: "those of its own epoch" },
  "what was restored counts as stored, whatever was pruned since": { confirmsRestored: false },
  "a prune that knows nothing of pins": {
    store: (store) =>
      changed(store, {
        list: async function* (prefix, options) {
          if (!isPin(prefix)) yield* store.list(prefix, options);
        },
      }),
  },
  "a pin that the pruner of the same process is not told of": { holdsPins: false },
  "a restore that does not list again what was pruned meanwhile": {
    store: (store) => {
      let listed: Promise<readonly ObjectInfo[]> | null = null;
      return changed(store, {
        put: async (name, bytes, options) => {
          listed = null;
          return store.put(name, bytes, options);
        },
        list: async function* (prefix, options) {
          if (!isManifest(prefix)) yield* store.list(prefix, options);
          else yield* await (listed ??= Array.fromAsync(store.list(prefix, options)));
        },
      });
    },
  },
};
