import { afterAll, beforeAll, describe, it } from "vitest";
import { connectGcs } from "../../../src/store/gcs/gcs-client.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { ObjectStore } from "../../../src/store/object-store.ts";
import { type ObjectPlace, parseObjectUrl } from "../../../src/store/object-url.ts";
import type { Store } from "../../../src/store/store.ts";
import { storeContract } from "../../../src/testing/index.ts";
import { type GcsCloud, startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import { piecesContract } from "./pieces-contract.ts";

let cloud: GcsCloud;
beforeAll(async () => {
  cloud = await startGcsCloud();
});
afterAll(() => cloud.close());

/** Small pages: more objects than one of them need not be thousands. */
function storeAt(place: ObjectPlace): Store {
  const connect = (): Promise<ObjectClient> => connectGcs(place, { pageSize: 40 });
  const traits = { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true };
  return new ObjectStore({ connect, url: place.url, prefix: place.prefix, traits, location: { url: "", options: {} } });
}

storeContract(
  "gcs",
  async () => {
    const place = parseObjectUrl(cloud.newUrl(), cloud.options());
    const store = storeAt(place);
    const second = storeAt(place);
    return {
      store,
      second,
      dispose: async () => {
        await store.close?.();
        await second.close?.();
      },
    };
  },
  { describe, it },
  { objectCount: 130 },
);

piecesContract("gcs", () => connectGcs(parseObjectUrl(cloud.newUrl(), cloud.options())), {
  isHiddenUntilComplete: false,
  listsOpen: false,
});
