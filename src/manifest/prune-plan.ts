import { FencedError, PruneRefusedError } from "../errors.ts";
import type { ObjectInfo } from "../store/store.ts";
import type { CheckpointHeader } from "./lineage.ts";
import { parsePackName } from "./names.ts";
import type { RunHistory } from "./read-history.ts";
import { type Protection, type RetentionPolicy, selectKept, unnamedPacks } from "./retention.ts";

export interface PruneInput extends Protection {
  /** The epoch of the one who prunes, and the newest one in the store: they must be equal. */
  readonly ownEpoch: number;
  readonly newestEpoch: number;
  readonly history: RunHistory;
  /** Everything listed under `packs/`, before the checkpoints were: a pack listed later may be named meanwhile. */
  readonly packs: readonly ObjectInfo[];
  readonly policy: RetentionPolicy;
  /**
   * Packs, of whichever epoch, that a save under way or a later one may name; null when the one who prunes is not the
   * epoch's writer, and so cannot know.
   */
  readonly packsInUse: ReadonlySet<string> | null;
  /** By the store's own clock: the modification time of a marker just written. null: it does not tell. */
  readonly storeNowMs: number | null;
  readonly gracePeriodMs: number;
  /** How long ago the listings began, by the own monotonic clock. */
  readonly listingAgeMs: number;
}

export interface PrunePlan {
  /** To be deleted first, all of them, from oldest to newest. */
  readonly checkpoints: readonly string[];
  /** To be deleted afterwards: no checkpoint that stays names them. */
  readonly packs: readonly string[];
  readonly packBytes: number;
  /** Packs that no checkpoint names, kept because they may yet be, or because their age is not known. */
  readonly waiting: readonly string[];
}

/**
 * Decides what a prune deletes (rule 10). Reads and deletes nothing.
 *
 * @throws FencedError when there is a newer writer
 * @throws PruneRefusedError when a manifest cannot be read: what it names would look unnamed
 */
export function planPrune(input: PruneInput): PrunePlan {
  assertAllowed(input);
  const { whole } = input.history;
  const kept = new Set([
    ...selectKept(whole, input.policy, input).keys(),
    ...selectKept(withAllPacks(input), input.policy, input).keys(),
  ]);
  const staying = whole.filter(({ name }) => kept.has(name));
  const unnamed = unnamedPacks(input.packs, staying);
  const packs = unnamed.filter((pack) => mayDelete(pack, input));
  return {
    checkpoints: whole.filter(({ name }) => !kept.has(name)).map(({ name }) => name),
    packs: packs.map(({ name }) => name),
    packBytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    waiting: unnamed.filter((pack) => !packs.includes(pack)).map(({ name }) => name),
  };
}

/**
 * Those that count. A writer that slept past the grace period, between its look for a newer epoch and the create, leaves
 * a manifest whose packs are gone: it is told so (FencedError), but the manifest must not push out what can be restored.
 */
function withAllPacks({ history, packs }: PruneInput): readonly CheckpointHeader[] {
  const present = new Set(packs.map(({ name }) => name));
  return history.whole.filter((checkpoint) => checkpoint.packs.every(({ name }) => present.has(name)));
}

function assertAllowed(input: PruneInput): void {
  const { ownEpoch, newestEpoch, history, gracePeriodMs, listingAgeMs } = input;
  if (newestEpoch > ownEpoch) throw new FencedError(ownEpoch, newestEpoch, "only the newest writer prunes");
  const [broken] = history.broken;
  if (broken !== undefined) {
    throw new PruneRefusedError(
      `"${broken.name}" cannot be read (${broken.error.message})`,
      broken.error.hint ?? "varve prune --quarantine moves unreadable manifests aside.",
    );
  }
  if (gracePeriodMs > 0 && listingAgeMs > gracePeriodMs / 4) {
    throw new PruneRefusedError(`its listing is ${listingAgeMs} ms old, more than a quarter of the grace period`);
  }
}

/** Whether a pack that no staying checkpoint names may go. */
function mayDelete({ name, modifiedAtMs }: ObjectInfo, input: PruneInput): boolean {
  const epoch = parsePackName(name)?.epoch;
  if (epoch === undefined || epoch > input.ownEpoch) return false;
  // Of an earlier epoch too: a buffer that was restored is not named by saves that leave it out, and yet counts as saved.
  if (input.packsInUse?.has(name)) return false;
  if (epoch === input.ownEpoch) return input.packsInUse !== null;
  if (modifiedAtMs === null || input.storeNowMs === null) return false;
  return input.storeNowMs - modifiedAtMs > input.gracePeriodMs;
}

/** Bytes in the packs that a checkpoint names. */
export function namedPackBytes({ packs }: Pick<CheckpointHeader, "packs">): number {
  return packs.reduce((sum, { bytes }) => sum + bytes, 0);
}
