import type { ObjectMetadata } from "../object-client.ts";

/** Names of metadata are identifiers of C# at Azure: no dash. They come back in lower case. */
const SHA256_NAME = "varvesha256";

export function toBlobMetadata({ sha256 }: ObjectMetadata): Record<string, string> {
  return { [SHA256_NAME]: sha256 };
}

/** Null for a blob that somebody else wrote. */
export function fromBlobMetadata(found: Readonly<Record<string, string>> | undefined): ObjectMetadata | null {
  const sha256 = found?.[SHA256_NAME];
  return sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : null;
}
