import { basename, isAbsolute, normalize, sep } from "node:path";
import { InvalidArgumentError } from "../../errors.ts";
import { assertObjectKey } from "../../store/folder/object-key.ts";

/**
 * The cloud path that a local path has by default: the same one, below the project. Of one that is absolute, or leads
 * out of the current folder, only the last part: nobody means `home/me` in the cloud.
 *
 * @throws InvalidArgumentError
 */
export function cloudPathFor(project: string, localPath: string): string {
  const cleaned = normalize(localPath).split(sep).join("/").replace(/\/+$/, "");
  const leadsOut = isAbsolute(localPath) || cleaned.startsWith("../");
  const relative = leadsOut ? basename(cleaned) : cleaned;
  if (relative === "" || relative === "." || relative === "..") {
    throw new InvalidArgumentError("cloudPath", `given, as "${localPath}" has no name of its own`, undefined);
  }
  return joinCloudPath(project, relative);
}

/** Joins the parts that are not empty. @throws InvalidArgumentError if that leads out of the bucket */
export function joinCloudPath(...parts: readonly string[]): string {
  const path = parts.filter((part) => part !== "").join("/");
  assertObjectKey("cloudPath", path);
  return path;
}

/** A folder in the cloud, with or without a `/` at its end; empty is the bucket itself. @throws InvalidArgumentError */
export function cloudPrefix(argument: string, prefix: unknown): string {
  if (prefix === "" || prefix === "/") return "";
  const cleaned = typeof prefix === "string" ? prefix.replace(/\/$/, "") : prefix;
  assertObjectKey(argument, cleaned);
  return `${cleaned}/`;
}
