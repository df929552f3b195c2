import { join } from "node:path";
import { StoreError } from "../../../errors.ts";
import { orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileKind, FileSystem, FolderEntry } from "../../../store/file-system.ts";
import { throwIfAborted } from "../../../store/request.ts";

export interface WalkedEntry {
  readonly name: string;
  /** Below the folder, separated by `/`. */
  readonly path: string;
  readonly kind: FileKind;
}

/**
 * Everything below a folder, each folder before what is in it. Links are given, not followed.
 *
 * @param enters - decides of a folder below whether its entries are given
 * @throws StoreError `not-found` if there is no such folder
 */
export async function* walkFolder(
  files: FileSystem,
  folder: string,
  enters: (entry: WalkedEntry) => boolean,
  signal?: AbortSignal | undefined,
): AsyncGenerator<WalkedEntry> {
  const entries = await readEntries(files, folder, folder);
  if (entries === null) throw new StoreError("not-found", "list", folder, "there is no such folder");
  yield* walkEntries("", entries);

  async function* walkEntries(below: string, found: readonly FolderEntry[] | null): AsyncGenerator<WalkedEntry> {
    for (const { name, kind } of found ?? []) {
      throwIfAborted(signal, "list", folder);
      const entry: WalkedEntry = { name, path: below + name, kind };
      yield entry;
      // Null if it was removed since its parent was read.
      if (kind === "folder" && enters(entry)) {
        yield* walkEntries(`${entry.path}/`, await readEntries(files, folder, join(folder, entry.path)));
      }
    }
  }
}

async function readEntries(files: FileSystem, folder: string, path: string): Promise<readonly FolderEntry[] | null> {
  try {
    return await orNull(files.readFolder(path));
  } catch (error) {
    throw translateFileError(error, "list", folder, `reading ${path}`);
  }
}
