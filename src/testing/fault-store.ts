import { InvalidArgumentError, StoreError } from "../errors.ts";
import type { ByteRange, ObjectInfo, RequestOptions, Store, StoreTraits } from "../store/store.ts";

export type StoreMethod = "put" | "get" | "head" | "list" | "delete";

/**
 * How a request goes wrong, as real ones do:
 * - `reject`: nothing is done, and it rejects;
 * - `stall`: nothing is done until its signal is aborted (it rejects) or the faults are released (it goes on);
 * - `lost-answer`: it is done, and then it rejects;
 * - `wrong-bytes`: one bit of what `get` returns, or of what `put` stores, is flipped, and it succeeds.
 */
export type FaultKind = "reject" | "stall" | "lost-answer" | "wrong-bytes";

export interface Fault {
  readonly kind: FaultKind;
  /** Every method if absent. */
  readonly method?: StoreMethod | undefined;
  /** Only requests whose name (or prefix) it matches. */
  readonly name?: RegExp | undefined;
  /** Requests of this kind that go well first; 0 by default. */
  readonly after?: number | undefined;
  /** Requests that go wrong; 1 by default, Infinity for ever. */
  readonly times?: number | undefined;
  /** What it rejects with; a retryable StoreError of kind `network` by default. */
  readonly error?: ((method: StoreMethod, name: string) => Error) | undefined;
}

interface PlannedFault {
  readonly fault: Fault;
  seen: number;
}

/** Plans faults, and counts requests and faults. */
export class FaultPlan {
  readonly #planned: PlannedFault[] = [];
  #stalled = Promise.withResolvers<void>();
  /** Requests so far, those that went wrong included. */
  readonly calls: Record<StoreMethod, number> = { put: 0, get: 0, head: 0, list: 0, delete: 0 };
  /** Faults so far. */
  readonly injected: Record<FaultKind, number> = { reject: 0, stall: 0, "lost-answer": 0, "wrong-bytes": 0 };

  add(...faults: readonly Fault[]): this {
    for (const fault of faults) {
      if (fault.kind === "wrong-bytes" && fault.method !== "get" && fault.method !== "put") {
        throw new InvalidArgumentError("fault.method", 'get or put with kind "wrong-bytes"', fault.method);
      }
      this.#planned.push({ fault, seen: 0 });
    }
    return this;
  }

  /** Drops all faults, and lets stalled requests go on. */
  release(): void {
    this.#planned.length = 0;
    this.#stalled.resolve();
    this.#stalled = Promise.withResolvers<void>();
  }

  /** Counts a request; answers the fault that it meets, the first planned one first. */
  next(method: StoreMethod, name: string): Fault | null {
    this.calls[method]++;
    let met: Fault | null = null;
    for (const planned of this.#planned) {
      const { fault } = planned;
      if (fault.method !== undefined && fault.method !== method) continue;
      if (fault.name !== undefined && !fault.name.test(name)) continue;
      const index = planned.seen++;
      const { after = 0, times = 1 } = fault;
      if (met === null && index >= after && index < after + times) met = fault;
    }
    if (met !== null) this.injected[met.kind]++;
    return met;
  }

  /** Rejects when the signal is aborted, resolves when the faults are released. */
  async stall(method: StoreMethod, name: string, signal: AbortSignal | undefined): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void =>
      reject(new StoreError("aborted", method, name, "the request was cancelled", { cause: signal?.reason }));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([promise, this.#stalled.promise]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

export interface FaultStore extends Store {
  readonly faults: FaultPlan;
}

class FaultyStore implements FaultStore {
  readonly url: string;
  readonly traits: StoreTraits;
  readonly faults: FaultPlan;
  readonly #inner: Store;

  constructor(inner: Store, faults: FaultPlan) {
    this.url = inner.url;
    this.traits = inner.traits;
    this.faults = faults;
    this.#inner = inner;
  }

  put(
    name: string,
    bytes: Uint8Array,
    options: RequestOptions & { readonly ifAbsent?: boolean | undefined } = {},
  ): Promise<boolean> {
    return this.#request("put", name, options.signal, (fault) =>
      this.#inner.put(name, fault?.kind === "wrong-bytes" ? withFlippedBit(bytes) : bytes, options),
    );
  }

  get(
    name: string,
    options: RequestOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Uint8Array | null> {
    return this.#request("get", name, options.signal, async (fault) => {
      const bytes = await this.#inner.get(name, options);
      return fault?.kind === "wrong-bytes" && bytes !== null ? withFlippedBit(bytes) : bytes;
    });
  }

  head(name: string, options: RequestOptions = {}): Promise<ObjectInfo | null> {
    return this.#request("head", name, options.signal, () => this.#inner.head(name, options));
  }

  async *list(prefix: string, options: RequestOptions = {}): AsyncGenerator<ObjectInfo> {
    const fault = await this.#before("list", prefix, options.signal);
    yield* this.#inner.list(prefix, options);
    if (fault?.kind === "lost-answer") throw errorOf(fault, "list", prefix);
  }

  delete(name: string, options: RequestOptions = {}): Promise<void> {
    return this.#request("delete", name, options.signal, () => this.#inner.delete(name, options));
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async #before(method: StoreMethod, name: string, signal: AbortSignal | undefined): Promise<Fault | null> {
    const fault = this.faults.next(method, name);
    if (fault?.kind === "reject") throw errorOf(fault, method, name);
    if (fault?.kind === "stall") await this.faults.stall(method, name, signal);
    return fault;
  }

  async #request<Result>(
    method: StoreMethod,
    name: string,
    signal: AbortSignal | undefined,
    work: (fault: Fault | null) => Promise<Result>,
  ): Promise<Result> {
    const fault = await this.#before(method, name, signal);
    const result = await work(fault);
    if (fault?.kind === "lost-answer") throw errorOf(fault, method, name);
    return result;
  }
}

function errorOf(fault: Fault, method: StoreMethod, name: string): Error {
  return fault.error?.(method, name) ?? new StoreError("network", method, name, "a planned fault");
}

function withFlippedBit(bytes: Uint8Array): Uint8Array {
  const wrong = new Uint8Array(bytes);
  const place = wrong.length >> 1;
  if (wrong.length > 0) wrong[place] = (wrong[place] ?? 0) ^ 1;
  return wrong;
}

/** Wraps a store so that requests go wrong as planned; `faults` takes further plans and tells what happened. */
export function withFaults(store: Store, faults: readonly Fault[] = []): FaultStore {
  return new FaultyStore(store, new FaultPlan().add(...faults));
}
