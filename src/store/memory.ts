import { type Clock, systemClock } from "../base/clock.ts";
import { assertObjectName, assertPrefix, compareNames } from "./object-name.ts";
import { clipRange, throwIfAborted } from "./request.ts";
import type { ByteRange, ObjectInfo, PutOptions, RequestOptions, Store, StoreTraits } from "./store.ts";

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly modifiedAtMs: number;
}

class MemoryStore implements Store {
  readonly url: string;
  readonly traits: StoreTraits = { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true };
  readonly #clock: Clock;
  readonly #objects: Map<string, MemoryObject> = new Map();

  constructor(url: string, clock: Clock) {
    this.url = url;
    this.#clock = clock;
  }

  // Every answer comes a turn later, as from any real store: what works here must not rest on being synchronous.

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    assertObjectName(name);
    await this.#turn(options.signal, "put", name);
    if (options.ifAbsent && this.#objects.has(name)) return false;
    this.#objects.set(name, { bytes: new Uint8Array(bytes), modifiedAtMs: this.#clock.now() });
    return true;
  }

  async get(
    name: string,
    options: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    assertObjectName(name);
    clipRange(options.range, 0);
    await this.#turn(options.signal, "get", name);
    const object = this.#objects.get(name);
    if (object === undefined) return null;
    const { offset, length } = clipRange(options.range, object.bytes.length);
    return object.bytes.slice(offset, offset + length);
  }

  async head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    assertObjectName(name);
    await this.#turn(options.signal, "head", name);
    return this.#info(name);
  }

  async *list(prefix: string, options: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    await this.#turn(options.signal, "list", prefix);
    const names = [...this.#objects.keys()].filter((name) => name.startsWith(prefix)).sort(compareNames);
    for (const name of names) {
      throwIfAborted(options.signal, "list", prefix);
      const info = this.#info(name);
      if (info !== null) yield info;
    }
  }

  async delete(name: string, options: RequestOptions = {}): Promise<void> {
    assertObjectName(name);
    await this.#turn(options.signal, "delete", name);
    this.#objects.delete(name);
  }

  async #turn(signal: AbortSignal | undefined, operation: string, name: string): Promise<void> {
    throwIfAborted(signal, operation, name);
    await Promise.resolve();
    throwIfAborted(signal, operation, name);
  }

  #info(name: string): ObjectInfo | null {
    const object = this.#objects.get(name);
    if (object === undefined) return null;
    return { name, sizeBytes: object.bytes.length, modifiedAtMs: object.modifiedAtMs };
  }
}

export interface MemoryStoreOptions {
  readonly url?: string | undefined;
  readonly clock?: Clock | undefined;
}

/** Makes an empty store in the memory of this thread. It has no `location`: no other thread can open it. */
export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  return new MemoryStore(options.url ?? "memory://unnamed", options.clock ?? systemClock);
}

const namedStores: Map<string, Store> = new Map();

/** Returns the one store of that name in this thread, empty at first; it lives as long as the thread. */
export function openMemoryStore(name: string): Store {
  let store = namedStores.get(name);
  if (store === undefined) {
    store = createMemoryStore({ url: `memory://${name}` });
    namedStores.set(name, store);
  }
  return store;
}
