import type { PackIndex } from "../../codec/pack-index.ts";
import { isVarveError } from "../../errors.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { compareCheckpoints } from "../../manifest/names.ts";
import {
  type ReadManifestOptions,
  type RunHistory,
  readHistory,
  readManifest,
  type StoredManifest,
} from "../../manifest/read-history.ts";
import { historyOfRun } from "../../manifest/run-identity.ts";
import type { Store } from "../../store/store.ts";
import { type LoadedPack, loadPack, loadPackIndex } from "./pack-reader.ts";

/**
 * The stores of one run, read as one: the first tier (local disk, where one is given), then the run's store. What is
 * missing or damaged in one is taken from the other.
 */
export class Tiers {
  /** Checkpoints are durable when they are committed here. */
  readonly first: Store;
  /** The run's store, where `first` is a local tier before it; else null. */
  readonly second: Store | null;

  constructor(first: Store, second: Store | null) {
    this.first = first;
    this.second = second;
  }

  /** The store that gives epochs: the run's own, never the local tier before it (rule 8). */
  get authority(): Store {
    return this.second ?? this.first;
  }

  get all(): readonly Store[] {
    return this.second === null ? [this.first] : [this.first, this.second];
  }

  /**
   * Every checkpoint of either tier; broken are those that can be read in none.
   *
   * @throws RunMismatchError when a tier has checkpoints, and none of the run
   */
  async history({ run, signal }: ReadManifestOptions): Promise<RunHistory> {
    const histories = await Promise.all(
      this.all.map(async (store) => historyOfRun(store, run, await readHistory(store, { signal }))),
    );
    const whole = new Map(histories.flatMap((history) => history.whole).map((header) => [header.name, header]));
    const broken = new Map(histories.flatMap((history) => history.broken).map((entry) => [entry.name, entry]));
    return {
      whole: [...whole.values()].sort(compareCheckpoints),
      broken: [...broken.values()].filter(({ name }) => !whole.has(name)).sort(compareCheckpoints),
    };
  }

  async manifest(name: string, options: ReadManifestOptions): Promise<StoredManifest | null> {
    return this.#fromEither((store) => readManifest(store, name, options));
  }

  /** @throws CorruptError when no tier has it whole */
  async pack(ref: PackRef, signal?: AbortSignal): Promise<LoadedPack> {
    return this.#fromEither((store) => loadPack(store, ref, signal));
  }

  /** Reads the index of a pack, and none of its sections. @throws CorruptError when no tier has it whole */
  async packIndex(ref: PackRef, signal?: AbortSignal): Promise<PackIndex> {
    return this.#fromEither((store) => loadPackIndex(store, ref, signal));
  }

  /** @param read - null, or a CorruptError, where the store has it not */
  async #fromEither<T>(read: (store: Store) => Promise<T>): Promise<T> {
    if (this.second === null) return read(this.first);
    try {
      const found = await read(this.first);
      if (found !== null) return found;
    } catch (error) {
      if (!isVarveError(error, "VARVE_CORRUPT", "VARVE_RUN_MISMATCH")) throw error;
    }
    return read(this.second);
  }
}
