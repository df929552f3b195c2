import { StoreError, type StoreErrorKind } from "../errors.ts";

/** Kinds by the operating system's code. What is not here becomes `io`, not retryable. */
const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "too-large",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
  EMFILE: "busy",
  ENFILE: "busy",
  ENOMEM: "busy",
  EBUSY: "busy",
  EAGAIN: "busy",
  EIO: "io",
  ESTALE: "io",
  // A folder or an unfinished file went away under a write; a second try makes both anew.
  ENOENT: "io",
  ETIMEDOUT: "timeout",
  ENOTDIR: "unsupported",
  EISDIR: "unsupported",
  ELOOP: "unsupported",
  ENAMETOOLONG: "unsupported",
};

export const NO_SPACE_HINT =
  "Free some space, or inodes (df -h, df -i), or prune old checkpoints; the next save tries again.";

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: NO_SPACE_HINT,
  EDQUOT: "The disk quota is used up: free some space or prune old checkpoints; the next save tries again.",
  EACCES: "Give the process the right to read and write this folder.",
  EPERM: "Give the process the right to read and write this folder.",
  ENOENT: "The folder was removed, or cannot be made there: name one on a disk that can be written to.",
  EROFS: "The file system is mounted read-only.",
  EMFILE: "The process has too many files open (ulimit -n).",
  ENFILE: "The machine has too many files open.",
  ENOTDIR: "On local disk a name cannot be both an object and the folder of others.",
  EISDIR: "On local disk a name cannot be both an object and the folder of others.",
  ELOOP: "Symbolic links are refused inside a run: give the real path.",
};

/** The operating system's code of a failed file operation ("ENOENT"), or undefined for any other error. */
export function fileErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** True if the path, or a folder on the way to it, does not exist. */
export function isAbsent(error: unknown): boolean {
  const code = fileErrorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Resolves to null where the path does not exist. */
export async function orNull<Result>(pending: Promise<Result>): Promise<Result | null> {
  try {
    return await pending;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** Waits for a clean-up whose failure changes nothing: what it leaves behind is harmless. */
export async function ignoreFileError(pending: Promise<void>): Promise<void> {
  try {
    await pending;
  } catch (error) {
    if (fileErrorCode(error) === undefined) throw error;
  }
}

/**
 * Translates a failure of the file system into the one error that callers of a store see.
 *
 * @param context - what was being done, and to what, for people to read
 */
export function translateFileError(error: unknown, operation: string, name: string, context: string): unknown {
  const code = fileErrorCode(error);
  // Our own errors pass, and so do mistakes in the program: hiding those as a disk failure would have them retried.
  if (code === undefined) return error;
  const kind = KINDS[code];
  return new StoreError(kind ?? "io", operation, name, `${code}: ${context}`, {
    cause: error,
    hint: HINTS[code],
    retryable: kind === undefined ? false : undefined,
  });
}
