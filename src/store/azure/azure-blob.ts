import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { InvalidArgumentError } from "../../errors.ts";

/**
 * The SDK's client of one blob. Sends nothing.
 *
 * @throws InvalidArgumentError for a key with a backslash: it would become another key
 */
export function blobOf(container: ContainerClient, key: string): BlockBlobClient {
  if (key.includes("\\")) throw new InvalidArgumentError("key", "a name without \\, which Azure takes for /", key);
  return container.getBlockBlobClient(key);
}
