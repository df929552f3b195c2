import type { IdSource } from "../base/ids.ts";
import { isVarveError, StoreError } from "../errors.ts";
import type { ObjectClient } from "./object-client.ts";
import type { RequestOptions } from "./store.ts";

const encoder = new TextEncoder();

/**
 * Tries whether a bucket honours create-if-absent, with two creates of one new object. Some servers that speak S3's
 * protocol take the header and ignore it, and two writers of a run would then overwrite each other without a word.
 *
 * Four small requests. An answer that does not come rejects, and is no verdict.
 *
 * @param prefix - empty, or it ends with `/`
 */
export async function honoursCreate(
  client: ObjectClient,
  prefix: string,
  newId: IdSource,
  { signal, onExtraRequest }: RequestOptions = {},
): Promise<boolean> {
  const key = `${prefix}probe/${newId()}`;
  const [first, second] = [encoder.encode("first\n"), encoder.encode("second\n")];
  onExtraRequest?.("put", first.byteLength);
  const isCreated = await client.put(key, first, { signal, ifAbsent: true });
  onExtraRequest?.("put", second.byteLength);
  const isCreatedAgain = await client.put(key, second, { signal, ifAbsent: true });
  onExtraRequest?.("get", 0);
  const found = await client.get(key, { signal });
  onExtraRequest?.("delete", 0);
  await client.delete(key, { signal }).catch(leaveIt);
  return isCreated && !isCreatedAgain && found !== null && Buffer.compare(found, first) === 0;
}

/** The verdict stands without it, and some may create and not delete: a few bytes stay that nobody reads. */
function leaveIt(error: unknown): void {
  if (!isVarveError(error, "VARVE_STORE")) throw error;
}

/** Said before anything of the run is written. */
export function ignoresCreateError(url: string, key: string): StoreError {
  return new StoreError(
    "unsupported",
    "put",
    key,
    `${url} ignores create-if-absent: two writers of this run could overwrite each other's checkpoints`,
    {
      hint: "Use another store. Where nobody else will ever write there: openStore(url, { exclusive: true }), or the URL with ?exclusive=true.",
    },
  );
}
