import { InvalidArgumentError } from "../../errors.ts";
import { type NameRules, TEMPORARY_PREFIX } from "../object-name.ts";

/** S3 and GCS allow 1,024 bytes, Azure 1,024 characters. */
const MAX_KEY_BYTES = 1024;

/** Neither empty nor walking; without control characters, and without `\`, by which Windows walks. */
// oxlint-disable-next-line no-control-regex -- those are the ones to refuse
const PART = /^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f]+$/;

/** The folder, beside the objects, of uploads that are under way. */
export const UPLOADS_FOLDER = ".varve-uploads";

/** Tells whether `assertObjectKey` takes it. */
export function isObjectKey(key: unknown): key is string {
  return (
    typeof key === "string" &&
    Buffer.byteLength(key) <= MAX_KEY_BYTES &&
    key.isWellFormed() &&
    key.split("/").every((part) => PART.test(part))
  );
}

/**
 * Refuses a key that could lead out of the folder that it is joined to: absolute, empty or walking parts, backslashes,
 * control characters. Spaces, `=` and letters of any script are well.
 *
 * @throws InvalidArgumentError
 */
export function assertObjectKey(argument: string, key: unknown): asserts key is string {
  if (isObjectKey(key)) return;
  throw new InvalidArgumentError(argument, "a relative path of parts separated by /, without . and ..", key);
}

/** What a key's part is called that only this folder's own bookkeeping may have. */
function isOwn(part: string): boolean {
  return part === UPLOADS_FOLDER || part.startsWith(TEMPORARY_PREFIX);
}

/** Those of a folder that stands for a bucket. */
export const KEY_NAMES: NameRules = {
  assertName(key) {
    assertObjectKey("key", key);
    if (!key.split("/").some(isOwn)) return;
    throw new InvalidArgumentError("key", `a path without ${UPLOADS_FOLDER} and ${TEMPORARY_PREFIX}…`, key);
  },
  assertPrefix(prefix) {
    // The last part may be the beginning of a name, dots and all, or nothing.
    if (typeof prefix === "string" && (prefix === "" || isObjectKey(`${prefix}x`))) return;
    throw new InvalidArgumentError("prefix", "the beginning of a relative path, or empty", prefix);
  },
  /** Also names that no upload makes: who lists is told of them, and can say so. */
  isPart: (part) => !isOwn(part),
  /** By UTF-8 bytes, as the clouds list. */
  compare: (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
};
