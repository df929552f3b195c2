import { StoreError } from "../../errors.ts";
import type { S3Request } from "./s3-requests.ts";

/**
 * Tells whether more pages follow.
 *
 * @param next - where the next page begins, as the service says
 * @throws StoreError of kind `network` for what is no page: nothing listed must not pass for nothing there
 */
export function isLastPage(
  { IsTruncated }: { readonly IsTruncated?: boolean | undefined },
  next: string | undefined,
  { operation, key }: S3Request,
): boolean {
  if (IsTruncated === undefined) throw new StoreError("network", operation, key, "the answer is no listing of S3");
  if (IsTruncated && (next === undefined || next === "")) {
    throw new StoreError("unsupported", operation, key, "the server lists a part and does not say how to go on");
  }
  return !IsTruncated;
}

/** XML cannot hold every name: listings are asked for in the encoding of forms. Some servers do not know that. */
export function decodeName(name: string, encodingType: string | undefined): string {
  return encodingType === "url" ? decodeURIComponent(name.replaceAll("+", "%20")) : name;
}
