import { forEachConcurrently } from "../../base/concurrency.ts";
import { isVarveError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { PACKS_PREFIX, parsePackName, parseWriterName, RUN_FILE_NAME, WRITERS_PREFIX } from "../../manifest/names.ts";
import { listCheckpoints, type RunHistory, readHistory } from "../../manifest/read-history.ts";
import { historyOfRun } from "../../manifest/run-identity.ts";
import type { Store } from "../../store/store.ts";
import type { TierProblem } from "../messages.ts";
import { decodeAll } from "./pack-check.ts";
import { loadPack } from "./pack-reader.ts";
import { inspectLabels, type RunLabels } from "./run-labels.ts";

const PACKS_AT_ONCE = 4;

type PackProblem = Pick<TierProblem, "kind" | "problem">;

/** What one tier has of a run, checked without a look at the other. */
export class TierInspection {
  readonly store: Store;
  #history: RunHistory;
  readonly #sizes: Map<string, number>;
  readonly #labels: RunLabels;
  /** Writers that wrote through this tier; null where every pack that its checkpoints name must be here. */
  readonly #ownEpochs: ReadonlySet<number> | null;
  /** Of packs that any tier names; what is whole here is not in it. */
  readonly #problems = new Map<string, PackProblem>();
  /** Packs that were read and are whole. */
  readonly #whole: Set<string>;
  #headers: ReadonlyMap<string, CheckpointHeader>;
  #isAllRemoved = false;

  private constructor(
    store: Store,
    history: RunHistory,
    sizes: Map<string, number>,
    labels: RunLabels,
    ownEpochs: ReadonlySet<number> | null,
    whole: Set<string>,
  ) {
    this.store = store;
    this.#whole = whole;
    this.#labels = labels;
    this.#history = history;
    this.#sizes = sizes;
    this.#ownEpochs = ownEpochs;
    this.#headers = new Map(history.whole.map((header) => [header.name, header]));
  }

  /**
   * Reads the names and the manifests of a tier, its run file, and its writers' files.
   *
   * @param isCache - a local tier before the run's store. A run that went on here from the store alone (another machine,
   *   an empty folder) names packs of earlier writers that only the store has; that is no damage.
   * @param before - an inspection of it whose checkpoints are all gone: packs that it has read are not read again
   */
  static async of(
    store: Store,
    isCache: boolean,
    signal: AbortSignal,
    before?: TierInspection,
  ): Promise<TierInspection> {
    const found = await readHistory(store, { signal });
    // After the manifests: the packs of a manifest that is there were there before it.
    const packs = await Array.fromAsync(store.list(PACKS_PREFIX, { signal }));
    const sizes = new Map(packs.map(({ name, sizeBytes }) => [name, sizeBytes]));
    const listed = await Array.fromAsync(store.list(WRITERS_PREFIX, { signal }));
    const writers = listed.map(({ name }) => name).filter((name) => parseWriterName(name) !== undefined);
    const labels = await inspectLabels(store, found, writers, signal);
    // A run file that no checkpoint agrees with says nothing about them.
    const run = labels.whole.has(RUN_FILE_NAME) ? labels.run : null;
    const history = historyOfRun(store, run ?? undefined, found);
    const ownEpochs = isCache ? new Set(writers.map((name) => parseWriterName(name) as number)) : null;
    return new TierInspection(
      store,
      history,
      sizes,
      labels,
      ownEpochs,
      before === undefined ? new Set() : before.#whole,
    );
  }

  /** Checks packs by name and size, and with `readData` every byte of them. */
  async check(refs: readonly PackRef[], readData: boolean, signal: AbortSignal): Promise<void> {
    await forEachConcurrently(refs, PACKS_AT_ONCE, async (ref) => {
      const problem = await this.#problemOf(ref, readData, signal);
      if (problem !== null) this.#problems.set(ref.name, problem);
    });
  }

  /**
   * Forgets what was removed since the manifests were read: retention deletes them before their packs. Asks only where
   * something is wrong.
   */
  async leaveOutRemoved(signal: AbortSignal): Promise<void> {
    if (this.#problems.size === 0) return;
    const listed = new Set((await listCheckpoints(this.store, { signal })).map(({ name }) => name));
    const { whole, broken } = this.#history;
    const hadSome = whole.length + broken.length > 0;
    this.#history = {
      whole: whole.filter(({ name }) => listed.has(name)),
      broken: broken.filter(({ name }) => listed.has(name)),
    };
    this.#headers = new Map(this.#history.whole.map((header) => [header.name, header]));
    const named = this.#namedPacks();
    for (const name of this.#problems.keys()) {
      if (named.has(name) || !this.#sizes.has(name)) continue;
      if ((await this.store.head(name, { signal })) !== null) continue;
      this.#problems.delete(name);
      this.#sizes.delete(name);
    }
    const hasSome = this.#history.whole.length + this.#history.broken.length > 0;
    // A damaged pack that still lies there is worth telling, though nothing names it: another look would not find it.
    this.#isAllRemoved = hadSome && !hasSome && [...this.#problems.keys()].every((name) => !this.#sizes.has(name));
  }

  /** Whether every checkpoint that it had was removed while it was checked: nothing is known of those there now. */
  get isAllRemoved(): boolean {
    return this.#isAllRemoved;
  }

  get history(): RunHistory {
    return this.#history;
  }

  /** Of its packs by name. */
  get sizes(): ReadonlyMap<string, number> {
    return this.#sizes;
  }

  #namedPacks(): ReadonlySet<string> {
    return new Set(this.#history.whole.flatMap(({ packs }) => packs.map(({ name }) => name)));
  }

  /** Of the run file; null where it cannot be read. */
  get run(): string | null {
    return this.#labels.run;
  }

  /** Whether the run file, or a writer's, is what it should be. */
  isLabelWhole(name: string): boolean {
    return this.#labels.whole.has(name);
  }

  header(name: string): CheckpointHeader | undefined {
    return this.#headers.get(name);
  }

  isPackWhole(name: string): boolean {
    return this.sizes.has(name) && !this.#problems.has(name);
  }

  /** What is wrong with a pack here; null where it is whole, and where it need not be here. */
  packProblem(name: string): PackProblem | null {
    const found = this.#problems.get(name) ?? null;
    return found?.kind === "missing" && !this.#mustHave(name) ? null : found;
  }

  /** Everything that is wrong here, by object: run file and writers' files, manifests, packs that lie here, and packs that its checkpoints name. */
  problems(): Map<string, PackProblem> {
    const named = this.#namedPacks();
    const packs = [...this.#problems.keys()].filter((name) => named.has(name) || this.sizes.has(name));
    return new Map([
      ...[...this.#labels.problems].map(([name, problem]) => [name, { kind: "run", problem }] as const),
      ...this.history.broken.map(({ name, error }) => [name, { kind: "manifest", problem: error.message }] as const),
      ...packs.flatMap((name) => {
        const problem = this.packProblem(name);
        return problem === null ? [] : [[name, problem] as const];
      }),
    ]);
  }

  #mustHave(pack: string): boolean {
    if (this.#ownEpochs === null) return true;
    // It is named by a manifest, which was refused if that were not a pack's name.
    const { epoch } = parsePackName(pack) as { readonly epoch: number };
    return this.#ownEpochs.has(epoch);
  }

  async #problemOf(ref: PackRef, readData: boolean, signal: AbortSignal): Promise<PackProblem | null> {
    const { name, bytes } = ref;
    const sizeBytes = this.sizes.get(name);
    if (sizeBytes === undefined) return { kind: "missing", problem: `"${name}" is missing` };
    if (sizeBytes !== bytes) {
      return { kind: "length", problem: `"${name}" has ${sizeBytes} bytes, expected ${bytes}` };
    }
    if (!readData || this.#whole.has(name)) return null;
    try {
      await decodeAll(await loadPack(this.store, ref, signal));
      this.#whole.add(name);
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (!isVarveError(error)) throw error;
      return { kind: "content", problem: error.message };
    }
  }
}
