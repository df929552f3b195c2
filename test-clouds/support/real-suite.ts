import { describe, it } from "vitest";
import { randomId } from "../../src/base/ids.ts";
import { type OpenStoreOptions, openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { storeContract } from "../../src/testing/index.ts";

/**
 * The contract of stores against the real thing: below a prefix of its own, which is empty again afterwards.
 *
 * @param variable - the environment's name for a URL of that cloud; without it nothing is run, and that is said
 */
export function realSuite(variable: string, form: string, options: OpenStoreOptions = {}): void {
  const url = process.env[variable] ?? "";
  const isGiven = url !== "";
  const why = isGiven ? "" : `, skipped: it is not set (to a URL such as ${form})`;
  if (!isGiven) console.warn(`\n*** SKIPPED: nothing is tested against the cloud of ${variable}${why} ***\n`);
  describe.runIf(isGiven)(`${variable}${why}`, () => {
    storeContract(
      "the real thing",
      async () => {
        const [bucket = "", query] = url.split("?");
        const below = `${bucket.replace(/\/$/, "")}/varve-test-${randomId()}`;
        const place = query === undefined ? below : `${below}?${query}`;
        const store = await openStore(place, options);
        const second = await openStore(place, options);
        const dispose = async (): Promise<void> => {
          await removeAll(store);
          await store.close?.();
          await second.close?.();
        };
        return { store, second, dispose };
      },
      { describe, it },
      // A page has 1,000 objects at two of the three: enough for one case, too dear for a test.
      { objectCount: 40, traits: { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true } },
    );
  });
}

async function removeAll(store: Store): Promise<void> {
  for await (const { name } of store.list("")) await store.delete(name);
}
