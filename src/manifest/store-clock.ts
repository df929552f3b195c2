import type { RequestOptions, Store } from "../store/store.ts";

/**
 * What time it is by the store's own clock, in milliseconds since 1970: the modification time of a marker object just
 * written. Ages of packs are compared with this, never with the clock of this machine. null: the store does not tell.
 *
 * The marker `markers/<epoch>.json` is removed again; one that stays behind is overwritten by the next.
 */
export async function readStoreClock(
  store: Store,
  epoch: number,
  options: RequestOptions = {},
): Promise<number | null> {
  const name = `markers/${String(epoch).padStart(8, "0")}.json`;
  await store.put(name, new TextEncoder().encode("{}\n"), options);
  const info = await store.head(name, options);
  await store.delete(name, options);
  return info?.modifiedAtMs ?? null;
}
