import { dirname } from "node:path";
import { StoreError } from "../errors.ts";
import { fileErrorCode, isAbsent, NO_SPACE_HINT } from "./file-errors.ts";
import type { DiskSpace, FileSystem } from "./file-system.ts";

/** Writing less is over before a question would pay: it fails by itself if there is no room. */
const ASKED_FROM_BYTES: number = 64 * 1024;

/** The room that is left for a folder that need not be there yet, or null where that cannot be told. */
async function freeSpaceOf(files: FileSystem, folder: string): Promise<DiskSpace | null> {
  try {
    return await files.freeSpace(folder);
  } catch (error) {
    const parent = dirname(folder);
    if (isAbsent(error) && parent !== folder) return freeSpaceOf(files, parent);
    // Not every file system answers, and nothing depends on it.
    if (fileErrorCode(error) === undefined) throw error;
    return null;
  }
}

/**
 * Makes sure that an object of that size can fit, so that a disk is not filled by what cannot be finished.
 *
 * @throws StoreError of kind `no-space`
 */
export async function assertRoomFor(
  files: FileSystem,
  folder: string,
  name: string,
  sizeBytes: number,
  what: string,
): Promise<void> {
  if (sizeBytes < ASKED_FROM_BYTES) return;
  const space = await freeSpaceOf(files, folder);
  if (space === null || space.freeBytes >= sizeBytes) return;
  throw new StoreError("no-space", "put", name, `${what}: ${describeSpace(space)}`, {
    hint: NO_SPACE_HINT,
    neededBytes: sizeBytes,
    freeBytes: space.freeBytes,
  });
}

/**
 * Adds to a failure for want of room how much was needed and how much there is. Any other error passes.
 *
 * @param neededBytes - null where that is not known beforehand
 */
export async function withSpace(
  error: unknown,
  files: FileSystem,
  folder: string,
  neededBytes: number | null,
): Promise<unknown> {
  if (!(error instanceof StoreError) || error.kind !== "no-space" || error.freeBytes !== null) return error;
  const space = await freeSpaceOf(files, folder);
  const { operation, objectName, detail, hint, cause } = error;
  const text = space === null ? detail : `${detail}: ${describeSpace(space)}`;
  const freeBytes = space?.freeBytes ?? null;
  return new StoreError("no-space", operation, objectName, text, { hint, cause, neededBytes, freeBytes });
}

function describeSpace({ freeBytes, freeFiles }: DiskSpace): string {
  return freeFiles === null ? `${freeBytes} bytes are free` : `${freeBytes} bytes and ${freeFiles} inodes are free`;
}
