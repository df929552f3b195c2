/** Facts about a store that decide what may be relied on. */
export interface StoreTraits {
  /** `ifAbsent` is honoured: of several writers exactly one wins. */
  readonly conditionalCreate: boolean;
  /** What was written is seen by the next get, head and list, from everywhere. */
  readonly stronglyConsistent: boolean;
  /**
   * Whatever can be seen would survive a loss of power, whoever wrote it: so it is in object stores. On local disk a
   * name may be seen before its bytes are synced. False if absent.
   */
  readonly visibleIsDurable?: boolean | undefined;
  /** Its requests are tried again by itself: whoever calls repeats none of them, or the tries multiply. */
  readonly retriesItself?: boolean | undefined;
}

/** How another thread can open the same store. Structured-cloneable. */
export interface StoreLocation {
  readonly url: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ObjectInfo {
  readonly name: string;
  readonly sizeBytes: number;
  /** By the store's own clock, milliseconds since 1970; null where the store does not tell. */
  readonly modifiedAtMs: number | null;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of each request that the store makes besides the one asked for, and of the bytes of its content: it costs as much. */
  readonly onExtraRequest?: ((verb: "put" | "get" | "head" | "delete", bytes: number) => void) | undefined;
}

export interface ListOptions extends RequestOptions {
  /**
   * What the caller knows already of objects that do not change, by name. Where more than the name takes a look at each,
   * a store may tell that again of those that are there.
   */
  readonly known?: ReadonlyMap<string, ObjectInfo> | undefined;
}

export interface PutOptions extends RequestOptions {
  /** Leaves an object that exists as it is. */
  readonly ifAbsent?: boolean | undefined;
  /**
   * SHA-256 of the bytes in hexadecimal, where the caller has it: a store that needs it need not compute it again. One
   * that hands it to a server, as S3 without TLS, rejects with kind `io` where the bytes are others.
   */
  readonly sha256?: string | undefined;
  /**
   * Told a few times a second, while a body goes out, how many of its bytes have: on their way, not acknowledged. Begins
   * anew where the request does. A store that does not know never calls it.
   */
  readonly onSent?: ((bytesSent: number) => void) | undefined;
}

export interface CopyOptions extends Omit<PutOptions, "ifAbsent" | "sha256"> {
  /** Of the object, for what counts them. */
  readonly sizeBytes: number;
}

/**
 * `there`: it held the same bytes already. `replaced`: it held others. `unread`: nothing was sent, for the source could
 * not be read or is not what its name says; whoever asked finds out why by reading it.
 */
export type CopyOutcome = "created" | "there" | "replaced" | "unread";

/** Bytes [offset, offset + length) of an object. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where one run lives: named, immutable objects. Names are relative, `/`-separated, of `[A-Za-z0-9._-]` parts.
 *
 * Every adapter guarantees, and the contract suite in `varve/testing` checks:
 *
 * 1. **Atomic.** An object is either whole or absent, never partly visible, also after a crash during `put`.
 * 2. **Acknowledged is durable.** When `put` resolves, the object survives a loss of power. When it rejects, the
 *    object may exist or not.
 * 3. **Read after write.** What was acknowledged is seen by every later `get`, `head` and `list`.
 * 4. **Create if absent.** With `ifAbsent`, exactly one of several concurrent writers gets `true`; for the others
 *    `put` resolves to `false` and the object is left as it was, and is durable too.
 * 5. **Absent is not unreadable.** `get` and `head` resolve to null only if the object does not exist; anything else
 *    that goes wrong rejects with a StoreError.
 *
 * Every method rejects with StoreError of kind `aborted` when `signal` is aborted.
 */
export interface Store {
  /** For messages: the URL without credentials. */
  readonly url: string;
  readonly traits: StoreTraits;
  /** Absent where the store is reachable from the thread that made it only (memory, a user's own). */
  readonly location?: StoreLocation | undefined;
  /** Writes an object whole. Resolves to false if `ifAbsent` was given and it exists already. */
  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<boolean>;
  /** Reads an object, or a range of it (shorter where the object ends); null if it does not exist. */
  get(name: string, options?: RequestOptions & { readonly range?: ByteRange | undefined }): Promise<Uint8Array | null>;
  head(name: string, options?: RequestOptions): Promise<ObjectInfo | null>;
  /** All objects whose name starts with the prefix, in ascending order of name (by UTF-16 code units). */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Deletes an object; resolves also if it did not exist. */
  delete(name: string, options?: RequestOptions): Promise<void>;
  /**
   * Copies a pack from another place, where it has the same name, which says its SHA-256. Absent where the caller has to
   * hand the bytes in.
   */
  copyFrom?(source: StoreLocation, name: string, options: CopyOptions): Promise<CopyOutcome>;
  /** Bytes that went over its connections so far, either way: a request may take long, and be well. Absent: unknown. */
  movedBytes?(): number;
  close?(): Promise<void>;
}
