import type { Clock } from "../../base/clock.ts";
import { forEachConcurrently } from "../../base/concurrency.ts";
import { isVarveError, PruneRefusedError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import { compareCheckpoints, PACKS_PREFIX, parsePackName } from "../../manifest/names.ts";
import { listPins } from "../../manifest/pins.ts";
import { type PrunePlan, planPrune } from "../../manifest/prune-plan.ts";
import {
  type BrokenCheckpoint,
  headerOf,
  listCheckpoints,
  type RunHistory,
  readManifest,
} from "../../manifest/read-history.ts";
import { readStoreClock, removeOldMarkers } from "../../manifest/store-clock.ts";
import { assertNewestEpoch, findNewestEpoch } from "../../manifest/writers.ts";
import type { ObjectInfo, Store } from "../../store/store.ts";
import type { PruneReport, RetentionOptions, SaverCall } from "../messages.ts";
import { HeldCheckpoints } from "./held-checkpoints.ts";
import { closedMarker, type RunWriter } from "./run-writer.ts";

export interface PrunerOptions {
  readonly store: Store;
  readonly retention: RetentionOptions;
  readonly clock: Clock;
  readonly writer: RunWriter;
  /** Packs of this writer that a later checkpoint may name. */
  readonly packsInUse: () => ReadonlySet<string>;
  /** Checkpoints that the run's store lacks, where this is the local tier before it. */
  readonly notSent: () => ReadonlySet<string>;
  /** Told before anything is deleted. */
  readonly onDeleted: (packs: readonly string[]) => void;
}

type PruneCall = Extract<SaverCall, { method: "prune" }>;

/** The newest epoch is checked again before every so many deletions (rule 10). */
const BATCH = 100;

/** Requests under way together: a store far away takes a tenth of a second for each. */
const AT_ONCE = 8;

/** Removes checkpoints that retention does not keep, and packs that none of the others names. */
export class Pruner {
  readonly #options: PrunerOptions;
  readonly held: HeldCheckpoints = new HeldCheckpoints();
  /** Manifests are immutable: one that was read needs no second look. */
  readonly #headers = new Map<string, CheckpointHeader>();
  /** So is their size, which only a look at each would tell. */
  #listed: ReadonlyMap<string, ObjectInfo> = new Map();
  /** As of the last plan. */
  #packs: ReadonlyMap<string, ObjectInfo> = new Map();
  #hasListed = false;
  #hasRemovedMarkers = false;

  constructor(options: PrunerOptions) {
    this.#options = options;
  }

  /**
   * Retention after a commit. Its failure is no failure of the save.
   *
   * @param sequence - of the save of this process; 0 where an earlier one had made the checkpoint
   */
  async afterCommit(sequence: number, warn: (message: string) => void): Promise<void> {
    this.held.noteCommit(sequence);
    if (this.#options.retention.keepLast === null) return;
    try {
      await this.prune({ method: "prune", dryRun: false, takeOver: false, quarantine: false });
    } catch (error) {
      // Whatever a store of the user's own throws: the save is made, and the saver goes on.
      warn(`old checkpoints were not removed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async prune(call: PruneCall, signal?: AbortSignal): Promise<PruneReport> {
    const { writer, store } = this.#options;
    const { dryRun } = call;
    if (!call.takeOver && !dryRun) await this.#assertNotLive();
    const ownEpoch = dryRun ? (await findNewestEpoch(store, { signal })) + 1 : await writer.claim();
    const quarantined = call.quarantine ? await this.#quarantine(dryRun, signal) : [];
    const plan = await this.#plan(ownEpoch, call, signal);
    let gone: Pick<PrunePlan, "checkpoints" | "packs"> = plan;
    if (!dryRun) {
      this.#options.onDeleted(plan.packs);
      gone = await this.#carryOut(plan, ownEpoch, signal);
      await this.#removeOldMarkers(ownEpoch, signal);
    }
    const going = new Set(gone.checkpoints);
    const kept = [...this.#headers.keys()].filter((name) => !going.has(name)).sort();
    const { checkpoints, packs } = gone;
    const deleted = [...this.#packs.values()].filter(({ name }) => packs.includes(name));
    const bytes = deleted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { dryRun, checkpoints, packs, bytes, kept, quarantined };
  }

  async #plan(
    ownEpoch: number,
    { dryRun, quarantine }: PruneCall,
    signal: AbortSignal | undefined,
  ): Promise<PrunePlan> {
    const { store, retention, clock, writer, packsInUse, notSent } = this.#options;
    const startedAt = clock.monotonicMs();
    // Of packs of one's own nobody asks how old they are, and a save may come every second: no look at each, and no look
    // at the clock, while there are no others. One that comes now, of a writer that is fenced, waits for the next plan.
    const known = new Map([...this.#packs].filter(([name]) => parsePackName(name)?.epoch === ownEpoch));
    const asksForAges = !this.#hasListed || known.size < this.#packs.size;
    const storeNowMs = dryRun ? clock.now() : asksForAges ? await readStoreClock(store, ownEpoch, { signal }) : null;
    const packs = await Array.fromAsync(store.list(PACKS_PREFIX, { signal, known }));
    const history = await this.#history(signal);
    const pins = await this.held.whilePinsAreListed(() => listPins(store, { signal }));
    this.#packs = new Map(packs.map((pack) => [pack.name, pack]));
    this.#hasListed = true;
    const { keepLast, keepEvery, keepBest, gracePeriodMs } = retention;
    return planPrune({
      history: dryRun && quarantine ? { ...history, broken: [] } : history,
      ...{ ownEpoch, packs, storeNowMs, gracePeriodMs },
      newestEpoch: dryRun ? ownEpoch : await findNewestEpoch(store, { signal, known: this.#listed }),
      policy: { keepLast: keepLast ?? undefined, keepEvery: keepEvery ?? undefined, keepBest: keepBest ?? undefined },
      pinned: new Set([...pins, ...this.held.names]),
      restored: writer.parent?.name,
      notSent: notSent(),
      packsInUse: packsInUse(),
      listingAgeMs: clock.monotonicMs() - startedAt,
    });
  }

  /**
   * Manifests first, then packs: what is half deleted is never half a checkpoint. One that was pinned, or chosen to be
   * restored, since the plan was made stays, with its packs.
   *
   * @returns what was deleted
   */
  async #carryOut(
    plan: PrunePlan,
    ownEpoch: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly checkpoints: readonly string[]; readonly packs: readonly string[] }> {
    const { store } = this.#options;
    const going = [...this.#headers.values()].filter(({ name }) => plan.checkpoints.includes(name));
    const pinned = new Set<string>();
    const stays = (name: string): boolean => pinned.has(name) || this.held.has(name);
    const listAgain = async (): Promise<void> => {
      for (const name of await listPins(store, { signal })) pinned.add(name);
    };
    const checkpoints = await this.#deleteAll(plan.checkpoints, ownEpoch, signal, { beforeNext: listAgain, stays });
    const staying = going.filter(({ name }) => stays(name)).flatMap(({ packs }) => packs.map(({ name }) => name));
    const isNamed = (pack: string): boolean => staying.includes(pack) || this.#isNamedByHeld(going, pack);
    const packs = await this.#deleteAll(plan.packs, ownEpoch, signal, { beforeNext: listAgain, stays: isNamed });
    return { checkpoints, packs };
  }

  /** Whether it is named by one that was chosen or pinned while packs were being deleted. */
  #isNamedByHeld(checkpoints: readonly CheckpointHeader[], pack: string): boolean {
    return checkpoints.some(({ name, packs }) => this.held.has(name) && packs.some((ref) => ref.name === pack));
  }

  async #deleteAll(
    names: readonly string[],
    ownEpoch: number,
    signal: AbortSignal | undefined,
    { beforeNext, stays }: { readonly beforeNext: () => Promise<void>; readonly stays: (name: string) => boolean },
  ): Promise<string[]> {
    const { store } = this.#options;
    const deleted: string[] = [];
    for (let from = 0; from < names.length; from += BATCH) {
      if (from > 0) await beforeNext();
      await assertNewestEpoch(store, ownEpoch, { signal });
      await forEachConcurrently(names.slice(from, from + BATCH), AT_ONCE, async (name) => {
        if (stays(name)) return;
        await this.held.noteDelete(name, store.delete(name, { signal }));
        this.#headers.delete(name);
        deleted.push(name);
      });
    }
    return deleted.sort();
  }

  /** Once: only a writer that is not yet fenced leaves new ones, and this is the newest. */
  async #removeOldMarkers(ownEpoch: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#hasRemovedMarkers) return;
    await removeOldMarkers(this.#options.store, ownEpoch, { signal });
    this.#hasRemovedMarkers = true;
  }

  async #history(signal: AbortSignal | undefined): Promise<RunHistory> {
    const { store, writer } = this.#options;
    const listed = await listCheckpoints(store, { signal, known: this.#listed });
    this.#listed = new Map(listed.map((info) => [info.name, info]));
    for (const name of this.#headers.keys()) if (!this.#listed.has(name)) this.#headers.delete(name);
    const broken: BrokenCheckpoint[] = [];
    // Also what this process has just committed: the ones before it go only where it can be read.
    const unread = listed.filter(({ name }) => !this.#headers.has(name));
    await forEachConcurrently(unread, AT_ONCE, async ({ name, epoch, sequence }) => {
      try {
        const stored = await readManifest(store, name, { run: writer.run, signal });
        if (stored !== null) this.#headers.set(name, headerOf(stored));
      } catch (error) {
        if (!isVarveError(error)) throw error;
        broken.push({ name, epoch, sequence, error });
      }
    });
    return { whole: [...this.#headers.values()].sort(compareCheckpoints), broken };
  }

  /** Another writer that did not say goodbye may be training: pruning would fence it. */
  async #assertNotLive(): Promise<void> {
    const { store, writer } = this.#options;
    if (writer.hasClaimed) return;
    const newest = await findNewestEpoch(store);
    if (newest === 0 || (await store.head(closedMarker(newest))) !== null) return;
    throw new PruneRefusedError(
      `writer ${newest} of this run did not close it; it may still be training`,
      "If no trainer uses the run (one was killed, or this store was filled by varve sync alone, which leaves no sign of " +
        "an end), run the same command with --take-over (takeOver: true). A trainer that is alive would then be fenced.",
    );
  }

  /** Moves manifests that cannot be read aside, so that they no longer stop the prune. */
  async #quarantine(dryRun: boolean, signal: AbortSignal | undefined): Promise<string[]> {
    const { store } = this.#options;
    const { broken } = await this.#history(signal);
    const damaged = broken.filter(({ error }) => isVarveError(error, "VARVE_CORRUPT"));
    for (const { name } of dryRun ? [] : damaged) {
      const bytes = await store.get(name, { signal });
      if (bytes !== null) await store.put(`quarantine/${name.replaceAll("/", "-")}`, bytes, { signal });
      await store.delete(name, { signal });
    }
    return damaged.map(({ name }) => name);
  }
}
