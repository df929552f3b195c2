import { vi } from "vitest";
import { Backlog } from "../../src/checkpoint/saver/backlog.ts";
import { isVarveError } from "../../src/errors.ts";
import type { Store } from "../../src/index.ts";
import { parseManifest } from "../../src/manifest/serialize.ts";
import type { FileSystem, OpenFile } from "../../src/store/file-system.ts";
import { type FileCall, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import type { Plant } from "./history.ts";
import type { Objects } from "./store-recorder.ts";

/** A bug, and where it must be noticed. */
export interface PlantedBug {
  readonly name: string;
  readonly plant: Plant;
  /** The scenario that claims to cover it. */
  readonly scenario: string;
  readonly seed?: number | undefined;
  /** What is said about it. */
  readonly says: RegExp;
  /** Puts a bug where no store and no disk reaches; undoes it when called. */
  readonly install?: (() => () => void) | undefined;
}

function withoutCalls(matches: (call: FileCall) => boolean): Plant {
  return { disk: (disk) => interceptFileSystem(disk, async (call, go) => (matches(call) ? undefined : go())) };
}

const anyTier = (change: (store: Store) => Store): Plant => ({ store: change });

/** A store of which some verbs are another's. */
function overriding(store: Store, own: Partial<Store>): Store {
  return {
    ...{ url: store.url, traits: store.traits },
    put: (name, bytes, options) => store.put(name, bytes, options),
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
    close: async () => store.close?.(),
    ...own,
  };
}

/** Requests that are answered at once and carried out when something else is asked for. */
function late(store: Store, isLate: (name: string) => boolean, until: (name: string) => boolean): Store {
  const waiting: (() => Promise<unknown>)[] = [];
  const catchUp = async (): Promise<void> => {
    for (const work of waiting.splice(0)) await work();
  };
  return overriding(store, {
    put: async (name, bytes, options) => {
      const copy = bytes.slice();
      if (isLate(name)) {
        waiting.push(() => store.put(name, copy, { ifAbsent: options?.ifAbsent }));
        return true;
      }
      const isCreated = await store.put(name, copy, options);
      if (until(name)) await catchUp();
      return isCreated;
    },
    head: async (name, options) => {
      if (until(name)) await catchUp();
      return store.head(name, options);
    },
  });
}

/** Takes half of every write, and says that it took all. */
function shortWrites(disk: FileSystem): FileSystem {
  return {
    ...interceptFileSystem(disk, (_, go) => go()),
    create: async (path) => {
      const file = await disk.create(path);
      const write: OpenFile["write"] = async (bytes, position) => {
        await file.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), position);
        return bytes.length;
      };
      const { sync, close, info, read } = file;
      return { write, sync: sync.bind(file), close: close.bind(file), info: info.bind(file), read: read.bind(file) };
    },
  };
}

/** What another made is taken for durable: only entries and files of one's own are synced. */
function existsIsDurable(disk: FileSystem): FileSystem {
  const changed = new Set<string>();
  const created = new Set<string>();
  return interceptFileSystem(disk, async ({ operation, path, to }, go) => {
    const folder = (to ?? path).replace(/\/[^/]*$/, "") || "/";
    if (operation === "create") created.add(path);
    if (["create", "link", "rename", "unlink", "makeFolder"].includes(operation)) {
      const result: unknown = await go();
      changed.add(folder);
      return result;
    }
    if (operation === "sync" && !created.has(path)) return undefined;
    if (operation === "syncFolder" && !changed.delete(path)) return undefined;
    return go();
  });
}

/** Deletes packs at once, and checkpoints when the next thing is asked for. */
function deletesManifestsLast(store: Store): Store {
  const manifests: string[] = [];
  const catchUp = async (): Promise<void> => {
    for (const name of manifests.splice(0)) await store.delete(name);
  };
  return overriding(store, {
    delete: async (name, options) => {
      if (name.startsWith("checkpoints/")) manifests.push(name);
      else await store.delete(name, options);
    },
    put: async (name, bytes, options) => {
      await catchUp();
      return store.put(name, bytes, options);
    },
  });
}

/** While it is decided what to delete, pinned checkpoints are not seen: their packs look unnamed. */
function overlooksPinned(store: Store): Store {
  let isPlanning = false;
  return overriding(store, {
    put: async (name, bytes, options) => {
      // The marker by which a prune asks for the store's time.
      if (name.startsWith("markers/")) isPlanning = true;
      return store.put(name, bytes, options);
    },
    delete: async (name, options) => {
      if (name.startsWith("packs/")) isPlanning = false;
      return store.delete(name, options);
    },
    list: async function* (prefix, options) {
      const pins = new Set<string>();
      for await (const { name } of store.list("pins/")) pins.add(name.replace("pins/", "checkpoints/"));
      for await (const info of store.list(prefix, options)) if (!isPlanning || !pins.has(info.name)) yield info;
    },
  });
}

/** Manifests that cannot be read are not listed: nobody is told of them, and their numbers are given again. */
export const hidesUnreadable: Plant = anyTier((store) =>
  overriding(store, {
    list: async function* (prefix, options) {
      for await (const info of store.list(prefix, options)) {
        const bytes = info.name.startsWith("checkpoints/") ? await store.get(info.name) : null;
        if (bytes === null || isReadable(bytes, info.name)) yield info;
      }
    },
  }),
);

/** Packs are taken from memory, and not from where they are to be checked. */
export function readsFromCache(packs: Objects): Plant {
  return anyTier((store) =>
    overriding(store, { get: async (name, options) => packs.get(name) ?? store.get(name, options) }),
  );
}

function isReadable(bytes: Uint8Array, name: string): boolean {
  try {
    return parseManifest(bytes, name).hash !== "";
  } catch (error) {
    if (isVarveError(error, "VARVE_CORRUPT")) return false;
    throw error;
  }
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "files are not synced",
    plant: withoutCalls(({ operation }) => operation === "sync"),
    scenario: "save",
    says: /holds what nobody put there/,
  },
  {
    name: "folders are not synced",
    plant: withoutCalls(({ operation }) => operation === "syncFolder"),
    scenario: "save",
    says: /was acknowledged/,
  },
  {
    name: "the parent of a new folder is not synced",
    plant: withoutCalls(({ operation, path }) => operation === "syncFolder" && path === "/run"),
    scenario: "save",
    says: /was acknowledged/,
  },
  {
    name: "a short write counts as a whole one",
    plant: { disk: shortWrites },
    scenario: "save",
    says: /holds what nobody put there/,
  },
  {
    name: '"exists" counts as durable',
    plant: { disk: existsIsDurable },
    scenario: "failing-sync",
    seed: 8,
    says: /was acknowledged|is listed, but/,
  },
  {
    name: "the manifest is written before its packs",
    plant: anyTier((store) =>
      late(
        store,
        (name) => name.startsWith("packs/"),
        (name) => name.startsWith("checkpoints/"),
      ),
    ),
    scenario: "save-to-cloud",
    says: /is listed, but .* is missing/,
  },
  {
    name: "a checkpoint is acknowledged before it is written",
    plant: anyTier((store) =>
      late(
        store,
        (name) => name.startsWith("checkpoints/"),
        (name) => name.startsWith("packs/"),
      ),
    ),
    scenario: "save-to-cloud",
    says: /was acknowledged/,
  },
  {
    name: "an object is put without regard to what has its name",
    plant: anyTier((store) =>
      overriding(store, { put: (name, bytes, options) => store.put(name, bytes, { signal: options?.signal }) }),
    ),
    scenario: "resumers",
    says: /was used again with another content/,
  },
  {
    name: "nobody asks whether there is a newer writer",
    plant: anyTier((store) =>
      overriding(store, {
        head: async (name, options) => (name.startsWith("writers/") ? null : store.head(name, options)),
      }),
    ),
    scenario: "stalled",
    says: /was acknowledged, step \d+ is restored/,
  },
  {
    name: "a prune knows no grace",
    plant: anyTier((store) =>
      overriding(store, {
        list: async function* (prefix, options) {
          for await (const info of store.list(prefix, options)) yield { ...info, modifiedAtMs: 0 };
        },
      }),
    ),
    scenario: "stalled",
    says: /is listed, but .* is missing/,
  },
  {
    name: "a prune forgets pins",
    plant: anyTier((store) =>
      overriding(store, {
        list: async function* (prefix, options) {
          if (!prefix.startsWith("pins/")) yield* store.list(prefix, options);
        },
      }),
    ),
    scenario: "retention",
    says: /step 2 was acknowledged and is not there/,
  },
  {
    name: "a prune deletes the packs of a pinned checkpoint",
    plant: anyTier(overlooksPinned),
    scenario: "retention",
    says: /is listed, but .* is missing/,
  },
  {
    name: "a checkpoint is deleted after its packs",
    plant: anyTier(deletesManifestsLast),
    scenario: "retention-in-cloud",
    says: /is listed, but .* is missing/,
  },
  {
    name: "an upload's error is swallowed",
    plant: {
      store: (store, tier) =>
        tier === "first"
          ? store
          : overriding(store, { put: (name, bytes, options) => store.put(name, bytes, options).catch(() => true) }),
    },
    scenario: "lost-answer-in-tiers",
    seed: 6,
    says: /is listed, but .* is missing|was acknowledged/,
  },
  {
    name: "local retention removes what the store lacks",
    plant: {},
    install: () => {
      const spy = vi.spyOn(Backlog.prototype, "names", "get").mockReturnValue(new Set());
      return () => spy.mockRestore();
    },
    scenario: "sync",
    says: /step 2 was acknowledged and is not there/,
  },
  {
    name: "coverage is taken over from another branch",
    plant: { newIncarnation: () => "always-the-same" },
    scenario: "branch",
    says: /with another content than was saved/,
  },
];
