import { isVarveError, StoreError } from "../errors.ts";
import type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  PutOptions,
  RequestOptions,
  Store,
  StoreLocation,
  StoreTraits,
} from "../store/store.ts";
import { type RetryContext, withRetry } from "./retry.ts";

export type StoreRetryContext = Omit<RetryContext, "signal" | "onRetry"> & {
  readonly onRetry?: ((error: StoreError, attempt: number, delayMs: number) => void) | undefined;
};

/**
 * A store whose requests are tried again, each within a budget of its own. Nothing below it may try again by itself, or
 * the tries multiply.
 *
 * Answers get lost: a create that fails may have been done, and the store then says "exists" to its repetition. What is
 * there is read back, and is ours where it is what we wrote; so write what nobody else would write, with an id in it.
 */
class RetryingStore implements Store {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly location?: StoreLocation | undefined;
  readonly #inner: Store;
  readonly #context: StoreRetryContext;

  constructor(inner: Store, context: StoreRetryContext) {
    this.url = inner.url;
    this.traits = { ...inner.traits, retriesItself: true };
    this.location = inner.location;
    this.#inner = inner;
    this.#context = context;
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    let mayBeDone = false;
    const isCreated = await this.#retry("put", name, options.signal, async () => {
      try {
        return await this.#inner.put(name, bytes, options);
      } catch (error) {
        mayBeDone = true;
        throw error;
      }
    });
    if (isCreated || !mayBeDone) return isCreated;
    const found = await this.get(name, { signal: options.signal });
    return found !== null && Buffer.compare(found, bytes) === 0;
  }

  get(
    name: string,
    options: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    return this.#retry("get", name, options.signal, () => this.#inner.get(name, options));
  }

  head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    return this.#retry("head", name, options.signal, () => this.#inner.head(name, options));
  }

  /** Begins again where it broke off: names come in ascending order, and those that were told are passed over. */
  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    let last: string | null = null;
    let names = this.#inner.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#retry("list", prefix, options.signal, async () => {
          try {
            return await nextAfter(names, last);
          } catch (error) {
            names = this.#inner.list(prefix, options)[Symbol.asyncIterator]();
            throw error;
          }
        });
        if (next === null) return;
        last = next.name;
        yield next;
      }
    } finally {
      // Whoever had enough of the names leaves in the middle of them.
      await names.return?.();
    }
  }

  delete(name: string, options: RequestOptions = {}): Promise<void> {
    return this.#retry("delete", name, options.signal, () => this.#inner.delete(name, options));
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async #retry<Result>(
    operation: string,
    name: string,
    signal: AbortSignal | undefined,
    request: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await withRetry(request, { ...this.#context, signal });
    } catch (error) {
      // In the pause between two tries it is the reason itself that is thrown.
      if (isVarveError(error) || !signal?.aborted) throw error;
      throw new StoreError("aborted", operation, name, "the request was cancelled", { cause: signal.reason });
    }
  }
}

async function nextAfter(names: AsyncIterator<ObjectInfo>, last: string | null): Promise<ObjectInfo | null> {
  for (;;) {
    const { done, value } = await names.next();
    if (done) return null;
    if (last === null || value.name > last) return value;
  }
}

/** Wraps a store so that what fails and may pass is tried again; see the class above. */
export function withRetries(store: Store, context: StoreRetryContext): Store {
  return new RetryingStore(store, context);
}
