import { systemClock } from "../../../src/base/clock.ts";
import { createRandom } from "../../../src/base/random.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { ObjectStore } from "../../../src/store/object-store.ts";
import { type ObjectPlace, parseObjectUrl } from "../../../src/store/object-url.ts";
import type { Store } from "../../../src/store/store.ts";
import type { RetryContext } from "../../../src/transfer/retry.ts";
import { withRetries } from "../../../src/transfer/retrying-store.ts";
import { type ChaosProxy, startChaosProxy } from "../../servers/chaos-proxy.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";

/** How many requests each step of an upload in pieces sends; 0 where it sends none, or cannot be done. */
export type PieceRequests = Readonly<Record<"begin" | "put" | "held" | "complete" | "abort" | "open", number>>;

/** How one provider is reached in these tests. */
export interface CloudUnderTest {
  readonly start: () => Promise<RunningCloud>;
  readonly connect: (place: ObjectPlace, small: typeof SMALL) => Promise<ObjectClient>;
  readonly pieceRequests: PieceRequests;
  /** Whether a piece that was corrupted on its way ends the upload (GCS: its checksum is of the whole file). */
  readonly corruptionEndsUpload?: boolean;
  /** Faults that this matrix has run with this provider at least; fewer means that cells were left out. */
  readonly atLeast: number;
}

/** Sizes of pages and pieces that make small objects enough. */
export const SMALL: { readonly pageSize: number; readonly pieceBytes: number } = {
  pageSize: 3,
  pieceBytes: 1024 * 1024,
};

const IDLE_TIMEOUT_MS = 200;

export interface Bench {
  readonly cloud: RunningCloud;
  readonly proxy: ChaosProxy;
  /** Through the proxy, tried again; and straight to the server, to see what is there. */
  readonly store: Store;
  readonly inside: Store;
  readonly client: ObjectClient;
  readonly insideClient: ObjectClient;
  readonly prefix: string;
  /** For what has no retries of its own. */
  readonly retry: RetryContext;
  /** Before each further try, as long as it would have taken. */
  readonly pauses: number[];
  /** What the operation under way is about, where that is an upload in pieces. */
  upload: { readonly key: string; readonly id: string };
}

export async function openBench({ start, connect }: CloudUnderTest): Promise<Bench> {
  const cloud = await start();
  const proxy = await startChaosProxy(cloud.port);
  const url = cloud.newUrl();
  const inside = parseObjectUrl(url, cloud.options());
  const throughProxy = parseObjectUrl(url, { ...cloud.options(proxy.port), idleTimeoutMs: IDLE_TIMEOUT_MS });
  const storeAt = (place: ObjectPlace): Store =>
    new ObjectStore({
      connect: () => connect(place, SMALL),
      ...{ url: place.url, prefix: place.prefix, location: { url, options: {} } },
      traits: { conditionalCreate: true, stronglyConsistent: true },
    });
  const pauses: number[] = [];
  const retry: RetryContext = {
    policy: { attempts: 3, baseDelayMs: 1, maxDelayMs: 2, budgetMs: 60_000 },
    clock: systemClock,
    random: createRandom(1),
    sleep: async (delayMs) => void pauses.push(delayMs),
  };
  return {
    ...{ cloud, proxy, retry, pauses, prefix: inside.prefix, upload: { key: "", id: "" } },
    store: withRetries(storeAt(throughProxy), retry),
    inside: storeAt(inside),
    client: await connect(throughProxy, SMALL),
    insideClient: await connect(inside, SMALL),
  };
}

export async function closeBench({ store, inside, client, insideClient, proxy, cloud }: Bench): Promise<void> {
  await store.close?.();
  await inside.close?.();
  await client.close();
  await insideClient.close();
  await proxy.close();
  await cloud.close();
}
