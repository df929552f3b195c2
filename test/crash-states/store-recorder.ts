import { createMemoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";
import type { Model, Tier } from "./model.ts";

/** What changed a store: a put or a delete, with its outcome once that is known. */
export interface StoreChange {
  readonly name: string;
  /** Null deletes. */
  readonly bytes: Uint8Array | null;
  readonly ifAbsent: boolean;
}

/** Names and contents. */
export type Objects = ReadonlyMap<string, Uint8Array>;

/** What is told of each request that changes something: to be recorded, and to say when it may have happened. */
export interface StoreWatcher {
  readonly tier: Tier;
  readonly model: Model;
  readonly onCalled?: ((change: StoreChange) => number) | undefined;
  readonly onAnswered?: ((number: number) => void) | undefined;
}

/** Watches the requests that change a store. */
export function watchStore(inner: Store, watcher: StoreWatcher): Store {
  const { tier, model } = watcher;
  const change = async <Result>(change: StoreChange, work: () => Promise<Result>): Promise<Result> => {
    if (change.bytes !== null) model.willPut(tier, change.name, change.bytes);
    const number = watcher.onCalled?.(change) ?? 0;
    const result = await work();
    watcher.onAnswered?.(number);
    if (change.bytes !== null && result !== false) model.didPut(tier, change.name, change.bytes);
    return result;
  };
  return {
    ...{ url: inner.url, traits: inner.traits },
    put: (name, bytes, options) => {
      const copy = new Uint8Array(bytes);
      return change({ name, bytes: copy, ifAbsent: options?.ifAbsent ?? false }, () => inner.put(name, copy, options));
    },
    get: (name, options) => inner.get(name, options),
    head: (name, options) => inner.head(name, options),
    list: (prefix, options) => inner.list(prefix, options),
    delete: (name, options) => change({ name, bytes: null, ifAbsent: false }, () => inner.delete(name, options)),
    close: async () => inner.close?.(),
  };
}

/** Everything that a recorded store may hold, from the notes that its watcher left. */
export class StoreStates {
  readonly #initial: Objects;
  readonly #changes: readonly StoreChange[];
  #known: { notes: number; states: readonly Objects[] } = { notes: -1, states: [] };

  constructor(initial: Objects, changes: readonly StoreChange[]) {
    this.#initial = initial;
    this.#changes = changes;
  }

  /**
   * What is answered is done; of the requests under way, any subset is: not done, or done with its answer lost in the
   * crash.
   *
   * @param notes - of the same recording each time: what was told up to here
   */
  after(notes: readonly string[]): readonly Objects[] {
    if (this.#known.notes !== notes.length) this.#known = { notes: notes.length, states: this.#statesAfter(notes) };
    return this.#known.states;
  }

  #statesAfter(notes: readonly string[]): readonly Objects[] {
    const settled = new Map(this.#initial);
    const underWay = new Set<number>();
    for (const note of notes) {
      const [, event, number] = /^store (call|answer) (\d+)$/.exec(note) ?? [];
      if (event === "call") underWay.add(Number(number));
      if (event !== "answer") continue;
      underWay.delete(Number(number));
      this.#apply(settled, Number(number));
    }
    return [...underWay].reduce<readonly Map<string, Uint8Array>[]>(
      (states, number) => [
        ...states,
        ...states.map((state) => {
          const done = new Map(state);
          this.#apply(done, number);
          return done;
        }),
      ],
      [settled],
    );
  }

  #apply(objects: Map<string, Uint8Array>, number: number): void {
    const { name, bytes, ifAbsent } = this.#changes[number] as StoreChange;
    if (bytes === null) objects.delete(name);
    else if (!ifAbsent || !objects.has(name)) objects.set(name, bytes);
  }
}

export async function storeOf(
  objects: Objects,
  url: string,
  clock: Parameters<typeof createMemoryStore>[0],
): Promise<Store> {
  const store = createMemoryStore({ ...clock, url });
  for (const [name, bytes] of objects) await store.put(name, bytes);
  return store;
}
