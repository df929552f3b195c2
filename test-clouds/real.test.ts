import { describe, it } from "vitest";
import { randomId } from "../src/base/ids.ts";
import { openStore } from "../src/store/open-store.ts";
import type { Store } from "../src/store/store.ts";
import { storeContract } from "../src/testing/index.ts";

// The contract of stores against the real thing: below a prefix of its own, which is empty again afterwards.

const CLOUDS = [
  ["VARVE_TEST_GCS", "gs://bucket/prefix"],
  ["VARVE_TEST_S3", "s3://bucket/prefix"],
  ["VARVE_TEST_AZURE", "az://account/container/prefix"],
] as const;

async function removeAll(store: Store): Promise<void> {
  for await (const { name } of store.list("")) await store.delete(name);
}

for (const [variable, form] of CLOUDS) {
  const url = process.env[variable];
  if (url === undefined || url === "") {
    console.warn(`SKIPPED: ${variable} is not set (to a URL such as ${form}): nothing was tried on the real thing`);
    describe.skip(`store contract: ${variable}`, () => {
      it("needs a URL", () => undefined);
    });
    continue;
  }
  const connectionString = process.env["AZURE_STORAGE_CONNECTION_STRING"];
  const options = url.startsWith("az://") && connectionString ? { connectionString } : {};
  storeContract(
    url,
    async () => {
      const place = `${url.replace(/\/$/, "")}/varve-test-${randomId()}`;
      const store = await openStore(place, options);
      const second = await openStore(place, options);
      return {
        store,
        second,
        dispose: async () => {
          await removeAll(store);
          await store.close?.();
          await second.close?.();
        },
      };
    },
    { describe, it },
    // A page is 1,000 objects at two of the three: enough for one case, too dear for a test.
    { objectCount: 40, traits: { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true } },
  );
}
