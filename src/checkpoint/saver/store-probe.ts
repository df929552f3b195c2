import type { IdSource } from "../../base/ids.ts";
import type { Random } from "../../base/random.ts";
import type { Sleep } from "../../base/timers.ts";
import { writerName } from "../../manifest/names.ts";
import type { Store } from "../../store/store.ts";
import { Prober } from "./prober.ts";
import type { StoreHealth } from "./store-health.ts";

export interface StoreProbeOptions {
  /** Without retries. */
  readonly store: Store;
  readonly health: () => StoreHealth;
  readonly sleep: Sleep;
  readonly random: Pick<Random, "uniform">;
  readonly newId: IdSource;
}

/**
 * Asks the only store of a run whether it is back, while no save does: after pauses as of a sender, with the kind of
 * request that failed, and one more to remove what that wrote.
 */
export class StoreProbe {
  readonly #options: StoreProbeOptions;
  readonly #prober: Prober;
  #ending: AbortController | null = null;

  constructor(options: StoreProbeOptions) {
    this.#options = options;
    this.#prober = new Prober(options.sleep, options.random, () => void this.#probe());
  }

  /** The store went away. */
  start(): void {
    this.#ending ??= new AbortController();
    this.#prober.schedule();
  }

  /** It is back, or nobody asks any more. */
  stop(): void {
    this.#ending?.abort();
    this.#ending = null;
    this.#prober.stop();
  }

  async #probe(): Promise<void> {
    const signal = this.#ending?.signal;
    const { error } = this.#options.health();
    if (signal === undefined || error === null) return;
    try {
      await this.#askAs("operation" in error ? error.operation : "put", signal);
      if (!signal.aborted) this.#options.health().recover();
    } catch {
      if (!signal.aborted) this.#prober.schedule();
    }
  }

  async #askAs(operation: unknown, signal: AbortSignal): Promise<void> {
    const { store, newId } = this.#options;
    if (operation === "head") return void (await store.head(writerName(1), { signal }));
    if (operation === "get") return void (await store.get(writerName(1), { signal }));
    if (operation === "list") {
      for await (const _ of store.list(writerName(1), { signal })) return;
      return;
    }
    const name = `probe/${newId()}`;
    await store.put(name, new Uint8Array(0), { ifAbsent: true, signal });
    // Who may not delete may still save. The answer to the put has ended the probe by now.
    await store.delete(name).catch(() => undefined);
  }
}
