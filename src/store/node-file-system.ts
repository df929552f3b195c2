import { isUtf8 } from "node:buffer";
import { constants, type Stats } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, statfs, unlink } from "node:fs/promises";
import { fileErrorCode } from "./file-errors.ts";
import type { DiskSpace, FileInfo, FileKind, FileSystem, FolderEntry, OpenFile } from "./file-system.ts";

/** Absent on Windows, where it counts as 0. */
const NO_FOLLOW: number = constants.O_NOFOLLOW ?? 0;
/** Without it, opening a named pipe that somebody put there would wait for ever. */
const NO_WAIT: number = constants.O_NONBLOCK ?? 0;

/** What folders answer to fsync on file systems that have no such thing (some network and user-space ones). */
const NO_FOLDER_SYNC: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

interface Typed {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

function kindOf(entry: Typed): FileKind {
  if (entry.isSymbolicLink()) return "link";
  if (entry.isFile()) return "file";
  return entry.isDirectory() ? "folder" : "other";
}

function infoOf(stats: Stats): FileInfo {
  return { kind: kindOf(stats), sizeBytes: stats.size, modifiedAtMs: stats.mtimeMs, inode: stats.ino };
}

export class NodeFile implements OpenFile {
  protected readonly handle: FileHandle;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    return (await this.handle.write(bytes, 0, bytes.length, position)).bytesWritten;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return (await this.handle.read(target, 0, target.length, position)).bytesRead;
  }

  sync(): Promise<void> {
    return this.handle.sync();
  }

  async info(): Promise<FileInfo> {
    return infoOf(await this.handle.stat());
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Refuses a symbolic link ("ELOOP"). */
export function openForReading(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | NO_FOLLOW | NO_WAIT);
}

async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders; NTFS keeps its own journal of names.
  if (process.platform === "win32") return;
  const handle = await open(path, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_FOLDER_SYNC.has(fileErrorCode(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

async function freeSpace(path: string): Promise<DiskSpace | null> {
  const { blocks, bsize, bavail, bfree, files, ffree } = await statfs(path);
  // Some network and user-space file systems have no size.
  if (blocks === 0) return null;
  // The reserve is root's.
  const free = process.getuid?.() === 0 ? bfree : bavail;
  return { freeBytes: free * bsize, freeFiles: files === 0 ? null : ffree };
}

/** What Node puts in the place of bytes that are not UTF-8; a name may also really have it. */
const REPLACEMENT = "\ufffd";

async function readFolder(path: string): Promise<readonly FolderEntry[]> {
  const entries = await readdir(path, { withFileTypes: true });
  if (!entries.some(({ name }) => name.includes(REPLACEMENT))) {
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  }
  // Only their bytes tell names apart then.
  const exact = await readdir(path, { withFileTypes: true, encoding: "buffer" });
  return exact.map((entry) => {
    const found = { name: entry.name.toString("utf8"), kind: kindOf(entry) };
    return isUtf8(entry.name) ? found : { ...found, escapedName: escaped(entry.name) };
  });
}

function escaped(name: Uint8Array): string {
  return Array.from(name, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join("");
}

/** The machine's own file system. Files are made 0644 (private ones 0600) and folders 0777, less the process's umask. */
export const nodeFileSystem: FileSystem = {
  create: async (path, { isPrivate = false } = {}) => {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | NO_FOLLOW;
    return new NodeFile(await open(path, flags, isPrivate ? 0o600 : 0o644));
  },
  open: async (path) => new NodeFile(await openForReading(path)),
  link,
  rename,
  unlink,
  makeFolder: async (path) => {
    await mkdir(path);
  },
  readFolder,
  info: async (path) => infoOf(await lstat(path)),
  realPath: (path) => realpath(path),
  syncFolder,
  freeSpace,
};
