import type { ObjectClient } from "./object-client.ts";
import { assertObjectName, assertPrefix } from "./object-name.ts";
import { clipRange, throwIfAborted } from "./request.ts";
import type { ByteRange, ObjectInfo, RequestOptions, Store, StoreLocation, StoreTraits } from "./store.ts";

export interface ObjectStoreOptions {
  /** Makes the client; called once, at the first request: opening a store loads no SDK. */
  readonly connect: () => Promise<ObjectClient>;
  readonly url: string;
  /** Empty, or it ends with `/`. */
  readonly prefix: string;
  readonly traits: StoreTraits;
  readonly location: StoreLocation;
}

/** A run below a prefix of a bucket. */
export class ObjectStore implements Store {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly #location: StoreLocation;
  readonly #prefix: string;
  readonly #connect: () => Promise<ObjectClient>;
  #client: Promise<ObjectClient> | null = null;

  constructor({ connect, url, prefix, traits, location }: ObjectStoreOptions) {
    this.url = url;
    this.traits = traits;
    this.#location = location;
    this.#prefix = prefix;
    this.#connect = connect;
  }

  /** Its options may hold a connection string: behind a getter, printing the store does not show it. */
  get location(): StoreLocation {
    return this.#location;
  }

  async put(
    name: string,
    bytes: Uint8Array,
    { ifAbsent, signal }: RequestOptions & { readonly ifAbsent?: boolean | undefined } = {},
  ): Promise<boolean> {
    assertObjectName(name);
    throwIfAborted(signal, "put", name);
    return (await this.#open()).put(this.#prefix + name, bytes, { ifAbsent, signal });
  }

  async get(
    name: string,
    { range, signal }: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    assertObjectName(name);
    clipRange(range, 0);
    throwIfAborted(signal, "get", name);
    return (await this.#open()).get(this.#prefix + name, { range, signal });
  }

  async head(name: string, { signal }: RequestOptions = {}): Promise<ObjectInfo | null> {
    assertObjectName(name);
    throwIfAborted(signal, "head", name);
    const head = await (await this.#open()).head(this.#prefix + name, { signal });
    return head === null ? null : { name, sizeBytes: head.sizeBytes, modifiedAtMs: head.modifiedAtMs };
  }

  /** Objects of a run have names of ASCII: the provider's order by UTF-8 bytes is the order by code units. */
  async *list(prefix: string, { signal }: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    throwIfAborted(signal, "list", prefix);
    const client = await this.#open();
    for await (const { key, sizeBytes, modifiedAtMs } of client.list(this.#prefix + prefix, { signal })) {
      throwIfAborted(signal, "list", prefix);
      yield { name: key.slice(this.#prefix.length), sizeBytes, modifiedAtMs };
    }
  }

  async delete(name: string, { signal }: RequestOptions = {}): Promise<void> {
    assertObjectName(name);
    throwIfAborted(signal, "delete", name);
    await (await this.#open()).delete(this.#prefix + name, { signal });
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client !== null) await (await client).close();
  }

  async #open(): Promise<ObjectClient> {
    const client = (this.#client ??= this.#connect());
    try {
      return await client;
    } catch (error) {
      // A failure is not remembered: the next request tries again.
      this.#client = null;
      throw error;
    }
  }
}
