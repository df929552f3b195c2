import { fileURLToPath } from "node:url";
import { withoutSecrets } from "../base/without-secrets.ts";
import { InvalidArgumentError } from "../errors.ts";
import { createLocalStore } from "./local.ts";
import { openMemoryStore } from "./memory.ts";
import { isObjectName } from "./object-name.ts";
import { openObjectStore } from "./open-objects.ts";
import type { Store } from "./store.ts";

/** Settings that an adapter understands; those of others are ignored. Structured-cloneable. */
export type OpenStoreOptions = Readonly<Record<string, unknown>>;

/** Opens stores of one scheme. What only that scheme needs (an SDK) is imported when it is called. */
type StoreOpener = (url: string, options: OpenStoreOptions) => Promise<Store>;

const OPENERS: Readonly<Record<string, StoreOpener>> = {
  file: async (url) => createLocalStore(filePathOf(url)),
  memory: async (url) => openMemoryStore(memoryNameOf(url)),
  gs: openCloud,
  s3: openCloud,
  az: openCloud,
};

/**
 * Opens the store that a URL names; nothing is read or written yet.
 *
 * @param url - `./folder`, an absolute path, `file:///folder`, `memory://name`, `gs://bucket/prefix`, `s3://bucket/prefix`
 *   or `az://account/container/prefix`; it names exactly one run
 * @throws InvalidArgumentError for a text that is no store URL; StoreError of kind `unsupported` for a cloud
 *   whose SDK is not installed
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  if (typeof url !== "string" || url === "" || url.includes("\0")) {
    throw new InvalidArgumentError(
      "store",
      "a folder or a store URL",
      typeof url === "string" ? withoutSecrets(url) : url,
    );
  }
  // One letter before the colon is a drive of Windows.
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(url)?.[1];
  if (scheme === undefined) return createLocalStore(url);
  const opener = Object.hasOwn(OPENERS, scheme) ? OPENERS[scheme] : undefined;
  if (opener !== undefined && url.startsWith(`${scheme}://`)) return opener(url, options);
  // A folder may well have a colon in its name; a URL with a scheme nobody knows must not become a folder.
  if (opener === undefined && !url.startsWith(`${scheme}://`)) return createLocalStore(url);
  const known = Object.keys(OPENERS).map((name) => `${name}://`);
  throw new InvalidArgumentError(
    "store",
    `a folder or a URL that starts with ${known.join(", ")}`,
    withoutSecrets(url),
  );
}

export const isFileUrl = (url: string): boolean => url.startsWith("file://");

/** @throws InvalidArgumentError unless it is `file:///folder` */
export function filePathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    // Not as the cause: Node's error carries the whole URL.
    const why = `file:///folder with an absolute path and no host (${(error as NodeJS.ErrnoException).code})`;
    throw new InvalidArgumentError("store", why, withoutSecrets(url));
  }
}

function memoryNameOf(url: string): string {
  const name = url.slice("memory://".length);
  if (!isObjectName(name))
    throw new InvalidArgumentError("store", "memory://name, the name of [A-Za-z0-9._-]", withoutSecrets(url));
  return name;
}

async function openCloud(url: string, options: OpenStoreOptions): Promise<Store> {
  return openObjectStore(url, options);
}
