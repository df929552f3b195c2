import { type CheckpointHeader, descendsFrom, lineageOf, newestOf } from "../../manifest/lineage.ts";
import { PACKS_PREFIX } from "../../manifest/names.ts";
import { listPins } from "../../manifest/pins.ts";
import { type RunHistory, readHistory } from "../../manifest/read-history.ts";
import { selectKept } from "../../manifest/retention.ts";
import { findNewestEpoch } from "../../manifest/writers.ts";
import type { RequestOptions, Store } from "../../store/store.ts";
import type { RetentionOptions } from "../messages.ts";

/** What the two tiers of a run have, compared. All lists go from oldest to newest. */
export interface TierComparison {
  /** Whole in the local tier, not in the store, and to be sent. */
  readonly missing: readonly CheckpointHeader[];
  /** Not in the store and not to be sent: they belong to another branch than its newest checkpoint (rule 9). */
  readonly unrelated: readonly string[];
  readonly alreadyThere: readonly string[];
  /** Of the local tier alone, and unreadable there. */
  readonly unreadable: readonly { readonly name: string; readonly error: Error }[];
  /** Packs that the store has. */
  readonly present: readonly string[];
  /** The newest epoch in the store before anything else was read: whoever claims a newer one is a stranger. */
  readonly newestEpoch: number;
}

/**
 * Compares the local tier with the run's store; nothing but the two needs to be remembered across a crash.
 *
 * To be sent are checkpoints that descend from the store's newest, and gaps: ancestors of it that the store lacks and
 * that its retention would not remove at once.
 *
 * Cost: of the store five listings or so, and one get for each checkpoint.
 */
export async function compareTiers(
  first: Store,
  second: Store,
  retention: RetentionOptions,
  options: RequestOptions = {},
): Promise<TierComparison> {
  const newestEpoch = await findNewestEpoch(second, options);
  const [local, remote] = await Promise.all([readHistory(first, options), readHistory(second, options)]);
  const there = new Set([...remote.whole, ...remote.broken].map(({ name }) => name));
  const lacking = local.whole.filter(({ name }) => !there.has(name));
  const pinned = lacking.length === 0 ? new Set<string>() : await listPins(first, options);
  const { newer, gaps, unrelated } = sortOut(local, remote, lacking, retention, pinned);
  const missing = [...gaps, ...newer].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    missing,
    unrelated,
    alreadyThere: local.whole.map(({ name }) => name).filter((name) => there.has(name)),
    unreadable: local.broken.filter(({ name }) => !there.has(name)),
    present: [...namedPacks(remote), ...(await trustedPacks(second, missing, options))],
    newestEpoch,
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

function namedPacks({ whole }: RunHistory): string[] {
  return whole.flatMap(({ packs }) => packs.map(({ name }) => name));
}

/**
 * Packs that lie in the store under the right name and in the right length, though no checkpoint there names them: a
 * writer that died had sent them. Where what is visible is durable, they need not be sent again.
 *
 * Rule 6 says that existing proves nothing, and has two reasons. One is local disk, where a name can be seen whose
 * bytes are not yet durable: hence the trait. The other is a prune that might delete the pack meanwhile. Only the
 * holder of the newest epoch prunes, and it lists packs and checkpoints after its claim. Whoever sends asks for a newer
 * epoch once more after the manifest is created: if there is none, every later prune sees that manifest; if there is
 * one, sending ends with FencedError, as it does for packs that were sent a moment ago.
 */
async function trustedPacks(
  second: Store,
  missing: readonly CheckpointHeader[],
  options: RequestOptions,
): Promise<string[]> {
  if (missing.length === 0 || second.traits.visibleIsDurable !== true) return [];
  const wanted = new Map(missing.flatMap(({ packs }) => packs.map(({ name, bytes }) => [name, bytes])));
  const found: string[] = [];
  for await (const { name, sizeBytes } of second.list(PACKS_PREFIX, options)) {
    if (wanted.get(name) === sizeBytes) found.push(name);
  }
  return found;
}
