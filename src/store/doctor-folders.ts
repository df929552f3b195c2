import { readdir, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileErrorCode } from "./file-errors.ts";

/** Whether a folder is there before it is examined: what the examination made is removed again. */
export async function folderExists(path: string): Promise<boolean> {
  return (await unless(["ENOENT"], stat(path))) !== null;
}

/**
 * Removes the folders of objects that were deleted, as far as they are empty, and those above them up to `root`.
 *
 * @param parts - names of objects below `root`
 */
export async function removeEmptyFolders(root: string, parts: readonly string[], keepRoot: boolean): Promise<void> {
  const folders = new Set<string>();
  for (const part of parts) {
    for (let folder = dirname(part); folder !== "."; folder = dirname(folder)) folders.add(folder);
  }
  const deepestFirst = [...folders].sort((a, b) => b.length - a.length);
  for (const folder of deepestFirst) await removeIfEmpty(join(root, folder));
  if (!keepRoot) await removeIfEmpty(root);
}

async function removeIfEmpty(path: string): Promise<void> {
  const entries = await unless(["ENOENT"], readdir(path));
  // Filled by somebody else since it was read: then it stays.
  if (entries?.length === 0) await unless(["ENOENT", "ENOTEMPTY", "EEXIST"], rmdir(path));
}

async function unless<Result>(codes: readonly string[], work: Promise<Result>): Promise<Result | null> {
  try {
    return await work;
  } catch (error) {
    if (codes.includes(fileErrorCode(error) ?? "")) return null;
    throw error;
  }
}
