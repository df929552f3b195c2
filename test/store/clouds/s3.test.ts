import { afterAll, beforeAll, describe, it } from "vitest";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { connectS3 } from "../../../src/store/s3/s3-client.ts";
import { storeContract } from "../../../src/testing/index.ts";
import { type S3Cloud, startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { piecesContract } from "./pieces-contract.ts";

let cloud: S3Cloud;
beforeAll(async () => {
  // Small pages: more objects than one of them need not be thousands.
  cloud = await startS3Cloud({ pageSize: 40 });
});
afterAll(() => cloud.close());

storeContract(
  "s3",
  async () => {
    const url = cloud.newUrl();
    const store = await openStore(url, cloud.options());
    const second = await openStore(url, cloud.options());
    return {
      store,
      second,
      makeUnreadable: async () => {
        cloud.deny = true;
      },
      dispose: async () => {
        cloud.deny = false;
        await store.close?.();
        await second.close?.();
      },
    };
  },
  { describe, it },
  { objectCount: 130 },
);

piecesContract("s3", () => connectS3(parseObjectUrl(`s3://${cloud.bucket}`, cloud.options())));
