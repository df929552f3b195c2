import { matchesGlob } from "node:path";
import { InvalidArgumentError } from "../../../errors.ts";

/** Tells whether a file or folder below the uploaded one is left out. */
export type Excludes = (name: string, path: string, isFolder: boolean) => boolean;

/** Stands for a dot at the beginning of a name, which Node's `*` does not match and everyone's exclude patterns mean. */
const HIDDEN = "\u0001";

/** What is opened by `[` or `{` and never closed matches nothing, which nobody means. */
function isClosed(pattern: string): boolean {
  const rest = pattern.replace(/\\./g, "").replace(/\[!?\]?[^\]]*\]/g, "");
  let depth = 0;
  for (const character of rest) {
    if (character === "[") return false;
    if (character === "{") depth++;
    if (character === "}" && depth > 0) depth--;
  }
  return depth === 0;
}

/**
 * Patterns as in rsync and shutil: `*`, `?`, `[a-z]`, `{a,b}`, `**`, matched against the name and against the path
 * below the folder; with a `/` at the end only folders match. What starts with a dot is matched like all else.
 *
 * @throws InvalidArgumentError
 */
export function excludePatterns(patterns: readonly string[]): Excludes {
  const globs = patterns.map((pattern) => {
    if (typeof pattern !== "string" || pattern.replace(/\/+$/, "") === "" || !isClosed(pattern)) {
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
