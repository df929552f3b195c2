import { raceAbort } from "../base/abort.ts";
import { type IdSource, randomId } from "../base/ids.ts";
import { StoreError } from "../errors.ts";
import { honoursCreate, ignoresCreateError } from "./conditional-create.ts";
import type { ObjectClient } from "./object-client.ts";
import { assertObjectName, assertPrefix } from "./object-name.ts";
import { clipRange, throwIfAborted } from "./request.ts";
import type { ByteRange, ObjectInfo, PutOptions, RequestOptions, Store, StoreLocation, StoreTraits } from "./store.ts";

export interface ObjectStoreOptions {
  /** Makes the client; called once, at the first request or in `prepare()`: opening a store loads no SDK. */
  readonly connect: () => Promise<ObjectClient>;
  readonly url: string;
  /** Empty, or it ends with `/`. */
  readonly prefix: string;
  readonly traits: StoreTraits;
  readonly location: StoreLocation;
  readonly newId?: IdSource | undefined;
}

/** A run below a prefix of a bucket. */
export class ObjectStore implements Store {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly #location: StoreLocation;
  readonly #prefix: string;
  readonly #connect: () => Promise<ObjectClient>;
  readonly #newId: IdSource;
  #client: Promise<ObjectClient> | null = null;
  #connected: ObjectClient | null = null;
  /** Whether create-if-absent is honoured, once that was tried. */
  #honoursCreate: Promise<boolean> | null = null;

  constructor({ connect, url, prefix, traits, location, newId = randomId }: ObjectStoreOptions) {
    this.url = url;
    this.traits = traits;
    this.#location = location;
    this.#prefix = prefix;
    this.#connect = connect;
    this.#newId = newId;
  }

  /** Its options may hold a connection string: behind a getter, printing the store does not show it. */
  get location(): StoreLocation {
    return this.#location;
  }

  async put(
    name: string,
    bytes: Uint8Array,
    { ifAbsent, sha256, signal, onExtraRequest, onSent }: PutOptions = {},
  ): Promise<boolean> {
    assertObjectName(name);
    throwIfAborted(signal, "put", name);
    const client = await this.#open();
    const key = this.#prefix + name;
    if (ifAbsent !== true) return client.put(key, bytes, { sha256, signal, onSent });
    if (this.traits.conditionalCreate) {
      await this.#assertHonoursCreate(client, key, { signal, onExtraRequest });
      return client.put(key, bytes, { ifAbsent, sha256, signal, onSent });
    }
    // Nobody else writes here, as whoever opened it has said.
    onExtraRequest?.("head", 0);
    const isAbsent = (await client.head(key, { signal, onExtraRequest })) === null;
    return isAbsent && client.put(key, bytes, { sha256, signal, onSent });
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

  async head(name: string, { signal, onExtraRequest }: RequestOptions = {}): Promise<ObjectInfo | null> {
    assertObjectName(name);
    throwIfAborted(signal, "head", name);
    const head = await (await this.#open()).head(this.#prefix + name, { signal, onExtraRequest });
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

  /** Loads the SDK before the first request. What fails of it, that will tell: nothing is remembered. */
  async prepare(): Promise<void> {
    await this.#open().catch(() => undefined);
  }

  movedBytes(): number {
    return this.#connected?.movedBytes?.() ?? 0;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client !== null) await (await client).close();
  }

  /** Before the first create of all: what is written unprotected cannot be taken back. */
  async #assertHonoursCreate(
    client: ObjectClient,
    key: string,
    { signal, onExtraRequest }: RequestOptions,
  ): Promise<void> {
    // Others wait for the same trial: its requests count once, and its end is not in the hands of one of them.
    const tried = (this.#honoursCreate ??= honoursCreate(client, this.#prefix, this.#newId, { onExtraRequest }));
    let isHonoured: boolean;
    try {
      isHonoured = await (signal === undefined ? tried : raceAbort(tried, signal));
    } catch (error) {
      // No answer is no verdict: the next create tries again.
      this.#honoursCreate = null;
      if (signal?.aborted) throw new StoreError("aborted", "put", key, "the request was cancelled");
      throw error;
    }
    if (!isHonoured) throw ignoresCreateError(this.url, key);
  }

  async #open(): Promise<ObjectClient> {
    const client = (this.#client ??= this.#connect());
    try {
      return (this.#connected = await client);
    } catch (error) {
      // A failure is not remembered: the next request tries again.
      this.#client = null;
      throw error;
    }
  }
}
