import { isAbsolute, relative, sep } from "node:path";
import { StoreError } from "../../../errors.ts";
import { orNull } from "../../../store/file-errors.ts";
import type { FileSystem } from "../../../store/file-system.ts";
import { unreadable } from "./folder-walk.ts";

/**
 * The path, below a folder that is uploaded, of the folder that stands for the bucket; null if that lies elsewhere. With
 * it each upload would put all earlier ones one level deeper.
 *
 * @throws StoreError of kind `unsupported` if the two are the same folder
 */
export async function bucketBelow(files: FileSystem, folder: string, bucket: string): Promise<string | null> {
  const [from, to] = [await realPath(files, folder), await realPath(files, bucket)];
  if (from === null || to === null) return null;
  const path = relative(from, to);
  if (path === "") {
    throw new StoreError("unsupported", "upload", folder, "it is the folder that stands for the bucket", {
      hint: "Upload another folder, or name one outside of it as `bucket`.",
    });
  }
  const parts = path.split(sep);
  return isAbsolute(path) || parts[0] === ".." ? null : parts.join("/");
}

async function realPath(files: FileSystem, path: string): Promise<string | null> {
  try {
    return await orNull(files.realPath(path));
  } catch (error) {
    throw unreadable(error, path);
  }
}
