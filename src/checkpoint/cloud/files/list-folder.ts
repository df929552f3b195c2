import { basename, dirname, join } from "node:path";
import { StoreError } from "../../../errors.ts";
import { orNull } from "../../../store/file-errors.ts";
import type { FileInfo, FileSystem } from "../../../store/file-system.ts";
import { KEY_NAMES, UPLOADS_FOLDER } from "../../../store/folder/object-key.ts";
import { TEMPORARY_PREFIX } from "../../../store/object-name.ts";
import { isTemporaryName } from "../../../store/temporary-name.ts";
import type { FileTransfers, FolderListing, ListedFile, ListFolderOptions } from "./contract.ts";
import { excludePatterns } from "./exclude-patterns.ts";
import { unreadable, type WalkedEntry, walkFolder } from "./folder-walk.ts";
import { isJournalName } from "./upload-journal.ts";

/** Unfinished files: ours, and those that half the world names so. */
function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX) || /\.(?:tmp|part)$/.test(name) || isJournalName(name);
}

/** Of which nobody needs to be told. */
function isOwn(name: string): boolean {
  return isTemporaryName(name) || isJournalName(name);
}

/**
 * The files below a folder, in the order of their paths, that an upload of it takes: all but unfinished files, which are
 * named beside them, and what the patterns leave out. A link or what is no file is left out too, and told. What cannot be looked at is a failure of
 * its own, and keeps nothing else back.
 *
 * @throws StoreError if the folder itself cannot be read: `not-found` if there is none; InvalidArgumentError for a
 *   pattern that is none
 */
export async function listFolder(
  { files, warn }: Pick<FileTransfers, "files" | "warn">,
  folder: string,
  { exclude = [], expected = [], without, signal, onUnfinished }: ListFolderOptions = {},
): Promise<FolderListing> {
  const excludes = excludePatterns(exclude);
  const found: ListedFile[] = [];
  const failures: { readonly path: string; readonly error: StoreError }[] = [];
  const unfinished: string[] = [];
  const isLeftOut = ({ name, path }: Pick<WalkedEntry, "name" | "path">, isFolder: boolean): boolean =>
    name === UPLOADS_FOLDER || path === without || excludes(name, path, isFolder);
  const walked = walkFolder(files, folder, {
    enters: (entry) => !isLeftOut(entry, true),
    onUnreadable: (path, error) => failures.push({ path, error }),
    mayBeAbsent: expected.length > 0,
    signal,
  });
  for await (const entry of walked) {
    const { name, path, kind, escapedPath } = entry;
    if (kind === "file" && name.startsWith(TEMPORARY_PREFIX)) onUnfinished?.(dirname(join(folder, path)));
    const isFolder = kind === "folder";
    if ((isFolder && escapedPath === undefined) || isLeftOut(entry, isFolder)) continue;
    if (!isFolder && isTemporary(name)) {
      if (!isOwn(name)) unfinished.push(escapedPath ?? path);
      continue;
    }
    const shown = join(folder, escapedPath ?? path);
    if (!isFolder && kind !== "file")
      warn(`${shown} is left out: it is ${kind === "link" ? "a symbolic link" : "no file"}`);
    else if (escapedPath === undefined) await add(path);
    else failures.push({ path: escapedPath, error: misnamed(shown) });
  }
  const known = new Set([...found, ...failures].map(({ path }) => path));
  for (const path of expected) {
    const isTaken = partsOf(path).every((part, index, { length }) => !isLeftOut(part, index < length - 1));
    if (isTaken && !isTemporary(basename(path)) && !known.has(path)) found.push({ path, sizeBytes: 0 });
  }
  return { files: found.sort((a, b) => KEY_NAMES.compare(a.path, b.path)), failures, unfinished: unfinished.sort() };

  async function add(path: string): Promise<void> {
    try {
      const info = await describe(files, join(folder, path));
      // A file that went away since the folder was read is nobody's loss.
      if (info?.kind === "file") found.push({ path, sizeBytes: info.sizeBytes });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      failures.push({ path, error });
    }
  }
}

/** Its folders, from the outermost, and it itself. */
function partsOf(path: string): readonly Pick<WalkedEntry, "name" | "path">[] {
  const names = path.split("/");
  return names.map((name, index) => ({ name, path: names.slice(0, index + 1).join("/") }));
}

async function describe(files: FileSystem, path: string): Promise<FileInfo | null> {
  try {
    return await orNull(files.info(path));
  } catch (error) {
    throw unreadable(error, path);
  }
}

function misnamed(path: string): StoreError {
  return new StoreError("unsupported", "list", path, "its name is not UTF-8, so that Node cannot open it", {
    hint: "Rename what is not UTF-8 (convmv -f latin1 -t utf8 shows how), or leave it out with `exclude`.",
  });
}
