import type { ObjectClient } from "../../../store/object-client.ts";

export interface FileContent {
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** Tells whether an object has exactly this content, as far as its size and the checksum in its metadata say. */
export async function isStored(
  client: ObjectClient,
  key: string,
  content: FileContent,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const head = await client.head(key, { signal });
  return head?.sizeBytes === content.sizeBytes && head.metadata?.sha256 === content.sha256;
}
