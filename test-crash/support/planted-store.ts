import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Store } from "../../src/index.ts";
import type { FileSystem } from "../../src/store/file-system.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import { type Interceptor, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";

/** Bugs of a local store that the crash tests have to catch. */
export const PLANTED_BUGS = [
  "no-fsync",
  "no-folder-fsync",
  "in-place-write",
  "swallowed-no-space",
  "fsync-again",
  "litter-stays",
] as const;

export type PlantedBug = (typeof PLANTED_BUGS)[number];

const hasCode = (error: unknown, code: string): boolean => (error as { code?: unknown }).code === code;

const INTERCEPTORS: Readonly<Partial<Record<PlantedBug, Interceptor>>> = {
  "no-fsync": async ({ operation }, proceed) => (operation === "sync" ? undefined : proceed()),
  "no-folder-fsync": async ({ operation }, proceed) => (operation === "syncFolder" ? undefined : proceed()),
  "swallowed-no-space": async ({ operation, bytes }, proceed) => {
    try {
      return await proceed();
    } catch (error) {
      if (operation === "write" && hasCode(error, "ENOSPC")) return bytes?.length;
      throw error;
    }
  },
  "fsync-again": async ({ operation }, proceed) => {
    try {
      return await proceed();
    } catch (error) {
      if (operation === "sync" && hasCode(error, "EIO")) return proceed();
      throw error;
    }
  },
  "litter-stays": async ({ operation, path }, proceed) =>
    operation === "unlink" && path.includes(".tmp-") ? undefined : proceed(),
};

function withPlantedFiles(folder: string, intercept: Interceptor): Store {
  const fileSystem: FileSystem = interceptFileSystem(nodeFileSystem, intercept);
  return createLocalStore(folder, { fileSystem });
}

/** Objects come to lie under their names piece by piece. */
function writesInPlace(folder: string): Store {
  const store = createLocalStore(folder, { fileSystem: nodeFileSystem });
  return {
    ...{ url: store.url, traits: store.traits },
    put: async (name, bytes, options) => {
      if (options?.ifAbsent && (await store.head(name)) !== null) return false;
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      const file = openSync(path, "w");
      const middle = bytes.length >> 1;
      writeSync(file, bytes, 0, middle, 0);
      writeSync(file, bytes, middle, bytes.length - middle, middle);
      fsyncSync(file);
      closeSync(file);
      return true;
    },
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
  };
}

/** A store with that bug; null for none, when the path itself is to be used. */
export function plantedStore(folder: string, planted: string | undefined): Store | null {
  if (planted === undefined || planted === "") return null;
  if (planted === "in-place-write") return writesInPlace(folder);
  const intercept = INTERCEPTORS[planted as PlantedBug];
  if (intercept === undefined) throw new Error(`There is no planted bug "${planted}"`);
  return withPlantedFiles(folder, intercept);
}
