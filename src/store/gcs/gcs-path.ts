import { InvalidArgumentError } from "../../errors.ts";

/** Bytes of UTF-8 that a name may have. */
const MAX_KEY_BYTES = 1024;

/** A bucket's own path; objects and uploads are below it. */
export interface BucketPaths {
  /** To list. */
  list(query: Readonly<Record<string, string>>): string;
  /**
   * @throws InvalidArgumentError for a key that the service does not take
   */
  object(key: string, query: Readonly<Record<string, string>>): string;
  upload(query: Readonly<Record<string, string>>): string;
}

export function bucketPaths(bucket: string): BucketPaths {
  const objects = `/storage/v1/b/${encodeURIComponent(bucket)}/o`;
  // A plus that means a space is of HTML forms.
  const withQuery = (path: string, query: Readonly<Record<string, string>>): string =>
    `${path}?${new URLSearchParams(query).toString().replaceAll("+", "%20")}`;
  return {
    list: (query) => withQuery(objects, query),
    object: (key, query) => withQuery(`${objects}/${encodeURIComponent(assertKey(key))}`, query),
    upload: (query) => withQuery(`/upload${objects}`, query),
  };
}

/** A path that ends with `/o/..` would be the bucket's own, and to delete it would be to delete the bucket. */
export function assertKey(key: string): string {
  const isTaken =
    key !== "" &&
    key !== "." &&
    key !== ".." &&
    !/[\r\n]/.test(key) &&
    key.isWellFormed() &&
    Buffer.byteLength(key) <= MAX_KEY_BYTES;
  if (isTaken) return key;
  const expected = `1..${MAX_KEY_BYTES} bytes of UTF-8 without line breaks, and neither . nor .., as GCS takes names`;
  throw new InvalidArgumentError("key", expected, key);
}
