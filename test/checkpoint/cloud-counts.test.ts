import { afterAll, beforeAll, expect, it } from "vitest";
import { openStore } from "../../src/index.ts";
import { startAzureCloud } from "../servers/azure/azure-cloud.ts";
import { type ChaosProxy, type SeenRequest, startChaosProxy } from "../servers/chaos-proxy.ts";
import { startGcsCloud } from "../servers/gcs/gcs-cloud.ts";
import type { RunningCloud } from "../servers/running-cloud.ts";
import { startS3Cloud } from "../servers/s3/s3-cloud.ts";
import { startSession } from "./session-of-test.ts";

const clouds: RunningCloud[] = [];
beforeAll(async () => {
  clouds.push(...(await Promise.all([startGcsCloud(), startS3Cloud(), startAzureCloud()])));
});
afterAll(() => Promise.all(clouds.map((cloud) => cloud.close())));

it.each([0, 1, 2])(
  "every request that cloud %i sees is counted by its kind, tries and the trial of create-if-absent too",
  async (index) => {
    const cloud = clouds[index] as RunningCloud;
    const proxy: ChaosProxy = await startChaosProxy(cloud.port);
    const remote = await openStore(cloud.newUrl(), cloud.options(proxy.port));
    const session = await startSession({ remote });
    let isRefused = false;
    proxy.always(({ method, path }) => {
      if (isRefused || !/PUT|POST/.test(method) || !path.includes("packs")) return null;
      isRefused = true;
      return { kind: "status", status: 503 };
    });
    session.save();
    for (let second = 0; session.status.pending > 0 && second < 100; second++) {
      await session.time.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await session.idle();
    expect(session.fateOf(1)).toEqual(["durable", "committed"]);
    const { requestsByKind, bytesUpInVain } = session.status.storeStatus(0);
    const seen = (test: (request: SeenRequest) => boolean): number => proxy.seen.filter(test).length;
    expect(requestsByKind.put).toBe(seen(({ method }) => /PUT|POST/.test(method)));
    expect(requestsByKind.delete).toBe(seen(({ method }) => method === "DELETE"));
    expect(Object.values(requestsByKind).reduce((sum, count) => sum + count, 0)).toBe(proxy.seen.length);
    expect([isRefused, bytesUpInVain > 0]).toEqual([true, true]);
    await session.call({ method: "close" });
    await proxy.close();
  },
);
