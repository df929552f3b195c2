import { join } from "node:path";
import { StoreError } from "../../../errors.ts";
import { orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileInfo, FileKind, FileSystem, FolderEntry } from "../../../store/file-system.ts";
import { throwIfAborted } from "../../../store/request.ts";

export interface WalkedEntry {
  readonly name: string;
  /** Below the folder, separated by `/`. */
  readonly path: string;
  readonly kind: FileKind;
  /** Of a name that is not UTF-8: the path as it can be shown. Nothing can be opened by it. */
  readonly escapedPath?: string | undefined;
}

export interface WalkOptions {
  /** Decides of a folder below whether its entries are given. */
  readonly enters: (entry: WalkedEntry) => boolean;
  /** Told of a folder below that cannot be read; the walk goes on beside it. */
  readonly onUnreadable: (path: string, error: StoreError) => void;
  /** A folder that is not there is empty. */
  readonly mayBeAbsent?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Everything below a folder, each folder before what is in it. Links are given, not followed.
 *
 * @throws StoreError if the folder itself cannot be read: `not-found` if there is none
 */
export async function* walkFolder(
  files: FileSystem,
  folder: string,
  { enters, onUnreadable, mayBeAbsent = false, signal }: WalkOptions,
): AsyncGenerator<WalkedEntry> {
  const entries = await readEntries(files, folder);
  if (entries === null && !mayBeAbsent) throw await noFolder(files, folder);
  yield* walkEntries("", entries);

  async function* walkEntries(below: string, found: readonly FolderEntry[] | null): AsyncGenerator<WalkedEntry> {
    for (const { name, kind, escapedName } of found ?? []) {
      throwIfAborted(signal, "list", folder);
      const escapedPath = escapedName === undefined ? undefined : below + escapedName;
      const entry: WalkedEntry = { name, path: below + name, kind, escapedPath };
      yield entry;
      if (kind !== "folder" || escapedPath !== undefined || !enters(entry)) continue;
      // Null if it was removed since its parent was read.
      yield* walkEntries(`${entry.path}/`, await readBelow(entry.path));
    }
  }

  async function readBelow(path: string): Promise<readonly FolderEntry[] | null> {
    try {
      return await readEntries(files, join(folder, path));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      onUnreadable(path, error);
      return null;
    }
  }
}

async function noFolder(files: FileSystem, folder: string): Promise<unknown> {
  const info = await orNull(files.info(folder)).catch((error: unknown) => unreadable(error, folder));
  if (info instanceof Error) return info;
  const isFile = info !== null && (info as FileInfo).kind === "file";
  const detail = isFile ? "it is a file, not a folder" : "there is no such folder";
  return new StoreError("not-found", "list", folder, detail, {
    hint: isFile ? "uploadFile() sends one file." : undefined,
  });
}

async function readEntries(files: FileSystem, path: string): Promise<readonly FolderEntry[] | null> {
  try {
    return await orNull(files.readFolder(path));
  } catch (error) {
    throw unreadable(error, path);
  }
}

/** The error of what a person wants to upload and this process cannot look at; any other error as it is. */
export function unreadable(error: unknown, path: string): unknown {
  const translated = translateFileError(error, "list", path, "looking at it");
  if (!(translated instanceof StoreError) || translated.kind !== "permission") return translated;
  return new StoreError("permission", "list", path, translated.detail, {
    cause: error,
    hint: `Give the process the right to read ${path}, or leave it out with \`exclude\`.`,
  });
}
