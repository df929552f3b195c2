import { StoreError, type StoreErrorKind } from "../index.ts";

const kinds: Readonly<Record<string, StoreErrorKind>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "too-large",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EEXIST: "exists",
};

const hints: Readonly<Record<string, string>> = {
  ENOSPC: "Free some space there, or name a file on another disk; the same command goes on.",
  EACCES: "Give the process the right to that file and its folder, or name another.",
  EROFS: "The file system is mounted read-only: name a file elsewhere.",
  ENOENT: "There is no such file or folder: check the name; a folder is not made.",
  EISDIR: "That is a folder: name a file.",
  ENOTDIR: "A part of the path is a file: check the name.",
};

/** The code of an error of Node's file functions; undefined for any other. */
export function fileErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined;
  return (error as NodeJS.ErrnoException).code;
}

/**
 * Runs what reads or writes a file that a person named; what the system refuses is told as a StoreError of that path.
 *
 * @param operation - "read" or "write"
 */
export async function withFileErrors<Result>(
  operation: "read" | "write",
  path: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const code = fileErrorCode(error);
    if (code === undefined) throw error;
    throw new StoreError(kinds[code] ?? "io", operation, path, (error as Error).message, {
      ...{ cause: error, hint: hints[code] },
    });
  }
}
