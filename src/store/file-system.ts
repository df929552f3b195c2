/** What a path names, without following a symbolic link at its end. */
export type FileKind = "file" | "folder" | "link" | "other";

export interface FileInfo {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** Number of the file on its disk: a file that was replaced has another. */
  readonly inode: number;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: FileKind;
  /** Of a name that is not UTF-8, by which nothing can be opened: the same name with such bytes as `\\xe9`. */
  readonly escapedName?: string | undefined;
}

/** Room that is left on a disk for this process. */
export interface DiskSpace {
  readonly freeBytes: number;
  /** Null where their number has no limit. */
  readonly freeFiles: number | null;
}

/** A file that is open; nothing in it moves by itself, every read and write names its place. */
export interface OpenFile {
  /** Writes at most all of `bytes`; resolves to how many were written, which may be fewer. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Reads at most `target.length` bytes; resolves to how many were read, 0 at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Makes the content durable. Says nothing about the entry in the folder. */
  sync(): Promise<void>;
  info(): Promise<FileInfo>;
  close(): Promise<void>;
}

/**
 * The few file operations that the local store is built from, so that tests can record them, fail them, and
 * play a loss of power between any two. Failures reject with Node's errors (`code`: "ENOENT", "EEXIST", …).
 */
export interface FileSystem {
  /** Creates a file that must not exist yet ("EEXIST") and opens it for writing. A private one only its owner may read. */
  create(path: string, options?: { readonly isPrivate?: boolean | undefined }): Promise<OpenFile>;
  /** Opens an existing file for reading; refuses a symbolic link ("ELOOP"). */
  open(path: string): Promise<OpenFile>;
  /** Gives a file a second name; refuses to replace one ("EEXIST"), atomically. */
  link(from: string, to: string): Promise<void>;
  /** Renames a file, replacing what has that name, atomically. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes one folder, whose parent must exist. */
  makeFolder(path: string): Promise<void>;
  readFolder(path: string): Promise<readonly FolderEntry[]>;
  /** Describes what the path names; a symbolic link at its end is not followed. */
  info(path: string): Promise<FileInfo>;
  /** The path without links on its way; it must exist ("ENOENT"). */
  realPath(path: string): Promise<string>;
  /** Makes the entries of a folder durable: names added, removed and replaced in it. */
  syncFolder(path: string): Promise<void>;
  /** The room left on the disk that an existing folder lies on; null where it does not tell. */
  freeSpace(path: string): Promise<DiskSpace | null>;
}
