import type { RequestOptions, Store } from "../store/store.ts";

/**
 * What time it is by the store's own clock, in milliseconds since 1970: the modification time of a marker object just
 * written. Ages of packs are compared with this, never with the clock of this machine. null: the store does not tell.
 *
 * The marker `markers/<epoch>.json` is removed again; one that a crash leaves behind is removed by a later writer's prune.
 */
export async function readStoreClock(
  store: Store,
  epoch: number,
  options: RequestOptions = {},
): Promise<number | null> {
  const name = markerName(epoch);
  await store.put(name, new TextEncoder().encode("{}\n"), options);
  const info = await store.head(name, options);
  await store.delete(name, options);
  return info?.modifiedAtMs ?? null;
}

/**
 * Removes the markers of older writers: they ended between writing and removing theirs. One that is still at it learns
 * no time, and then deletes nothing.
 *
 * Cost: one listing, and a delete for each.
 */
export async function removeOldMarkers(store: Store, ownEpoch: number, options: RequestOptions = {}): Promise<void> {
  const listed = await Array.fromAsync(store.list(MARKERS_PREFIX, options));
  const old = listed.filter(({ name }) => epochOf(name) < ownEpoch);
  for (const { name } of old) await store.delete(name, options);
}

const MARKERS_PREFIX = "markers/";

function markerName(epoch: number): string {
  return `${MARKERS_PREFIX}${String(epoch).padStart(8, "0")}.json`;
}

/** Infinite for what is no marker: a name of another form is nobody's. */
function epochOf(name: string): number {
  const digits = /^markers\/(\d{8})\.json$/.exec(name)?.[1];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits);
}
