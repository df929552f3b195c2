import { join } from "node:path";
import type { Clock } from "../../../base/clock.ts";
import { ignoreFileError, orNull, translateFileError } from "../../../store/file-errors.ts";
import type { FileSystem } from "../../../store/file-system.ts";
import type { TemporaryNames } from "../../../store/temporary-name.ts";

/** As long as an upload that broke off may be gone on with. */
const FOREIGN_AGE_MS: number = 7 * 24 * 60 * 60 * 1000;

/**
 * Removes what processes that were killed have left in a folder: unfinished files, and the second names by which a buffer
 * is uploaded while a later save takes its own name. Never a file of a process that lives, however old it is: an upload
 * may be paused for days. Whether one of another machine or container lives cannot be asked; its files stay for a week.
 *
 * @returns how many were removed
 */
export async function removeLeftoverFiles(
  { files, names, clock }: { readonly files: FileSystem; readonly names: TemporaryNames; readonly clock: Clock },
  folder: string,
): Promise<number> {
  let removed = 0;
  try {
    for (const { name, kind } of (await orNull(files.readFolder(folder))) ?? []) {
      const path = join(folder, name);
      if (kind !== "file" || !(names.isAbandoned(name, 0) || (await isOldAndForeign(path, name)))) continue;
      await ignoreFileError(files.unlink(path));
      removed++;
    }
  } catch (error) {
    throw translateFileError(error, "list", folder, `reading ${folder}`);
  }
  return removed;

  async function isOldAndForeign(path: string, name: string): Promise<boolean> {
    if (!names.isForeign(name)) return false;
    const info = await orNull(files.info(path));
    return info !== null && clock.now() - info.modifiedAtMs > FOREIGN_AGE_MS;
  }
}
