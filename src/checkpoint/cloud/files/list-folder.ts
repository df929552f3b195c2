import { dirname, join } from "node:path";
import { orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileInfo, FileSystem } from "../../../store/file-system.ts";
import { KEY_NAMES, UPLOADS_FOLDER } from "../../../store/folder/object-key.ts";
import { TEMPORARY_PREFIX } from "../../../store/object-name.ts";
import type { FileTransfers, ListedFile, ListFolderOptions } from "./contract.ts";
import { excludePatterns } from "./exclude-patterns.ts";
import { walkFolder } from "./folder-walk.ts";
import { isJournalName } from "./upload-journal.ts";

/** Unfinished files: ours, and those that half the world names so. */
function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX) || /\.(?:tmp|part)$/.test(name) || isJournalName(name);
}

/**
 * The files below a folder, in the order of their paths, that an upload of it takes: all but unfinished files and what
 * the patterns leave out. A link or what is no file is left out too, and told.
 *
 * @throws StoreError `not-found` if there is no such folder; InvalidArgumentError for a pattern that is none
 */
export async function listFolder(
  { files, warn }: Pick<FileTransfers, "files" | "warn">,
  folder: string,
  { exclude = [], signal, onUnfinished }: ListFolderOptions = {},
): Promise<ListedFile[]> {
  const excludes = excludePatterns(exclude);
  const found: ListedFile[] = [];
  const isLeftOut = (name: string, path: string, isFolder: boolean): boolean =>
    name === UPLOADS_FOLDER || (!isFolder && isTemporary(name)) || excludes(name, path, isFolder);
  const enters = ({ name, path }: { name: string; path: string }): boolean => !isLeftOut(name, path, true);
  for await (const { name, path, kind } of walkFolder(files, folder, enters, signal)) {
    if (kind === "file" && name.startsWith(TEMPORARY_PREFIX)) onUnfinished?.(dirname(join(folder, path)));
    if (kind === "folder" || isLeftOut(name, path, false)) continue;
    const info = kind === "file" ? await describe(files, folder, path) : null;
    if (info?.kind === "file") found.push({ path, sizeBytes: info.sizeBytes });
    // A file that went away since the folder was read is nobody's loss.
    else if (kind !== "file")
      warn(`${join(folder, path)} is left out: it is ${kind === "link" ? "a symbolic link" : "no file"}`);
  }
  return found.sort((a, b) => KEY_NAMES.compare(a.path, b.path));
}

async function describe(files: FileSystem, folder: string, path: string): Promise<FileInfo | null> {
  try {
    return await orNull(files.info(join(folder, path)));
  } catch (error) {
    throw translateFileError(error, "list", folder, `looking at ${join(folder, path)}`);
  }
}
