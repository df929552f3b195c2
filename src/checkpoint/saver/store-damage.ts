import { CorruptError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { PACKS_PREFIX } from "../../manifest/names.ts";
import type { RunHistory } from "../../manifest/read-history.ts";
import type { RequestOptions, Store } from "../../store/store.ts";
import type { DamageInStore } from "../options.ts";

/** A checkpoint of the store, and those of its packs that are to be sent there again. */
export interface Repair {
  readonly header: CheckpointHeader;
  readonly packs: readonly PackRef[];
}

/** What the store has of its checkpoints, and not whole. */
export interface StoreDamage {
  readonly repairs: readonly Repair[];
  readonly broken: readonly DamageInStore[];
  /** Whole in the local tier, and behind a name that is taken in the store: nothing is written over a manifest. */
  readonly blocked: readonly { readonly header: CheckpointHeader; readonly error: Error }[];
}

/** Sizes of all packs of a tier by name. */
export async function listPacks(store: Store, options: RequestOptions): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, sizeBytes } of store.list(PACKS_PREFIX, options)) sizes.set(name, sizeBytes);
  return sizes;
}

/**
 * Finds what the store's own checkpoints name and is missing there, or of another size. What the local tier has under
 * the same name and in the right size can be put there again, also over what lies there: the name says which bytes
 * belong to it. A manifest's name does not, so that one that is unreadable, or another write's, is told and left.
 *
 * Cost: nothing for a store that is whole; else a listing of the local tier, and a request for every damaged checkpoint.
 *
 * @param sizes - of the packs in the store, listed after the history was read
 */
export async function findStoreDamage(
  [first, second]: readonly [Store, Store],
  [local, remote]: readonly [RunHistory, RunHistory],
  sizes: ReadonlyMap<string, number>,
  options: RequestOptions,
): Promise<StoreDamage> {
  const lost = await findLost(second, remote, sizes, options);
  const localSizes = lost.length === 0 ? new Map<string, number>() : await listPacks(first, options);
  const canSend = ({ name, bytes }: PackRef): boolean => localSizes.get(name) === bytes;
  const broken = lost.flatMap(({ header, packs }) =>
    packs
      .filter((pack) => !canSend(pack))
      .map(({ name: object, bytes }): DamageInStore => {
        const [there, here] = [sizes, localSizes].map((tier) => sizeText(tier.get(object), bytes));
        return { checkpoint: header.name, object, why: `${there}, and in the local tier ${here}` };
      }),
  );
  const manifests = findDamagedManifests(first, local, remote);
  return {
    repairs: lost
      .map(({ header, packs }) => ({ header, packs: packs.filter(canSend) }))
      .filter(({ packs }) => packs.length > 0),
    broken: [...broken, ...manifests.broken].sort((a, b) => (a.checkpoint < b.checkpoint ? -1 : 1)),
    blocked: manifests.blocked,
  };
}

async function findLost(
  second: Store,
  remote: RunHistory,
  sizes: ReadonlyMap<string, number>,
  options: RequestOptions,
): Promise<Repair[]> {
  const lost: Repair[] = [];
  for (const header of remote.whole) {
    const packs = header.packs.filter(({ name, bytes }) => sizes.get(name) !== bytes);
    // Pruned by another writer while this looked: then nothing is damaged.
    if (packs.length > 0 && (await second.head(header.name, options)) !== null) lost.push({ header, packs });
  }
  return lost;
}

function sizeText(found: number | undefined, expected: number): string {
  return found === undefined ? "it is missing" : `it has ${found} bytes, expected ${expected}`;
}

function findDamagedManifests(
  first: Store,
  local: RunHistory,
  remote: RunHistory,
): Pick<StoreDamage, "broken" | "blocked"> {
  const localByName = new Map(local.whole.map((header) => [header.name, header]));
  const unreadable = remote.broken.map(({ name, error }) => ({
    ...{ name, header: localByName.get(name) },
    why: `its manifest cannot be read there (${error.message})`,
  }));
  // One name with two write ids (rule 9): which of them is right, only a person can say.
  const others = remote.whole.flatMap(({ name, hash }) => {
    const header = localByName.get(name);
    if (header === undefined || header.hash === hash) return [];
    return [{ name, header, why: `it is another checkpoint there than the one of that name in ${first.url}` }];
  });
  const found = [...unreadable, ...others];
  return {
    broken: found.map(({ name, header, why }) => ({
      ...{ checkpoint: name, object: name },
      why: header === undefined ? `${why}, and in the local tier it is missing` : `${why}; nothing was written over it`,
    })),
    blocked: found.flatMap(({ name, header, why }) => {
      return header === undefined ? [] : [{ header, error: new CorruptError(name, why) }];
    }),
  };
}
