import { afterAll, beforeAll, describe, it } from "vitest";
import { openStore } from "../../../src/store/open-store.ts";
import { storeContract, type WireFault } from "../../../src/testing/index.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { type ChaosFault, type ChaosProxy, startChaosProxy } from "../../servers/chaos-proxy.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";

// The contract once more, as a user opens the store, with a proxy in between that can break what is on its way.

const FAULTS: Readonly<Record<WireFault, ChaosFault>> = {
  "answer lost": { kind: "answer lost" },
  stalled: { kind: "answer stalled", atByte: 0 },
  "upload corrupted": { kind: "request bit flipped", atByte: 5_000 },
  "download corrupted": { kind: "answer bit flipped", atByte: 5_000 },
  "download cut": { kind: "answer truncated", atByte: 5_000 },
};

/** The process, its proxy and its server may stand still for a moment on a machine that is busy. */
const IDLE_TIMEOUT_MS = 500;

function contractBehindProxy(name: string, start: () => Promise<RunningCloud>): void {
  describe(`${name} behind a proxy`, () => {
    let cloud: RunningCloud;
    let proxy: ChaosProxy;
    beforeAll(async () => {
      cloud = await start();
      proxy = await startChaosProxy(cloud.port);
    });
    afterAll(async () => {
      await proxy.close();
      await cloud.close();
    });

    storeContract(
      "through a proxy",
      async () => {
        const url = cloud.newUrl();
        const store = await openStore(url, { ...cloud.options(proxy.port), idleTimeoutMs: IDLE_TIMEOUT_MS });
        return {
          store,
          breakNext: (fault) => proxy.plan(FAULTS[fault]),
          dispose: async () => store.close?.(),
        };
      },
      { describe, it },
      {
        traits: { conditionalCreate: true, stronglyConsistent: true, visibleIsDurable: true },
        ...{ bigObjectBytes: 64 * 1024, objectCount: 30 },
      },
    );
  });
}

contractBehindProxy("gcs", () => startGcsCloud());
contractBehindProxy("s3", () => startS3Cloud());
contractBehindProxy("azure", startAzureCloud);
