import { type CheckpointHeader, descendsFrom, lineageOf, newestOf } from "../../manifest/lineage.ts";
import { listPins } from "../../manifest/pins.ts";
import { type ReadManifestOptions, type RunHistory, readHistory } from "../../manifest/read-history.ts";
import { selectKept } from "../../manifest/retention.ts";
import { historyOfRun } from "../../manifest/run-identity.ts";
import { findNewestEpoch } from "../../manifest/writers.ts";
import type { Store } from "../../store/store.ts";
import type { RetentionOptions } from "../messages.ts";
import { findStoreDamage, listPacks, type StoreDamage } from "./store-damage.ts";

/** What the two tiers of a run have, compared. All lists go from oldest to newest. */
export interface TierComparison extends StoreDamage {
  /** Whole in the local tier, not in the store, and to be sent. */
  readonly missing: readonly CheckpointHeader[];
  /** Not in the store and not to be sent: they belong to another branch than its newest checkpoint (rule 9). */
  readonly unrelated: readonly string[];
  /** In the store, and whole there as far as names and sizes tell. */
  readonly alreadyThere: readonly string[];
  /** Of the local tier alone, and unreadable there. */
  readonly unreadable: readonly { readonly name: string; readonly error: Error }[];
  /** Packs that need not be sent: the store has them in the right size, and what is seen there is durable. */
  readonly present: readonly string[];
  /** Whether the store has a pack, in the right size where a checkpoint tells it. */
  readonly isThere: (pack: string) => boolean;
  /** The newest epoch in the store before anything else was read: whoever claims a newer one is a stranger. */
  readonly newestEpoch: number;
}

/**
 * Compares the local tier with the run's store; nothing but the two needs to be remembered across a crash.
 *
 * To be sent are checkpoints that descend from the store's newest, and gaps: ancestors of it that the store lacks and
 * that its retention would not remove at once. A checkpoint that is in the store is taken for whole only if each of its
 * packs is listed there in the size that its manifest says.
 *
 * Cost: of the store six listings or so (that of packs one for each thousand), and one get for each checkpoint.
 */
export async function compareTiers(
  first: Store,
  second: Store,
  retention: RetentionOptions,
  { run, ...options }: ReadManifestOptions = {},
): Promise<TierComparison> {
  const newestEpoch = await findNewestEpoch(second, options);
  const historyOf = async (store: Store): Promise<RunHistory> =>
    historyOfRun(store, run, await readHistory(store, options));
  const [local, remote] = await Promise.all([historyOf(first), historyOf(second)]);
  // After the manifests: the packs of a manifest that is there were there before it.
  const sizes = await listPacks(second, options);
  const damage = await findStoreDamage([first, second], [local, remote], sizes, options);
  const there = new Set([...remote.whole, ...remote.broken].map(({ name }) => name));
  const damaged = new Set(damage.broken.map(({ checkpoint }) => checkpoint));
  for (const { header } of damage.repairs) damaged.add(header.name);
  const lacking = local.whole.filter(({ name }) => !there.has(name));
  const pinned = lacking.length === 0 ? new Set<string>() : await listPins(first, options);
  const { newer, gaps, unrelated } = sortOut(local, remote, lacking, retention, pinned);
  // From oldest to newest: gaps are ancestors of the store's newest, and what is newer comes after it.
  const missing = [...gaps, ...newer];
  const expected = new Map([...missing, ...remote.whole].flatMap(({ packs }) => packs.map((p) => [p.name, p.bytes])));
  const isThere = (pack: string): boolean => {
    const sizeBytes = sizes.get(pack);
    return sizeBytes !== undefined && sizeBytes === (expected.get(pack) ?? sizeBytes);
  };
  return {
    ...{ missing, unrelated, isThere, newestEpoch, ...damage },
    alreadyThere: local.whole.map(({ name }) => name).filter((name) => there.has(name) && !damaged.has(name)),
    unreadable: local.broken.filter(({ name }) => !there.has(name)),
    present: [...packsOf(remote.whole), ...trustedPacks(second, missing)].filter(isThere),
  };
}

interface SortedOut {
  readonly newer: readonly CheckpointHeader[];
  readonly gaps: readonly CheckpointHeader[];
  readonly unrelated: readonly string[];
}

function sortOut(
  local: RunHistory,
  remote: RunHistory,
  lacking: readonly CheckpointHeader[],
  retention: RetentionOptions,
  pinned: ReadonlySet<string>,
): SortedOut {
  const newest = newestOf(remote.whole);
  if (newest === undefined) return { newer: lacking, gaps: [], unrelated: [] };
  const all = [...new Map([...remote.whole, ...local.whole].map((header) => [header.name, header])).values()];
  const ancestors = new Set(lineageOf(all, newest.name).map(({ name }) => name));
  const newer = lacking.filter(({ name }) => name > newest.name && descendsFrom(all, name, newest));
  const missed = lacking.filter(({ name }) => ancestors.has(name));
  const { keepLast, keepEvery, keepBest } = retention;
  const policy = {
    keepLast: keepLast ?? undefined,
    keepEvery: keepEvery ?? undefined,
    keepBest: keepBest ?? undefined,
  };
  const kept = selectKept([...remote.whole, ...newer, ...missed], policy, { pinned });
  const related = new Set([...newer, ...missed]);
  return {
    newer,
    gaps: missed.filter(({ name }) => kept.has(name)),
    unrelated: lacking.filter((header) => !related.has(header)).map(({ name }) => name),
  };
}

function packsOf(checkpoints: readonly CheckpointHeader[]): string[] {
  return checkpoints.flatMap(({ packs }) => packs.map(({ name }) => name));
}

/**
 * Packs that may lie in the store though no checkpoint there names them: a writer that died had sent them. Where what is
 * visible is durable, those that do lie there in the right length need not be sent again.
 *
 * Rule 6 says that existing proves nothing, and has two reasons. One is local disk, where a name can be seen whose
 * bytes are not yet durable: hence the trait. The other is a prune that might delete the pack meanwhile. Only the
 * holder of the newest epoch prunes, and it lists packs and checkpoints after its claim. Whoever sends asks for a newer
 * epoch once more after the manifest is created: if there is none, every later prune sees that manifest; if there is
 * one, sending ends with FencedError, as it does for packs that were sent a moment ago.
 */
function trustedPacks({ traits }: Store, missing: readonly CheckpointHeader[]): string[] {
  return traits.visibleIsDurable === true ? packsOf(missing) : [];
}
