import { matchesGlob } from "node:path";
import { InvalidArgumentError } from "../../../errors.ts";

/** Tells whether a file or folder below the uploaded one is left out. */
export type Excludes = (name: string, path: string, isFolder: boolean) => boolean;

/** Stands for a dot at the beginning of a name, which Node's `*` does not match and everyone's exclude patterns mean. */
const HIDDEN = "\u0001";

/**
 * Patterns as in rsync and shutil: `*`, `?`, `[a-z]`, `{a,b}`, `**`, matched against the name and against the path
 * below the folder; with a `/` at the end only folders match. What starts with a dot is matched like all else.
 *
 * @throws InvalidArgumentError
 */
export function excludePatterns(patterns: readonly string[]): Excludes {
  const globs = patterns.map((pattern) => {
    if (typeof pattern !== "string" || pattern.replace(/\/+$/, "") === "") {
      throw new InvalidArgumentError("exclude", "a list of patterns such as replay_buffer*", pattern);
    }
    const glob = pattern.replace(/\/+$/, "").replace(/(^|[/{,(|])\./g, `$1${HIDDEN}`);
    return { glob, foldersOnly: pattern.endsWith("/") };
  });
  return (name, path, isFolder) => {
    const shown = [name, path].map((text) => text.replace(/(^|\/)\./g, `$1${HIDDEN}`));
    return globs.some(
      ({ glob, foldersOnly }) => (isFolder || !foldersOnly) && shown.some((text) => matchesGlob(text, glob)),
    );
  };
}
