import { InvalidArgumentError } from "../errors.ts";

/** Longest name in characters: S3 and GCS allow 1,024 bytes, and the run's own prefix has to fit too. */
const MAX_NAME_LENGTH = 900;

/** Longest part of a name: file systems allow 255 bytes. */
const MAX_PART_LENGTH = 200;

/** Files of this prefix are unfinished `put`s of the local store; no object can have such a name. */
export const TEMPORARY_PREFIX = ".tmp-";

const PART = /^[A-Za-z0-9._-]+$/;
const PREFIX_TAIL = /^[A-Za-z0-9._-]*$/;

/** Tells whether a text can be one part of an object's name: a file name that means the same on every system. */
function isNamePart(part: string): boolean {
  return (
    PART.test(part) &&
    part.length <= MAX_PART_LENGTH &&
    // "." and ".." would walk; Windows drops a dot at the end of a name, so that two names would be one file.
    !part.endsWith(".") &&
    !part.startsWith(TEMPORARY_PREFIX)
  );
}

/** Tells whether a text is an object's name: relative, of parts `[A-Za-z0-9._-]` separated by single slashes. */
export function isObjectName(name: unknown): name is string {
  return typeof name === "string" && name.length <= MAX_NAME_LENGTH && name.split("/").every(isNamePart);
}

/**
 * Refuses any name that could lead out of the run or mean two things.
 *
 * @throws InvalidArgumentError
 */
export function assertObjectName(name: unknown): asserts name is string {
  if (isObjectName(name)) return;
  throw new InvalidArgumentError("name", "a relative object name of [A-Za-z0-9._-] parts separated by /", name);
}

/**
 * Refuses any listing prefix that no object's name could start with.
 *
 * @throws InvalidArgumentError
 */
export function assertPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix === "string" && prefix.length <= MAX_NAME_LENGTH) {
    const folders = prefix.split("/");
    // What was split has a part at least.
    const tail = folders.pop() as string;
    if (PREFIX_TAIL.test(tail) && folders.every(isNamePart)) return;
  }
  throw new InvalidArgumentError("prefix", "the beginning of a relative object name, or empty", prefix);
}

/** Orders names by UTF-16 code units, as every listing must. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What names a folder of objects takes, and their order in listings. */
export interface NameRules {
  /** @throws InvalidArgumentError */
  readonly assertName: (name: unknown) => void;
  /** @throws InvalidArgumentError */
  readonly assertPrefix: (prefix: unknown) => void;
  /** Tells whether a file or folder of that name is an object or holds some; all others are left alone. */
  readonly isPart: (part: string) => boolean;
  readonly compare: (a: string, b: string) => number;
}

/** Those of a run. */
export const RUN_NAMES: NameRules = {
  assertName: assertObjectName,
  assertPrefix,
  isPart: isNamePart,
  compare: compareNames,
};
