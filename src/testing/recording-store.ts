import { createMemoryStore } from "../store/memory.ts";
import type { ByteRange, ObjectInfo, RequestOptions, Store, StoreTraits } from "../store/store.ts";
import type { StoreMethod } from "./fault-store.ts";

/** One request to a recorded store. Places count calls and answers together, so that overlaps can be told. */
export interface RecordedOperation {
  readonly method: StoreMethod;
  /** The object's name; the prefix of a listing. */
  readonly name: string;
  readonly ifAbsent: boolean;
  /** What `put` was given, as it was then. */
  readonly bytes: Uint8Array | null;
  readonly range: ByteRange | null;
  readonly calledAt: number;
  /** Null while it is under way. */
  answeredAt: number | null;
  outcome: "pending" | "done" | "rejected";
  /** What it resolved to: `put`'s boolean, `get`'s bytes, `head`'s info. */
  result: unknown;
}

export interface RecordedStore extends Store {
  /** In order of the calls. */
  readonly operations: readonly RecordedOperation[];
  /** Makes a store in memory that holds what the first `count` answers left, as after a crash of the writer there. */
  replay(count: number): Promise<Store>;
  /** Calls and answers so far. */
  readonly length: number;
}

class RecordingStore implements RecordedStore {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly operations: RecordedOperation[] = [];
  readonly #inner: Store;
  #place = 0;

  constructor(inner: Store) {
    this.url = inner.url;
    this.traits = inner.traits;
    this.#inner = inner;
  }

  get length(): number {
    return this.#place;
  }

  put(
    name: string,
    bytes: Uint8Array,
    options: RequestOptions & { readonly ifAbsent?: boolean | undefined } = {},
  ): Promise<boolean> {
    const details = { bytes: new Uint8Array(bytes), ifAbsent: options.ifAbsent ?? false };
    return this.#record("put", name, () => this.#inner.put(name, bytes, options), details);
  }

  get(
    name: string,
    options: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    return this.#record("get", name, () => this.#inner.get(name, options), { range: options.range ?? null });
  }

  head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    return this.#record("head", name, () => this.#inner.head(name, options));
  }

  async *list(prefix: string, options: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    const operation = this.#begin("list", prefix, {});
    try {
      yield* this.#inner.list(prefix, options);
      this.#end(operation, "done", undefined);
    } catch (error) {
      this.#end(operation, "rejected", error);
      throw error;
    }
  }

  delete(name: string, options: RequestOptions = {}): Promise<void> {
    return this.#record("delete", name, () => this.#inner.delete(name, options));
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async replay(count: number): Promise<Store> {
    const store = createMemoryStore({ url: this.url });
    const answered = this.operations
      .filter(({ outcome, answeredAt }) => outcome === "done" && answeredAt !== null && answeredAt < count)
      .sort((a, b) => (a.answeredAt ?? 0) - (b.answeredAt ?? 0));
    for (const { method, name, bytes, result } of answered) {
      if (method === "put" && result === true && bytes !== null) await store.put(name, bytes);
      if (method === "delete") await store.delete(name);
    }
    return store;
  }

  #begin(method: StoreMethod, name: string, details: Partial<RecordedOperation>): RecordedOperation {
    const operation: RecordedOperation = {
      method,
      name,
      ifAbsent: false,
      bytes: null,
      range: null,
      ...details,
      calledAt: this.#place++,
      answeredAt: null,
      outcome: "pending",
      result: undefined,
    };
    this.operations.push(operation);
    return operation;
  }

  #end(operation: RecordedOperation, outcome: "done" | "rejected", result: unknown): void {
    operation.answeredAt = this.#place++;
    operation.outcome = outcome;
    operation.result = result;
  }

  async #record<Result>(
    method: StoreMethod,
    name: string,
    work: () => Promise<Result>,
    details: Partial<RecordedOperation> = {},
  ): Promise<Result> {
    const operation = this.#begin(method, name, details);
    try {
      const result = await work();
      this.#end(operation, "done", result);
      return result;
    } catch (error) {
      this.#end(operation, "rejected", error);
      throw error;
    }
  }
}

/** Wraps a store so that every request is kept, with its place among calls and answers. */
export function withRecording(store: Store): RecordedStore {
  return new RecordingStore(store);
}
