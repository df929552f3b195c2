import type { Clock } from "../base/clock.ts";
import { createRandom } from "../base/random.ts";
import { isVarveError, StoreError, type StoreErrorKind } from "../errors.ts";
import type { ObjectClient } from "./object-client.ts";
import type { RequestOptions, Store } from "./store.ts";

/** Failures of a put after which nothing was written. */
const REFUSALS: ReadonlySet<StoreErrorKind> = new Set(["permission", "not-found", "unsupported"]);

/** The bucket itself, for what a Store does not offer. */
export interface DoctorBucket {
  readonly client: ObjectClient;
  /** Of the store in the bucket; empty, or it ends with `/`. */
  readonly prefix: string;
}

export interface DoctorSubjectOptions {
  readonly store: Store;
  readonly bucket: DoctorBucket | null;
  readonly id: string;
  readonly clock: Clock;
  readonly bigObjectBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** The store that is examined, and everything that the examination writes there. */
export class DoctorSubject {
  readonly store: Store;
  readonly bucket: DoctorBucket | null;
  readonly clock: Clock;
  readonly bigObjectBytes: number;
  readonly request: RequestOptions;
  /** Everything written begins with it; it ends with `/`. */
  readonly prefix: string;
  readonly #written: Set<string> = new Set();
  #hasAnswered = false;

  constructor({ store, bucket, id, clock, bigObjectBytes, signal }: DoctorSubjectOptions) {
    this.store = store;
    this.bucket = bucket;
    this.clock = clock;
    this.bigObjectBytes = bigObjectBytes;
    this.request = { signal };
    this.prefix = `doctor/${id}/`;
  }

  /** Whether anything came back so far, were it a refusal. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  noteAnswer(): void {
    this.#hasAnswered = true;
  }

  /** The name of an object of ours, which is deleted in the end, whatever happens. */
  name(part: string): string {
    const name = this.prefix + part;
    this.#written.add(name);
    return name;
  }

  async put(part: string, bytes: Uint8Array, options: { readonly ifAbsent?: boolean } = {}): Promise<boolean> {
    const isNew = !this.#written.has(this.prefix + part);
    const name = this.name(part);
    try {
      // The store itself refuses to create, or makes up for it, where the bucket ignores the condition.
      if (options.ifAbsent && this.bucket !== null) {
        return await this.bucket.client.put(this.bucket.prefix + name, bytes, { ...this.request, ifAbsent: true });
      }
      return await this.store.put(name, bytes, { ...this.request, ...options });
    } catch (error) {
      // After any other failure it may have been written all the same.
      if (isNew && error instanceof StoreError && REFUSALS.has(error.kind)) this.#written.delete(name);
      throw error;
    }
  }

  async get(part: string): Promise<Uint8Array | null> {
    return this.store.get(this.prefix + part, this.request);
  }

  /** Names without our prefix, and sizes. */
  async list(part: string): Promise<readonly { readonly name: string; readonly sizeBytes: number }[]> {
    const found: { name: string; sizeBytes: number }[] = [];
    for await (const { name, sizeBytes } of this.store.list(this.prefix + part, this.request)) {
      found.push({ name: name.slice(this.prefix.length), sizeBytes });
    }
    return found;
  }

  mayHold(part: string): boolean {
    return this.#written.has(this.prefix + part);
  }

  /** All that may have been written. */
  writtenNames(): readonly string[] {
    return [...this.#written];
  }

  /** Deletes all that may have been written, also when the signal was aborted; answers what is left, and why. */
  async cleanUp(): Promise<{ readonly left: readonly string[]; readonly error: unknown }> {
    const left: string[] = [];
    let failure: unknown = null;
    for (const name of this.#written) {
      try {
        await this.store.delete(name);
      } catch (error) {
        if (!isVarveError(error)) throw error;
        left.push(name);
        failure = error;
        // Where nothing answers, the others would each wait as long.
        if (error instanceof StoreError && error.kind === "timeout") break;
      }
    }
    return { left, error: failure };
  }
}

/** Bytes that no compression makes smaller on their way. */
export function randomBytesOf(length: number): Uint8Array {
  const random = createRandom(length);
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => random.int(2 ** 31));
  return new Uint8Array(words.buffer, 0, length);
}
