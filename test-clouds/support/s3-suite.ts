import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseObjectUrl } from "../../src/store/object-url.ts";
import { openStore } from "../../src/store/open-store.ts";
import { connectS3 } from "../../src/store/s3/s3-client.ts";
import { storeContract } from "../../src/testing/index.ts";
import { cloudScenarios } from "../../test/checkpoint/cloud/cloud-scenarios.ts";
import { cloudPlaceIn } from "../../test/checkpoint/cloud/places.ts";
import { startS3Cloud } from "../../test/servers/s3/s3-cloud.ts";
import { type PiecesSettings, piecesContract } from "../../test/store/clouds/pieces-contract.ts";
import { askS3 } from "./s3-questions.ts";
import type { ForeignS3 } from "./s3-server.ts";
import type { Tool } from "./s3-tools.ts";

/**
 * What `npm test` runs against our own server, against one that others wrote; and what the two answer differently.
 *
 * @param options.differs - questions whose answers are known to differ: one less is news too
 */
export function s3Suite(
  title: string,
  tool: Tool,
  start: (path: string) => Promise<ForeignS3>,
  { differs, ...settings }: PiecesSettings & { readonly differs: readonly string[] },
): void {
  const why = "missing" in tool ? `, skipped: ${tool.missing}` : "";
  describe.runIf("path" in tool)(`${title}${why}`, () => {
    let cloud: ForeignS3;
    beforeAll(async () => {
      cloud = await start("path" in tool ? tool.path : "");
    });
    afterAll(() => cloud.close());

    storeContract(
      title,
      async () => {
        const url = cloud.newUrl();
        const store = await openStore(url, cloud.options());
        const second = await openStore(url, cloud.options());
        const dispose = async (): Promise<void> => {
          await store.close?.();
          await second.close?.();
        };
        return { store, second, dispose };
      },
      { describe, it },
      { objectCount: 1050 },
    );

    piecesContract(title, () => connectS3(parseObjectUrl(`s3://${cloud.bucket}`, cloud.options())), settings);

    cloudScenarios(title, async () => ({
      newPlace: () => cloudPlaceIn(cloud),
      close: async () => {},
    }));

    it("answers as our own server does, but for what is known", async () => {
      const own = await startS3Cloud();
      try {
        const ours = await askS3(own.port, own.bucket);
        const theirs = await askS3(cloud.port, cloud.bucket);
        const differing = Object.keys(ours).filter((question) => ours[question] !== theirs[question]);
        const told = differing.map((question) => `${question}: ours ${ours[question]}, theirs ${theirs[question]}`);
        expect(differing, told.join("\n")).toEqual(differs);
      } finally {
        await own.close();
      }
    });
  });
}
