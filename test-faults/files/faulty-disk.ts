import { basename } from "node:path";
import type { FileSystem, OpenFile } from "../../src/store/file-system.ts";
import { type FileCall, fileError, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";

export const FAULTS = ["EIO", "ENOSPC", "EMFILE", "EACCES", "short"] as const;

export type FileFault = (typeof FAULTS)[number];

/** Which faults a call can meet on a real disk. */
const MET_BY: Readonly<Record<FileCall["operation"], readonly FileFault[]>> = {
  create: ["EIO", "ENOSPC", "EMFILE", "EACCES"],
  open: ["EIO", "EMFILE", "EACCES"],
  write: ["EIO", "ENOSPC", "short"],
  read: ["EIO"],
  sync: ["EIO", "ENOSPC"],
  info: ["EIO"],
  close: ["EIO", "ENOSPC"],
  link: ["EIO", "ENOSPC", "EACCES"],
  rename: ["EIO", "ENOSPC", "EACCES"],
  unlink: ["EIO", "EACCES"],
  makeFolder: ["EIO", "ENOSPC", "EACCES"],
  readFolder: ["EIO", "EMFILE", "EACCES"],
  realPath: ["EIO"],
  syncFolder: ["EIO", "ENOSPC", "EMFILE", "EACCES"],
  freeSpace: ["EIO"],
};

export function canMeet({ operation }: FileCall, fault: FileFault): boolean {
  return MET_BY[operation].includes(fault);
}

/** A real file system of which one call fails, the n-th from when that was asked for. */
export interface FaultyDisk {
  readonly fileSystem: FileSystem;
  /** @param number - from 0 */
  arm(number: number, fault: FileFault): void;
  /** The call that failed, if it came to that; nothing fails any more. */
  disarm(): FileCall | null;
  /** Those since it was armed. */
  readonly calls: readonly FileCall[];
  /** Syncs of a file that had failed to sync before, and was not written anew. */
  readonly repeatedSyncs: readonly string[];
}

export function createFaultyDisk(inner: FileSystem): FaultyDisk {
  let plan: { readonly number: number; readonly fault: FileFault } | null = null;
  const calls: FileCall[] = [];
  let failed: FileCall | null = null;
  let isShort = false;
  const repeatedSyncs: string[] = [];
  const unsynced = new Set<string>();
  const shortened = withShortWrites(inner, () => isShort);
  const fileSystem = interceptFileSystem(shortened, async (call, proceed) => {
    const { operation, path } = call;
    if (operation === "create") unsynced.delete(path);
    if (operation === "sync" && unsynced.has(path)) repeatedSyncs.push(basename(path));
    if (plan === null || calls.push(call) !== plan.number + 1) return proceed();
    const { fault } = plan;
    if (fault === "short") {
      if (operation !== "write") return proceed();
      failed = call;
      isShort = true;
      return proceed().finally(() => {
        isShort = false;
      });
    }
    failed = call;
    if (operation === "sync") unsynced.add(path);
    // A close that fails has closed.
    if (operation === "close") await proceed();
    throw fileError(fault, operation, path);
  });
  return {
    fileSystem,
    repeatedSyncs,
    calls,
    arm: (number, fault) => {
      plan = { number, fault };
      calls.length = 0;
      failed = null;
    },
    disarm: () => {
      plan = null;
      return failed;
    },
  };
}

/** Takes half of what it is given, while `isShort`. */
function withShortWrites(inner: FileSystem, isShort: () => boolean): FileSystem {
  return {
    ...inner,
    create: async (path, options) => {
      const file = await inner.create(path, options);
      const shortened: OpenFile = {
        write: (bytes, position) => file.write(isShort() ? bytes.subarray(0, bytes.length >> 1) : bytes, position),
        read: (target, position) => file.read(target, position),
        sync: () => file.sync(),
        info: () => file.info(),
        close: () => file.close(),
      };
      return shortened;
    },
  };
}
