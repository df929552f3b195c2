import { isVarveError, StoreError } from "../errors.ts";
import type { RequestOptions, Store } from "../store/store.ts";

/** `own`: it holds what we meant to write; otherwise the bytes that were there before us. */
export type CreateOutcome = { readonly own: true } | { readonly own: false; readonly found: Uint8Array };

/**
 * Creates an object that must not exist yet, although answers may be lost: the store answers "exists" to a repeated
 * request of our own too, so that only what is read back tells whose it is.
 *
 * A failure that may pass is repeated once, and not read back instead: that an object can be read proves nothing
 * about its durability, while the answer "exists" does (guarantee 4 of the store).
 *
 * @param isOwn - whether bytes read back are what this writer wrote
 */
export async function createOwn(
  store: Store,
  name: string,
  bytes: Uint8Array,
  isOwn: (found: Uint8Array) => boolean,
  options: RequestOptions = {},
): Promise<CreateOutcome> {
  if (await putTwice(store, name, bytes, options)) return { own: true };
  const found = await store.get(name, options);
  if (found === null) {
    throw new StoreError("io", "create", name, "the store says that it exists, and that it does not");
  }
  return isOwn(found) ? { own: true } : { own: false, found };
}

async function putTwice(store: Store, name: string, bytes: Uint8Array, options: RequestOptions): Promise<boolean> {
  try {
    return await store.put(name, bytes, { ...options, ifAbsent: true });
  } catch (error) {
    const mayPass = isVarveError(error, "VARVE_STORE") && (error as StoreError).retryable;
    if (!mayPass || store.traits.retriesItself) throw error;
    return store.put(name, bytes, { ...options, ifAbsent: true });
  }
}
