import type { ObjectMetadata } from "../object-client.ts";

/** `x-amz-meta-varve-sha256` on the wire. */
const SHA256_NAME = "varve-sha256";

export function toUserMetadata({ sha256 }: ObjectMetadata): Record<string, string> {
  return { [SHA256_NAME]: sha256 };
}

/** Null for an object that somebody else wrote. */
export function fromUserMetadata(found: Readonly<Record<string, string>> | undefined): ObjectMetadata | null {
  const sha256 = found?.[SHA256_NAME];
  return sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : null;
}
